"""The room of the recipe: what a run is asked to do, as data, and what can be said about it without training."""
