"""Labels of the first batches: how many of each class, in batches of which sizes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cvtui.engine.observe.lasting import lasting

MOST_LABELS = 10_000
"""The largest class number whose labels are counted one by one."""


class BatchLabels:
    """Labels of the first batches, held where they lie until they are read."""

    def __init__(self) -> None:
        self._batches: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._batches)

    def add(self, labels: Tensor) -> None:
        """Take the labels of a batch: N whole numbers."""
        self._batches.append(lasting(labels))

    def all(self) -> Tensor:
        """Return those of all images, on the CPU."""
        return torch.cat([batch.cpu() for batch in self._batches]) if self._batches else torch.empty(0)

    def facts(self) -> dict[str, Any]:
        """Return the fields of `Facts` about them; {} where there are none."""
        counted = [batch for batch in self._batches if len(batch)]  # (a batch may be empty)
        if not counted:
            return {}
        facts: dict[str, Any] = {}
        together = torch.cat(counted).cpu()  # one wait for the device
        low, high = int(together.min()), int(together.max())
        if 0 <= low <= high <= MOST_LABELS:
            facts["batch_labels"] = together.bincount().tolist()
        sizes = [len(batch) for batch in counted]
        facts["batch_classes"] = [len(set(batch.tolist())) for batch in torch.split(together, sizes)]
        facts["batch_sizes"] = sizes
        facts["label_range"] = [low, high]
        return facts
