"""The labs: the lecture's claims as experiments (PyTorch). One file each, named as in `cvtui.recipe.lab_table`.

Each has `run(knobs, report) -> LabResult`: pure computation, the same for the same seed and number of threads.
"""
