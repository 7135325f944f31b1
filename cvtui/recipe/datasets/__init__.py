"""Data sets as facts: what is known of each before its images are read."""
