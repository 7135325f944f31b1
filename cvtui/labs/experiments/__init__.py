"""The lecture's experiments: each a module with `run(knobs, report)`; PyTorch trains here."""
