"""File formats of the torchvision sets, and their download.

Readers give NumPy arrays, a whole file at a time, and trust nothing that a file says of itself. torchvision_sets.py is
what puts them together.
"""
