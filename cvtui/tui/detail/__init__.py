"""Places to look: one layer over time, and the pictures that a run keeps."""
