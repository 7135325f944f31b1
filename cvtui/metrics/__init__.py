"""Numbers of a classifier: scores, ranking, calibration, two classifiers compared. NumPy alone, double precision."""
