"""The labs: the lecture's claims as experiments (PyTorch). One file each, named as in `cvtui.labs.catalog`.

Each has `run(knobs, report) -> LabResult`: pure computation, the same for the same seed and number of threads.
"""
