"""What real programs are made of: nets written as words, small data, and losses as other libraries have them.

Keras's cross-entropies take probabilities, not logits: they are written here in our own words from its documentation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvtui.assets import asset

Data = tuple[Tensor, Tensor, Tensor, Tensor]
"""Images N x C x H x W to train on, their class numbers; the same for validation."""

# ---------------------------------------------------------------------- nets


class MaxOverTime(nn.Module):
    """The largest value of each channel of N x C x L."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(-1)


class Channels(nn.Module):
    """N x 1 x H x W as a series of H channels and W steps."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(0, 1) if x.dim() == 4 else x


PLAIN: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "leaky": lambda: nn.LeakyReLU(0.2),
    "elu": nn.ELU,
    "logsoftmax": lambda: nn.LogSoftmax(1),
    "softmax": lambda: nn.Softmax(1),
    "softmax0": lambda: nn.Softmax(0),
    "logsoftmax0": lambda: nn.LogSoftmax(0),
    "pool": lambda: nn.MaxPool2d(2),
    "gap": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "flatten": nn.Flatten,
    "series": Channels,
    "overtime": MaxOverTime,
}
_WORD = re.compile(r"([a-z]+)([\d.]*)(?:f(\d+))?(?:s(\d+))?")


def layers(text: str, shape: tuple[int, ...]) -> nn.Sequential:
    """Return the layers of e.g. `conv16f5 relu pool fc2 softmax` (`conv32` is 3x3 without padding, `fc10` flattens).

    shape: (C, H, W) of one image.
    """
    made: list[nn.Module] = []
    x = torch.zeros(2, *shape)
    for word in text.split():
        for one in _layer(word, x):
            one.eval()  # a batch norm of one value a channel refuses to train on the two images here
            with torch.no_grad():
                x = one(x)
            made.append(one.train())
    return nn.Sequential(*made)


def _layer(word: str, x: Tensor) -> list[nn.Module]:
    if word in PLAIN:
        return [PLAIN[word]()]
    found = _WORD.fullmatch(word)
    assert found is not None, word
    name, number, kernel, stride = found[1], found[2], int(found[3] or 3), int(found[4] or 1)
    if name == "conv":
        return [nn.Conv2d(x.shape[1], int(number), kernel, stride)]
    if name == "seriesconv":
        return [nn.Conv1d(x.shape[1], int(number), kernel, stride)]
    if name == "fc":
        flat = [nn.Flatten()] if x.dim() == 4 else []
        return [*flat, nn.Linear(x.shape[-1] if x.dim() == 3 else x[0].numel(), int(number))]
    if name == "gn":
        return [nn.GroupNorm(int(number), x.shape[1])]
    if name == "bn":
        return [nn.BatchNorm2d(x.shape[1]) if x.dim() == 4 else nn.BatchNorm1d(x.shape[1])]
    assert name == "drop", word
    return [nn.Dropout(float(number))]


# ---------------------------------------------------------------------- data


@lru_cache(maxsize=1)
def _digits() -> Data:
    with np.load(asset("digits.npz"), allow_pickle=False) as arrays:
        found = [torch.from_numpy(arrays[f"{part}_{what}"]) for part in ("train", "validation")
                 for what in ("images", "labels")]  # fmt: skip
    images, labels, more, their = found
    return images[:, None].float() / 255, labels.long(), more[:, None].float() / 255, their.long()


@lru_cache(maxsize=16)
def digits(side: int = 28, classes: int = 10, top: float = 1.0) -> Data:
    """Return the 8x8 digits below `classes`, enlarged, in 0..`top`."""
    images, labels, more, their = _digits()
    large = [F.interpolate(one, size=(side, side), mode="bilinear") * top for one in (images, more)]
    kept, still = labels < classes, their < classes
    return large[0][kept], labels[kept], large[1][still], their[still]


@lru_cache(maxsize=64)
def pictures(
    shape: tuple[int, int, int],
    classes: int,
    count: int = 600,
    noise: float = 1.0,
    top: float = 1.0,
    mirrored: bool = False,
) -> Data:
    """Smooth patterns, one a class, moved by up to two pixels, under noise, in 0..`top`.

    mirrored: class 2k + 1 is class 2k seen in a mirror, as b and d.
    """
    rng = np.random.default_rng([classes, *shape])
    channels, height, width = shape
    coarse = torch.from_numpy(rng.normal(size=(classes, channels, 5, 5)).astype(np.float32))
    if mirrored:
        coarse[1::2] = coarse[::2].flip(-1)
    patterns = F.interpolate(coarse, size=(height, width), mode="bilinear")
    patterns = patterns / patterns.std()
    labels = torch.from_numpy(rng.permutation(np.arange(count + count // 4) % classes))
    moves = rng.integers(-2, 3, size=(len(labels), 2))
    images = torch.stack([torch.roll(patterns[label], (int(dy), int(dx)), (1, 2))
                          for label, (dy, dx) in zip(labels.tolist(), moves, strict=True)])  # fmt: skip
    images = images + noise * torch.from_numpy(rng.normal(size=tuple(images.shape)).astype(np.float32))
    images = (0.45 + 0.22 * (images - images.mean()) / images.std()).clamp(0, 1) * top  # as photographs lie in 0..1
    return images[:count], labels[:count], images[count:], labels[count:]


def points(classes: int = 3, count: int = 600) -> Data:
    """Points of a plane on spiral arms, as pictures of two pixels."""
    rng = np.random.default_rng(7)
    labels = rng.permutation(np.arange(count + count // 4) % classes)
    radius = rng.uniform(0.1, 1, len(labels))
    angle = 4 * radius + 2 * np.pi * labels / classes + rng.normal(scale=0.15, size=len(labels))
    flat = np.stack([radius * np.sin(angle), radius * np.cos(angle)], 1).astype(np.float32)
    images, found = torch.from_numpy(flat)[:, None, None], torch.from_numpy(labels)
    return images[:count], found[:count], images[count:], found[count:]


def textures(classes: int = 4, count: int = 600, side: int = 16) -> Data:
    """Grey stripes of one direction a class, at any phase, of little contrast."""
    rng = np.random.default_rng(8)
    labels = rng.permutation(np.arange(count + count // 4) % classes)
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    angle = np.pi * labels[:, None, None] / classes
    waves = np.sin(1.3 * (across * np.cos(angle) + down * np.sin(angle)) + rng.uniform(0, 6.28, (len(labels), 1, 1)))
    noisy = 0.5 + 0.05 * (waves + 0.5 * rng.normal(size=waves.shape))
    images, found = torch.from_numpy(noisy.astype(np.float32))[:, None], torch.from_numpy(labels)
    return images[:count], found[:count], images[count:], found[count:]


def rare(share: int = 100, count: int = 2000) -> Data:
    """Two classes, one image in `share` is of the second (in validation one in four)."""
    images, labels, more, their = pictures((1, 16, 16), 2, count=2 * count, noise=0.6)
    first, second = (labels == 0).nonzero()[:, 0], (labels == 1).nonzero()[: count // share, 0]
    kept = torch.cat([first, second])
    few = torch.cat([(their == 0).nonzero()[:, 0], (their == 1).nonzero()[:150, 0]])
    return images[kept], labels[kept], more[few], their[few]


def flat_pictures(count: int = 400) -> Data:
    """Pictures that are white all over, and black all over (but for a hundredth: else all of a class were one)."""
    labels = torch.arange(count + count // 4) % 2
    noise = torch.rand(len(labels), 1, 8, 16, generator=torch.Generator().manual_seed(9))
    images = 0.99 * labels.float()[:, None, None, None] + 0.01 * noise
    return images[:count], labels[:count], images[count:], labels[count:]


def series(classes: int = 2, channels: int = 56, length: int = 56, count: int = 500) -> Data:
    """Waves in noise, a slower and a faster one, as pictures of one channel."""
    rng = np.random.default_rng(56)
    labels = rng.permutation(np.arange(count + count // 4) % classes)
    time = np.arange(length)
    waves = [np.sin(2 * np.pi * time * (0.06 + 0.1 * label) + rng.uniform(0, 6.28, (channels, 1))) for label in labels]
    images = torch.from_numpy((np.stack(waves) + rng.normal(size=(len(labels), channels, length))).astype(np.float32))
    found = torch.from_numpy(labels)
    return images[:count, None], found[:count], images[count:, None], found[count:]


# ---------------------------------------------------------------------- losses

EPSILON = 1e-7


def keras_crossentropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of "probabilities": each row divided by its sum, clamped, minus the mean log of the true class."""
    shares = (outputs / outputs.sum(1, keepdim=True)).clamp(EPSILON, 1 - EPSILON)
    return -shares.gather(1, labels[:, None]).log().mean()


def keras_binary(outputs: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of clamped values, the class number (or its one-hot row) as the target."""
    targets = F.one_hot(labels, outputs.shape[1]) if outputs.shape[1] > 1 else labels[:, None]
    values, wanted = outputs.clamp(EPSILON, 1 - EPSILON), targets.to(outputs.dtype)
    return -(wanted * values.log() + (1 - wanted) * (1 - values).log()).mean()


def one_hot_squares(outputs: Tensor, labels: Tensor) -> Tensor:
    return F.mse_loss(outputs, F.one_hot(labels, outputs.shape[1]).to(outputs.dtype))


def number_squares(outputs: Tensor, labels: Tensor) -> Tensor:
    """Squared error to the class number, taken for a quantity."""
    return F.mse_loss(outputs[:, 0], labels.to(outputs.dtype))


def bce_one(outputs: Tensor, labels: Tensor) -> Tensor:
    return F.binary_cross_entropy(outputs[:, 0], labels.to(outputs.dtype))


def bce_logits_one(outputs: Tensor, labels: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(outputs[:, 0], labels.to(outputs.dtype))


def one_hot_probability_squares(outputs: Tensor, labels: Tensor) -> Tensor:
    """Squared error of the probabilities to the one-hot label."""
    return one_hot_squares(outputs.softmax(1), labels)


def summed_log(outputs: Tensor, labels: Tensor) -> Tensor:
    """Minus the log of the true class's probability, by hand: summed over the batch, and infinite at 0."""
    return -outputs.gather(1, labels[:, None]).log().sum()


def focal_of_sigmoid(outputs: Tensor, labels: Tensor) -> Tensor:
    """Focal loss of one output that puts its probability where the logit belongs."""
    wanted = labels.to(outputs.dtype)
    probability = outputs[:, 0].sigmoid()
    each = F.binary_cross_entropy_with_logits(probability, wanted, reduction="none")
    right = probability * wanted + (1 - probability) * (1 - wanted)
    return ((1 - right) ** 2 * each).mean()


def focal(outputs: Tensor, labels: Tensor) -> Tensor:
    """Focal loss of one logit."""
    wanted = labels.to(outputs.dtype)
    each = F.binary_cross_entropy_with_logits(outputs[:, 0], wanted, reduction="none")
    return ((1 - (-each).exp()) ** 2 * each).mean()


def negative_log(outputs: Tensor, labels: Tensor) -> Tensor:
    """`nll_loss` of the logarithm of probabilities: right behind a softmax."""
    return F.nll_loss(outputs.clamp_min(EPSILON).log(), labels)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": F.cross_entropy,
    "nll": F.nll_loss,
    "negative_log": negative_log,
    "keras_crossentropy": keras_crossentropy,
    "keras_binary": keras_binary,
    "bce_one": bce_one,
    "bce_logits_one": bce_logits_one,
    "one_hot_squares": one_hot_squares,
    "one_hot_probability_squares": one_hot_probability_squares,
    "summed_log": summed_log,
    "focal": focal,
    "focal_of_sigmoid": focal_of_sigmoid,
    "number_squares": number_squares,
}
