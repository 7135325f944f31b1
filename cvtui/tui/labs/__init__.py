"""The Labs screen's parts: the list of labs, a page each, and their processes."""
