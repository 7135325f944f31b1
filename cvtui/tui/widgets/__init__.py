"""What is drawn by our own hands: curves, histogram strips, bars, heat maps. Import from the submodules."""
