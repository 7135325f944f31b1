"""Random streams of a run: weights, order of the images, dropout …, from one seed.

Each has its own generator, so that a change in one (another net, dropout on) leaves the others as they were.
"""

from __future__ import annotations

import numpy as np
import torch

WEIGHTS, ORDER, DROPOUT, AUGMENT, SELECTION, NOISE, ITEMS, MIX, VALIDATION = range(9)


def stream_seed(seed: int, stream: int, number: int = 0) -> int:
    """Derive a 32-bit seed from (seed, stream, number), the same on every machine."""
    return int(np.random.SeedSequence((seed, stream, number)).generate_state(1)[0])


def generator(seed: int, stream: int, number: int = 0) -> torch.Generator:
    """Make a CPU generator: its numbers are the same on every device."""
    return torch.Generator().manual_seed(stream_seed(seed, stream, number))
