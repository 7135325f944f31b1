"""The commands of cvtui: one module each, fetched when it is called."""
