"""Small loops under cvtui.watch, with a fault each or without: what tests/doctor/test_first_signs.py trains."""
