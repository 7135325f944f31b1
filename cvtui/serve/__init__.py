"""The screen in a browser: a small HTTP server around textual-serve."""
