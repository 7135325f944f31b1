"""The line plot: axes, curves, mouse, the colours of a theme."""
