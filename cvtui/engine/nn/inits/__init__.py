"""The ways for weights to begin, by what they look at: nothing (plain), a layer's size (fans, orthogonal), a real
batch (measured), the net's blocks (fixup)."""
