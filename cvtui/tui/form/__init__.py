"""The form that fills in a recipe, its live check, and what can be said before the run.

Nothing here imports numpy before the first frame is painted (57 ms).
"""
