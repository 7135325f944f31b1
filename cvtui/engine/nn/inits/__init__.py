"""Initializers, by what they look at.

Nothing (constant), a layer's size (fans, orthogonal), a real batch (data_driven), the net's blocks (fixup).
"""
