"""What can be chosen by name: data, preprocessing, initialisation, loss, optimiser, schedule.

An entry says what it is in one line (for `--help` and the form), its formula, and its parameters with their ranges.
What the entry *does* lies where it is done: the schedules in schedule.py, the others in the engine, by the same names.
A choice with parameters is written as a call: `normal(0.02)`, `adam(beta1=0.95)`, `step(30, 60, 90, factor=0.1)`.
"""

from __future__ import annotations

import math

from cvtui.recipe.choices.spec import (
    Choice,
    Parameter,
)


def _table(*choices: Choice) -> dict[str, Choice]:
    return {choice.name: choice for choice in choices}


PREPROCESSES = _table(
    Choice(name="none", summary="pixels as they are, 0 to 255", formula="x"),
    Choice(name="scale", summary="pixels to 0..1", formula="x / 255"),
    Choice(name="centre", summary="scaled, less the mean of each channel (VGG)", formula="x / 255 − mean_c"),
    Choice(
        name="standardise",
        summary="mean 0 and standard deviation 1 in each channel (ResNet)",
        formula="(x / 255 − mean_c) / std_c",
    ),
    Choice(
        name="per-image",
        summary="mean 0 and standard deviation 1 in each image by itself",
        formula="(x − mean(x)) / max(std(x), 1 / sqrt(N))",
    ),
    Choice(
        name="zca",
        summary="whitened: every pixel uncorrelated with every other, variance 1 (Krizhevsky 2009); for small images",
        formula="U (Λ + eps)^(−1/2) Uᵀ (x / 255 − mean)",
        parameters={"eps": Parameter(default=0.01, low=0, high=1, open_low=True, doc="added to each eigenvalue")},
    ),
)

AUGMENTS = _table(
    Choice(name="flip", summary="mirrored left to right, half of the time", formula="x[:, ::-1]"),
    Choice(
        name="shift",
        summary="moved by up to so many pixels both ways; the edge is repeated",
        formula="x[i + dy, j + dx]",
        parameters={"pixels": Parameter(default=2, low=0, high=1024, doc="furthest in either direction")},
    ),
    Choice(
        name="crop",
        summary="padded with zeros on all sides, then cut at a random place (He 2016)",
        formula="pad(x, P)[i : i + H, j : j + W]",
        parameters={"padding": Parameter(default=4, low=0, high=1024, doc="pixels of padding on each side")},
    ),
    Choice(
        name="rotate",
        summary="turned about its centre",
        formula="angle in −degrees..degrees",
        parameters={"degrees": Parameter(default=15, low=0, high=180, doc="furthest to either side")},
    ),
    Choice(
        name="cutout",
        summary="a square of the mean grey at a random place (DeVries 2017)",
        formula="x[i : i + S, j : j + S] = mean",
        parameters={"size": Parameter(default=8, low=1, high=1024, doc="side of the square in pixels")},
    ),
    Choice(
        name="jitter",
        summary="brightness, contrast and saturation changed at random",
        formula="each times 1 ± strength",
        parameters={"strength": Parameter(default=0.2, low=0, high=1, doc="largest change as a share")},
    ),
)
"""What is done to training images at random, each time they are seen; written as a chain: `flip, crop(4)`."""

_UNIFORM = Parameter(default=0, low=0, high=1, doc="1: drawn evenly from −sqrt(3) std to sqrt(3) std; 0: normal")

INITS = _table(
    Choice(
        name="he",
        summary="keeps the variance through ReLU layers (He 2015)",
        formula="std = sqrt(2 / (1 + slope²) / Din)",
        parameters={
            "slope": Parameter(default=0, low=0, high=1, doc="of a leaky ReLU below 0"),
            "fan_out": Parameter(default=0, low=0, high=1, doc="1: Dout in the place of Din (the way back)"),
        },
    ),
    Choice(
        name="xavier", summary="keeps the variance through tanh layers (Glorot 2010)", formula="std = 1 / sqrt(Din)"
    ),
    Choice(
        name="normal",
        summary="one standard deviation for all layers",
        formula="N(0, std²)",
        parameters={
            "std": Parameter(default=0.01, low=0, high=math.inf, doc="standard deviation of every weight"),
        },
    ),
    Choice(
        name="uniform",
        summary="evenly from one range for all layers",
        formula="U(−a, a)",
        parameters={"a": Parameter(default=0.05, low=0, high=math.inf, doc="largest size of a weight")},
    ),
    Choice(
        name="glorot",
        summary="between what the way forward and the way back ask for (Glorot 2010)",
        formula="std = sqrt(2 / (Din + Dout))",
        parameters={"uniform": _UNIFORM},
    ),
    Choice(
        name="lecun",
        summary="keeps the variance of a linear layer (LeCun 1998)",
        formula="std = sqrt(1 / Din)",
        parameters={"uniform": _UNIFORM},
    ),
    Choice(
        name="orthogonal",
        summary="a turn, which changes no length (Saxe 2013)",
        formula="W Wᵀ = gain² I",
        parameters={"gain": Parameter(default=1, low=0, high=math.inf, doc="what lengths are times")},
    ),
    Choice(
        name="random-walk",
        summary="keeps the gradient's length through very many layers (Sussillo 2014)",
        formula="std = g / sqrt(Din); g = sqrt(2) exp(1.2 / (max(Din, 6) − 2.4)) before ReLU, exp(1 / (2 Din)) else",
    ),
    Choice(
        name="lsuv",
        summary="orthogonal, then each layer's outputs to variance 1 on a real batch (Mishkin & Matas 2015)",
        formula="W /= sqrt(Var(W x)), until |Var − 1| < tolerance",
        parameters={
            "tolerance": Parameter(default=0.1, low=0, high=1, open_low=True, doc="distance from 1 that is let pass"),
            "tries": Parameter(default=10, low=1, high=1000, doc="most divisions of one layer"),
        },
    ),
    Choice(
        name="data-dependent",
        summary="each channel's outputs to mean 0 and variance 1 on a real batch (Krähenbühl 2015)",
        formula="w_k /= σ_k; b_k = β − μ_k / σ_k",
        parameters={"beta": Parameter(default=0, low=-math.inf, high=math.inf, doc="mean of every channel")},
    ),
    Choice(
        name="fixup",
        summary="residual blocks that begin as nothing, so that no norm is needed (Zhang 2019)",
        formula="He · L^(−1 / (2m − 2)) in a branch of m layers; 0 for its last and for the classifier",
    ),
    Choice(name="zeros", summary="to show why not: no gradient gets through", formula="W = 0"),
    Choice(
        name="constant",
        summary="to show why not: all units of a layer stay alike",
        formula="W = value",
        parameters={
            "value": Parameter(default=0.01, low=-math.inf, high=math.inf, doc="every weight"),
        },
    ),
)

LOSSES = _table(
    Choice(
        name="cross-entropy",
        summary="minus the log of the softmax probability of the true class",
        formula="L = −log(exp(s_y) / Σ exp(s_j))",
        parameters={
            "smoothing": Parameter(
                default=0, low=0, high=1, open_high=True, doc="share of the label spread over all classes"
            )
        },
    ),
    Choice(
        name="hinge",
        summary="by how much each wrong class comes within a margin of the true one (Weston & Watkins 1999)",
        formula="L = Σ_{j≠y} max(0, s_j − s_y + margin)",
        parameters={
            "margin": Parameter(default=1, low=0, high=math.inf, open_low=True, doc="how far the true class must lead")
        },
    ),
    Choice(
        name="mse",
        summary="squared distance of the scores from 1 for the true class and 0 for the others",
        formula="L = 1/C Σ (s_j − [j = y])²",
    ),
)

_BETAS = {
    "beta1": Parameter(default=0.9, low=0, high=1, open_high=True, doc="decay of the mean of gradients"),
    "beta2": Parameter(default=0.999, low=0, high=1, open_high=True, doc="decay of the mean of squared gradients"),
    "eps": Parameter(default=1e-8, low=0, high=1, open_low=True, doc="added to the root, against division by 0"),
    "amsgrad": Parameter(default=0, low=0, high=1, doc="1: divide by the largest mean so far (Reddi 2018); 0: not"),
}

OPTIMIZERS = _table(
    Choice(name="sgd", summary="a step down the batch's gradient", formula="x −= lr dx"),
    Choice(
        name="momentum",
        summary="SGD with a running mean of gradients",
        formula="v = rho v + (1 − dampening) dx; x −= lr v",
        parameters={
            "dampening": Parameter(default=0, low=0, high=1, doc="share of each new gradient that is left out of v"),
        },
    ),
    Choice(
        name="nesterov",
        summary="momentum that looks ahead to where it is going",
        formula="v = rho v + dx; x −= lr (dx + rho v)",
    ),
    Choice(
        name="adagrad",
        summary="each weight's step divided by the root of the sum of its squared gradients (Duchi 2011)",
        formula="g += dx²; x −= lr dx / (sqrt(g) + eps)",
        parameters={
            "eps": Parameter(default=1e-10, low=0, high=1, open_low=True, doc="added to the root"),
            "initial": Parameter(default=0, low=0, high=math.inf, doc="where each sum of squares begins"),
            "decay": Parameter(default=0, low=0, high=math.inf, doc="lr is divided by 1 + decay t"),
        },
    ),
    Choice(
        name="rmsprop",
        summary="AdaGrad whose sum forgets (Tieleman & Hinton 2012)",
        formula="g = alpha g + (1−alpha) dx²; x −= lr dx / (sqrt(g) + eps)",
        parameters={
            "alpha": Parameter(default=0.99, low=0, high=1, open_high=True, doc="decay of the mean of squares"),
            "eps": Parameter(default=1e-8, low=0, high=1, open_low=True, doc="added to the root"),
            "momentum": Parameter(default=0, low=0, high=1, open_high=True, doc="rho of a velocity; 0: none"),
            "centred": Parameter(default=0, low=0, high=1, doc="1: divide by the gradients' variance; 0: not"),
        },
    ),
    Choice(
        name="adam",
        summary="momentum, divided by the root of the mean squared gradient (Kingma 2015)",
        formula="m1 = β1 m1 + (1−β1) dx; m2 = β2 m2 + (1−β2) dx²; x −= lr m1' / (sqrt(m2') + eps)",
        parameters=_BETAS,
    ),
    Choice(
        name="adamw",
        summary="Adam with the weight decay apart from the gradient (Loshchilov 2019)",
        formula="x −= lr wd x; then Adam",
        parameters=_BETAS,
    ),
    Choice(
        name="muon",
        summary="orthogonal steps for hidden weights (Jordan 2024; a conv as one row per channel), AdamW for the rest",
        formula="v = rho v + (1−rho) dx; x −= lr wd x + lr · 0.2 sqrt(max(rows, columns)) · UVᵀ, v = USVᵀ",
        parameters={
            "momentum": Parameter(default=0.95, low=0, high=1, open_high=True, doc="rho of the velocity"),
            "nesterov": Parameter(default=1, low=0, high=1, doc="1: looks ahead; 0: not"),
            "steps": Parameter(default=5, low=1, high=99, doc="Newton-Schulz iterations towards UVᵀ"),
            "match": Parameter(
                default=1, low=0, high=1, doc="1: a step as long as AdamW's; 0: times sqrt(max(1, rows / columns))"
            ),
        },
    ),
)

ON_NAN = _table(
    Choice(
        name="stop",
        summary="leave out such an update; end the run after so many in a row",
        formula="",
        parameters={
            "steps": Parameter(default=3, low=1, high=1_000_000, doc="steps in a row that are NaN or infinite")
        },
    ),
    Choice(
        name="skip",
        summary="leave out such updates and go on; end the run only after very many in a row",
        formula="",
        parameters={
            "steps": Parameter(default=100, low=1, high=1_000_000_000, doc="steps in a row that are NaN or infinite")
        },
    ),
    Choice(name="continue", summary="train on with whatever comes (the weights become NaN)", formula=""),
)
"""What happens at a step whose loss or gradient is not finite."""

SCHEDULES = _table(
    Choice(name="constant", summary="one rate all along", formula="lr"),
    Choice(
        name="step",
        summary="times a factor at some epochs; without a list at 30, 60 and 90 % of the run",
        formula="lr · factor^(number of listed epochs that have passed)",
        parameters={"factor": Parameter(default=0.1, low=0, high=1, open_low=True, doc="what the rate is times")},
        many="epochs",
    ),
    Choice(name="cosine", summary="half a cosine down to 0", formula="lr / 2 · (1 + cos(π t / T))"),
    Choice(name="linear", summary="a straight line down to 0", formula="lr · (1 − t / T)"),
    Choice(name="inverse-sqrt", summary="falls fast, then slowly, never to 0", formula="lr / sqrt(t)"),
    Choice(
        name="exponential",
        summary="times a factor every epoch",
        formula="lr · gamma^epoch",
        parameters={"gamma": Parameter(default=0.95, low=0, high=1, open_low=True, doc="factor of one epoch")},
    ),
    Choice(
        name="one-cycle",
        summary="up from lr/25 for 30 % of the run, then down to almost 0 (Smith 2018)",
        formula="two half cosines: lr/25 to lr, lr to lr/250,000",
        parameters={
            "up": Parameter(
                default=0.3, low=0, high=1, open_low=True, open_high=True, doc="share of the run in which it climbs"
            )
        },
    ),
    Choice(
        name="cosine-restarts",
        summary="a cosine to 0 that begins anew, each time longer (SGDR, Loshchilov 2017)",
        formula="lr / 2 · (1 + cos(π t_i / T_i))",
        parameters={
            "first": Parameter(default=5, low=0, high=math.inf, open_low=True, doc="epochs of the first period"),
            "longer": Parameter(default=2, low=1, high=100, doc="how many times as long each next period is"),
        },
    ),
    Choice(
        name="plateau",
        summary="times a factor whenever the validation loss has stopped falling",
        formula="lr · factor^(number of drops so far)",
        parameters={
            "factor": Parameter(
                default=0.1, low=0, high=1, open_low=True, open_high=True, doc="what the rate is times"
            ),
            "patience": Parameter(
                default=5, low=0, high=1_000_000, doc="epochs without a better loss that it lets pass"
            ),
            "threshold": Parameter(
                default=1e-4, low=0, high=1, open_high=True, doc="share by which a loss must be lower to be better"
            ),
            "cooldown": Parameter(default=0, low=0, high=1_000_000, doc="epochs after a drop that count for nothing"),
            "lowest": Parameter(
                default=0, low=0, high=math.inf, doc="a drop that would go below this rate is left out"
            ),
        },
    ),
    Choice(
        name="range-test",
        summary="from very low up to the rate, evenly in log lr (Smith 2015; what lr-find runs)",
        formula="lr · 10^(−decades (1 − t / T))",
        parameters={"decades": Parameter(default=8, low=0, high=20, open_low=True, doc="powers of ten it climbs")},
    ),
)
