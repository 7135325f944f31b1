"""Update rules: what a recipe says of each, what it keeps per parameter, what is usual with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.util import find_spec

from cvtui.errors import RequestError
from cvtui.recipe.choices.spec import Choice, Chosen, Parameter, Values, table_of


class OptimizerChoice(Choice):
    state: Callable[[Values], int]
    """(parameters of the choice) -> numbers that it keeps for each parameter of the net."""
    adaptive: bool = False
    """Its step does not follow the gradient's size."""
    decoupled: bool = False
    """Weight decay shrinks the weights by lr · decay a step; else it is added to the gradient."""
    momentum: bool = False
    """It reads the recipe's `momentum`."""
    usual_lr: float
    """For a batch of 64 (the papers' and PyTorch's defaults; SGD's measured)."""

    factored: bool = False
    """It keeps a number per row and column of each weight beside, which `state` leaves out."""
    library: str = ""
    """Package that has it, where PyTorch has not; an extra of cvtui's brings it."""

    @property
    def usual_decay(self) -> float:
        """The usual weight decay; added to the gradient, as much as 0.2 would drown the loss."""
        return 0.2 if self.decoupled else 5e-4


def copies_of(optimizer: Chosen[OptimizerChoice]) -> int:
    """Count the numbers that the rule keeps for each parameter that is trained."""
    return optimizer.spec.state(optimizer.values)


def check_library(optimizer: Chosen[OptimizerChoice]) -> None:
    """Check that the package of an update rule is there, without importing it. RequestError."""
    library = optimizer.spec.library
    if library and find_spec(library) is None:
        raise RequestError(
            f"optimizer: {optimizer.name} is {library}'s, which is not installed: pip install 'cvtui[optimizers]'",
            hint="adamw needs nothing",
        )


def _moments(values: Values) -> int:
    """Both moments, and with amsgrad the largest of the second."""
    return 2 + int(values["amsgrad"] >= 0.5)


_BETAS = {
    "beta1": Parameter(default=0.9, low=0, high=1, open_high=True, doc="decay of the mean of gradients"),
    "beta2": Parameter(default=0.999, low=0, high=1, open_high=True, doc="decay of the mean of squared gradients"),
    "eps": Parameter(default=1e-8, low=0, high=1, open_low=True, doc="added to the root, against division by 0"),
    "amsgrad": Parameter(default=0, low=0, high=1, doc="1: divide by the largest mean so far (Reddi 2018); 0: not"),
}

OPTIMIZERS = table_of(
    OptimizerChoice(
        name="sgd", summary="a step down the batch's gradient", formula="x −= lr dx", state=lambda _: 0, usual_lr=0.1
    ),
    OptimizerChoice(
        name="momentum",
        summary="SGD with a running mean of gradients",
        formula="v = rho v + (1 − dampening) dx; x −= lr v",
        state=lambda _: 1,
        momentum=True,
        usual_lr=0.05,
        parameters={
            "dampening": Parameter(default=0, low=0, high=1, doc="share of each new gradient that is left out of v"),
        },
    ),
    OptimizerChoice(
        name="nesterov",
        summary="momentum that looks ahead to where it is going",
        formula="v = rho v + dx; x −= lr (dx + rho v)",
        state=lambda _: 1,
        momentum=True,
        usual_lr=0.05,
    ),
    OptimizerChoice(
        name="adagrad",
        summary="each weight's step divided by the root of the sum of its squared gradients (Duchi 2011)",
        formula="g += dx²; x −= lr dx / (sqrt(g) + eps)",
        state=lambda _: 1,
        adaptive=True,
        usual_lr=1e-2,
        parameters={
            "eps": Parameter(default=1e-10, low=0, high=1, open_low=True, doc="added to the root"),
            "initial": Parameter(default=0, low=0, high=math.inf, doc="where each sum of squares begins"),
            "decay": Parameter(default=0, low=0, high=math.inf, doc="lr is divided by 1 + decay t"),
        },
    ),
    OptimizerChoice(
        name="rmsprop",
        summary="AdaGrad whose sum forgets (Tieleman & Hinton 2012)",
        formula="g = alpha g + (1−alpha) dx²; x −= lr dx / (sqrt(g) + eps)",
        state=lambda values: 1 + (values["momentum"] > 0) + (values["centred"] >= 0.5),
        adaptive=True,
        usual_lr=1e-3,
        parameters={
            "alpha": Parameter(default=0.99, low=0, high=1, open_high=True, doc="decay of the mean of squares"),
            "eps": Parameter(default=1e-8, low=0, high=1, open_low=True, doc="added to the root"),
            "momentum": Parameter(default=0, low=0, high=1, open_high=True, doc="rho of a velocity; 0: none"),
            "centred": Parameter(default=0, low=0, high=1, doc="1: divide by the gradients' variance; 0: not"),
        },
    ),
    OptimizerChoice(
        name="adam",
        summary="momentum, divided by the root of the mean squared gradient (Kingma 2015)",
        formula="m1 = β1 m1 + (1−β1) dx; m2 = β2 m2 + (1−β2) dx²; x −= lr m1' / (sqrt(m2') + eps)",
        state=_moments,
        adaptive=True,
        usual_lr=1e-3,
        parameters=_BETAS,
    ),
    OptimizerChoice(
        name="adamw",
        summary="Adam with the weight decay apart from the gradient (Loshchilov 2019)",
        formula="x −= lr wd x; then Adam",
        state=_moments,
        adaptive=True,
        decoupled=True,
        usual_lr=1e-3,
        parameters=_BETAS,
    ),
    OptimizerChoice(
        name="muon",
        summary="orthogonal steps for hidden weights (Jordan 2024; a conv as one row per channel), AdamW for the rest",
        formula="v = rho v + (1−rho) dx; x −= lr wd x + lr · 0.2 sqrt(max(rows, columns)) · UVᵀ, v = USVᵀ",
        state=lambda _: 1,  # a velocity (of the few parameters that AdamW updates, both moments)
        adaptive=True,
        decoupled=True,
        usual_lr=2e-2,
        parameters={
            "momentum": Parameter(default=0.95, low=0, high=1, open_high=True, doc="rho of the velocity"),
            "nesterov": Parameter(default=1, low=0, high=1, doc="1: looks ahead; 0: not"),
            "steps": Parameter(default=5, low=1, high=99, doc="Newton-Schulz iterations towards UVᵀ"),
            "match": Parameter(
                default=1, low=0, high=1, doc="1: a step as long as AdamW's; 0: times sqrt(max(1, rows / columns))"
            ),
        },
    ),
    OptimizerChoice(
        name="adafactor",
        summary="Adam's second moment as one mean per row and column; steps relative to the weights (Shazeer 2018)",
        formula="v = R C / mean R; u = dx / sqrt(v); u /= max(1, rms(u) / clip); x −= min(lr, 1/sqrt t) rms(x) u",
        state=lambda _: 0,
        factored=True,
        adaptive=True,
        decoupled=True,
        usual_lr=3e-2,
        parameters={
            "decay": Parameter(default=0.8, low=0, high=1, open_low=True, doc="the means forget with 1 − t^−decay"),
            "clip": Parameter(default=1, low=0, high=math.inf, open_low=True, doc="longest rms of an update"),
        },
    ),
    OptimizerChoice(
        name="lion",
        summary="the sign of a running mean of gradients (Chen 2023); from timm (extra optimizers)",
        formula="x −= lr wd x + lr sign(β1 m + (1−β1) dx); m = β2 m + (1−β2) dx",
        state=lambda _: 1,
        adaptive=True,
        decoupled=True,
        usual_lr=3e-4,
        library="timm",
        parameters={
            "beta1": Parameter(default=0.9, low=0, high=1, open_high=True, doc="share of the mean in the sign"),
            "beta2": Parameter(default=0.99, low=0, high=1, open_high=True, doc="decay of the mean of gradients"),
        },
    ),
    OptimizerChoice(
        name="lamb",
        summary="Adam with each layer's step as long as its weights, for large batches (You 2020); from timm (extra "
        "optimizers)",
        formula="u = m1' / (sqrt(m2') + eps) + wd x; x −= lr ‖x‖ / ‖u‖ u (biases and norms: x −= lr u)",
        state=lambda _: 2,
        adaptive=True,
        decoupled=True,
        usual_lr=1e-2,
        library="timm",
        parameters={
            "beta1": Parameter(default=0.9, low=0, high=1, open_high=True, doc="decay of the mean of gradients"),
            "beta2": Parameter(default=0.999, low=0, high=1, open_high=True, doc="decay of the mean of squares"),
            "eps": Parameter(default=1e-6, low=0, high=1, open_low=True, doc="added to the root"),
        },
    ),
)
