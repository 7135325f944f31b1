"""Loops that look like a fault and are none: each was an alarm once."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.loop import Loop


class Probabilities(Loop):
    """A net that ends in softmax, and the loss −log of it.

    `unlabelled`: the loop tells no labels, as in the README's two lines; `even`: its last layer begins at 0, where
    −log p and the softmax of p cost the same.
    """

    def spoil_model(self, model: nn.Sequential) -> None:
        if self.strength == "even":
            head = model[-1]
            assert isinstance(head, nn.Linear)
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        model.append(nn.Softmax(1))

    def loss_of(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.nll_loss(torch.log(logits), labels)

    validation_loss = loss_of

    def told(self, labels: Tensor) -> Tensor | None:
        return None if self.strength == "unlabelled" else labels


class Frozen(Loop):
    """The first layer stays as it is: by requires_grad (`frozen`), or by running it under no_grad (`no_grad`)."""

    def spoil_model(self, model: nn.Sequential) -> None:
        if self.strength == "frozen":
            model[: self._place(model)].requires_grad_(False)
        else:
            model[self._place(model) - 1].register_forward_hook(lambda _module, _inputs, output: output.detach())

    def parameters(self, model: nn.Module) -> list[nn.Parameter]:
        assert isinstance(model, nn.Sequential)
        return list(model[self._place(model) :].parameters())

    def _place(self, model: nn.Sequential) -> int:
        """Of the second layer that has weights."""
        return [place for place, layer in enumerate(model) if isinstance(layer, nn.Conv2d | nn.Linear)][1]


class Scaled(nn.Module):
    """x + scale · (x, squashed), as ConvNeXt's blocks: the scale is C x 1 x 1 (or 1 x C) and begins at 1e-6."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layer_scale = nn.Parameter(torch.full(shape, 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layer_scale * torch.tanh(x)


class LayerScale(Loop):
    """Scales that begin alike in all channels, by design."""

    def spoil_model(self, model: nn.Sequential) -> None:
        for place, layer in reversed(list(enumerate(model))):
            if isinstance(layer, nn.Conv2d):
                model.insert(place + 1, Scaled((layer.out_channels, 1, 1)))
            elif isinstance(layer, nn.Linear) and place < len(model) - 1:
                model.insert(place + 1, Scaled((1, layer.out_features)))
