"""Mixes: two training images in one, with the labels of both."""

from __future__ import annotations

from cvtui.recipe.choices.spec import Choice, Parameter, table_of

MIXES = table_of(
    Choice(
        name="mixup",
        summary="each image laid over the one before it in the batch (Zhang 2018; torchvision's MixUp)",
        formula="l x_i + (1 − l) x_(i−1), l from Beta(alpha, alpha); labels alike",
        parameters={
            "alpha": Parameter(default=0.2, low=0, high=1000, open_low=True, doc="below 1: mostly one of the two")
        },
    ),
    Choice(
        name="cutmix",
        summary="a rectangle of each image from the one before it in the batch (Yun 2019; torchvision's CutMix)",
        formula="x_i with a box of x_(i−1) of area 1 − l, l from Beta(alpha, alpha); labels by area",
        parameters={"alpha": Parameter(default=1, low=0, high=1000, open_low=True, doc="1: boxes of any area")},
    ),
)
"""How a training batch is mixed; of several, one is drawn for each step."""
