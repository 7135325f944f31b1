"""The file formats of the sets that are fetched once, and the fetching. Readers give NumPy arrays, a whole file at a
time, and trust nothing that a file says of itself. torchvision_sets.py is what puts them together."""
