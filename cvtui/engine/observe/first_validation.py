"""What the first validation batch says of its images, beside the first training batch.

It stays on its device until `facts`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from cvtui.engine.observe.evaluations import Evaluations
from cvtui.engine.observe.fingerprints import Fingerprints
from cvtui.engine.observe.first_batch import FirstBatch
from cvtui.engine.observe.statistics import moments
from cvtui.engine.observe.wrapped_bytes import jumps
from cvtui.text import rounded_or_none


class FirstValidation:
    """First batch that is evaluated behind a training step; `prints` gets all such batches.

    first: the first training batch. within_memory: leaves out what there is no memory for.
    """

    def __init__(
        self, first: FirstBatch, prints: Fingerprints, within_memory: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._first, self._prints, self._within_memory = first, prints, within_memory
        self.evaluations = Evaluations()
        self._numbers: Tensor | None = None
        self.is_reported = False

    def take(self, number: int, seen: int, module: nn.Module, images: Tensor) -> None:
        """Take a pass without gradients, `number` steps having been told and `seen` of them looked at."""
        if not seen:
            return
        if not self.evaluations.take(number, module.training):
            if self.evaluations.is_habit and not self.is_reported:
                self._numbers = None
                self._prints.forget_evaluated()
            return
        self._prints.evaluate(images)
        if self._numbers is None:
            with self._within_memory():
                self._numbers = torch.cat([moments(images.detach())[:4].float(), jumps(images)])
                self._first.fields["validation_mode"] = module.training

    @property
    def was_seen(self) -> bool:
        """True where the model itself was evaluated."""
        return self.is_reported or self._numbers is not None

    def facts(self) -> dict[str, Any]:
        """Return the fields about it, once, read from the device; {} where there was none."""
        if self.is_reported or self._numbers is None:
            return {}
        self.is_reported = True
        numbers = self._numbers.tolist()
        mean, std = (rounded_or_none(number, 6) for number in numbers[:2])
        mode = self._first.fields["validation_mode"]
        jumps = self._first.jumps(numbers[4])
        return {"validation_mean": mean, "validation_std": std, "validation_mode": mode, "jumps": jumps}
