"""The network: an expression as a module, initialisation, the layer table of any module."""
