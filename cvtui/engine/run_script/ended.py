"""What is kept of a watched model's run once it has ended, and how a screen ends one."""

from __future__ import annotations

import weakref
from typing import Any

from torch import nn
from torch.optim import Optimizer


class Ended:
    """A session that has ended: the script's model and optimizers are freed when the script lets them go."""

    def __init__(self, session: Any, replaced: bool = False) -> None:
        self.replaced = replaced
        """Another optimizer of the same model took its place: it may come back."""
        self.folder = session.folder
        self.leads = session.leads
        self._model = weakref.ref(session.model)
        self._optimizers = [weakref.ref(one) for one in session.optimizers]

    @property
    def model(self) -> nn.Module | None:
        return self._model()

    def holds(self, optimizer: Optimizer) -> bool:
        return any(one() is optimizer for one in self._optimizers)


class StoppedFromScreen(KeyboardInterrupt):
    """Stop asked for on a screen: in the script it is what ctrl+c is."""

    from_screen = True
