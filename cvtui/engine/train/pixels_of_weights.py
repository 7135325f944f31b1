"""Preprocessing of a recipe; with `weights`, that which the weights to begin with were trained with."""

from __future__ import annotations

import torch

from cvtui.engine.data.depth import unit_of
from cvtui.engine.data.images import ChannelStats, OnProgress, Part
from cvtui.engine.data.preprocess import Preprocess
from cvtui.engine.nn.weights_library import IMAGENET
from cvtui.engine.train.initial_weights import Weights
from cvtui.errors import RequestError
from cvtui.recipe.validation import Checked


def make_preprocess(
    checked: Checked,
    weights: Weights | None,
    stats: ChannelStats,
    device: torch.device,
    images: Part,
    on_progress: OnProgress | None = None,
) -> Preprocess:
    """Make the preprocessing of a recipe; tell what of it came with the weights.

    weights: None where a checkpoint follows, which has its own. RequestError where they were trained on other pixels.
    """
    tell = on_progress or (lambda _text: None)
    if weights is not None:
        for line in wanted_size(weights, checked):
            tell(line)
    if checked.preprocess.name == "zca":
        tell("whitening: the covariance of the training images …")
    if checked.preprocess.name != "weights":
        return Preprocess(checked.preprocess, stats, device, images)
    channels = len(stats.mean)
    if weights is None or weights.preprocess is None:
        mean, std, *_ = IMAGENET if weights is None or weights.pixels is None else weights.pixels
        if weights is not None:
            tell(f"pixels as the weights want them: mean {_numbers(mean)}, std {_numbers(std)}")
        return Preprocess.of_pixels(mean, std, channels, device, images)
    try:
        made = Preprocess.of_state(weights.preprocess, device)
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(f"weights: the preprocessing in {weights.source} can't be read ({error})") from None
    if unit_of(images.part(0, 1).pixels.dtype) != 255.0 or len(made.scale) != channels:
        raise RequestError(
            f"preprocess: {weights.source} was trained on other pixels ({len(made.scale)} channels); "
            "choose another than weights",
            hint="--preprocess standardise",
        )
    if made.zca is not None and made.zca.mean.numel() != images.part(0, 1).pixels[0].numel():
        raise RequestError(
            f"preprocess: {weights.source} was trained on whitened images of another size; choose another than weights",
            hint="--preprocess standardise",
        )
    tell(f"pixels as {weights.source} had them: {made.name}")
    return made


def wanted_size(weights: Weights, checked: Checked) -> list[str]:
    """Say which size the weights were trained with, where the images have another."""
    pixels, size = weights.pixels, checked.data.size
    if pixels is None or not pixels.side or len(size) != 3 or size[0] == pixels.side:
        return []
    how = f", {pixels.interpolation}" if pixels.interpolation else ""
    return [
        f"the weights were trained on {pixels.side}x{pixels.side}{how}; these images are {size[0]}x{size[1]}: "
        f"--size {pixels.side} brings the images to it"
    ]


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3g}" for value in values)
