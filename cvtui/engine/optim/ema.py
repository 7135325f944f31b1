"""A running mean of the weights, which jumps about less than they do: it is what is validated and kept as the best.

(Polyak & Juditsky 1992; as in torch.optim.swa_utils and timm's ModelEma.)
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cvtui.engine.runtime.model_tensors import deep_copy

BEGIN = 10
"""How fast the mean follows at first: see `decay_at`."""


def decay_at(step: int, decay: float) -> float:
    """Return the decay of step `step` (from 0): min(decay, (1 + step) / (10 + step)), TensorFlow's rule.

    A mean of decay 0.999 looks back over about 1,000 steps; without this, after 500 it would still be for more than
    half what the weights were drawn as.
    """
    return min(decay, (1 + step) / (BEGIN + step))


class Ema:
    """mean = decay · mean + (1 − decay) · weights after every step, for the running statistics of norms as well.

    model: a second model, in evaluation mode, whose weights are the mean; it shares nothing with the first.
    """

    def __init__(self, source: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = deep_copy(source)
        self.model.eval()  # a user's own may return nothing
        self.model.requires_grad_(False)
        self._pairs = list(zip(_tensors(self.model), _tensors(source), strict=True))
        moving = [(mean, now) for mean, now in self._pairs if mean.is_floating_point()]
        self._means, self._now = [mean for mean, _ in moving], [now for _, now in moving]
        self._counts = [(mean, now) for mean, now in self._pairs if not mean.is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After the update of step `step` (from 0): one kernel for all weights, and nothing is read back."""
        torch._foreach_lerp_(self._means, self._now, 1.0 - decay_at(step, self.decay))
        for mean, now in self._counts:  # batches that a norm has seen
            mean.copy_(now)

    def state(self) -> dict[str, Tensor]:
        """Return the mean, under the names of the model's state dict."""
        return dict(self.model.state_dict())

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore the mean; or begin at the weights themselves. RuntimeError as PyTorch's."""
        self.model.load_state_dict(state)


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*(parameter.detach() for parameter in model.parameters()), *model.buffers()]
