"""Widgets that more than one place uses. Import from the submodules."""

MUTED = "$foreground 62%"
"""Style of what is there to be looked up, not to be seen first."""
