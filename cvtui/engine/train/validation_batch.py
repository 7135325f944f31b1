"""How many images at once a validation takes; bits may depend on it, so what is predicted later takes as many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from cvtui.calc import Table
from cvtui.calc.module_table import ModuleTable

MACS_A_BATCH = {"cpu": 400_000_000, "cuda": 100_000_000_000, "mps": 20_000_000_000}
"""Batches are larger than in training (on 8x8 images 1.5 x as fast as those of 32; inference mode instead of no_grad
gives another 1.03), but so small that one takes well under 0.2 s: commands are read in between."""
LARGEST_BATCH = 4096
LARGEST_ANSWER = 1 << 22
"""Logits of a batch, where there are many classes (16 MB)."""
MACS_A_WEIGHT = 400
"""Multiply-adds for each weight, on a CPU: every batch reads all weights once, which then takes a tenth of its time.
(ResNet-18 on 64x64, one thread: 2.3 ms an image in batches of 16, 1.9 in batches of 32 and 64. On 32x32 1.2 in batches
of 16, 0.5 in batches of 128.)"""
MOST_MACS = 5_000_000_000
"""Of such a batch: about 0.1 s of one core."""
MOST_VALUES = 1 << 26
"""Outputs of all layers of such a batch, 256 MB if they were kept: with more, the caches hold too little of them
(EfficientNet-B0 on 96x96: 2.3 ms an image in batches of 16, 3.4 of 64)."""


def validation_batch(
    table: Table | ModuleTable, classes: int, trained_with: int, device: torch.device, *, by_weights: bool = True
) -> int:
    """Return the number of images at once.

    by_weights: False as it was before the weights counted; checkpoints of then don't say their number.
    """
    macs = max(1, table.macs)
    fits = MACS_A_BATCH.get(device.type, MACS_A_BATCH["cpu"]) // macs
    if by_weights and device.type == "cpu":
        reads = min(MACS_A_WEIGHT * table.parameters, MOST_MACS) // macs
        fits = max(fits, min(reads, MOST_VALUES // max(1, table.activations)))
    return max(trained_with, min(LARGEST_BATCH, fits, LARGEST_ANSWER // classes))


def batch_of_state(
    state: Mapping[str, Any], table: Table | ModuleTable, classes: int, trained_with: int, device: torch.device
) -> int:
    """Return the number that the run of this checkpoint took; on another kind of device the one that is usual there."""
    if str(state.get("device", "cpu")).partition(":")[0] != device.type:
        return validation_batch(table, classes, trained_with, device)
    known = state.get("validation_batch")
    if not isinstance(known, int) or known < 1:
        return validation_batch(table, classes, trained_with, device, by_weights=False)
    return min(known, max(LARGEST_BATCH, trained_with))
