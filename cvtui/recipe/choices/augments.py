"""Augmentations: random changes to training images."""

from __future__ import annotations

from cvtui.recipe.choices.spec import Choice, Parameter, table_of

AUGMENTS = table_of(
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
