"""One seed for a run, many streams of random numbers: weights, order of the images, dropout.

Each has its own generator, so that a change in one (another net, dropout on) leaves the others as they were.
"""

from __future__ import annotations

import numpy as np
import torch

WEIGHTS, ORDER, DROPOUT, AUGMENT, SELECTION, NOISE = 0, 1, 2, 3, 4, 5


def stream_seed(seed: int, stream: int, number: int = 0) -> int:
    """A seed of 32 bits that is different for every (seed, stream, number), and the same on every machine."""
    return int(np.random.SeedSequence((seed, stream, number)).generate_state(1)[0])


def generator(seed: int, stream: int, number: int = 0) -> torch.Generator:
    """A generator on the CPU: its numbers are the same whatever device trains."""
    return torch.Generator().manual_seed(stream_seed(seed, stream, number))
