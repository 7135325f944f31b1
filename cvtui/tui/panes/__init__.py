"""What a run looks like from one side each: curves, layers, log, prediction. A pane reads a `History`, never a file."""
