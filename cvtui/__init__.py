"""cvtui: train image classifiers in the terminal and see, live, why they learn or don't."""

__version__ = "0.1.0"
