"""Runs of other hosts, `--runs ssh://host/path`: mirrored into the cache by one shell over the system's own ssh."""
