"""Pixels of a terminal without a screen library: rasters, scales, ticks, figures; no Textual, no torch."""
