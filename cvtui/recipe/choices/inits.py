"""Initialisations: how weights begin."""

from __future__ import annotations

import math

from cvtui.recipe.choices.spec import Choice, Parameter, table_of

_UNIFORM = Parameter(default=0, low=0, high=1, doc="1: drawn evenly from −sqrt(3) std to sqrt(3) std; 0: normal")

INITS = table_of(
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
    Choice(
        name="own",
        summary="as the layers' own code draws them: the usual one for torchvision, timm and your own modules",
        formula="of PyTorch's conv and fc: U(−1/sqrt(Din), 1/sqrt(Din)), biases too",
    ),
)
