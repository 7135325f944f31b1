"""Tests of the use of a trained model."""
