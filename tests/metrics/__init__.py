"""Tests of the numbers of a classifier."""
