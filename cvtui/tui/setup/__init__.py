"""The form that fills in a recipe, its live check, and what can be said before the run."""
