"""Recipe that fits a data set, chosen by its facts alone: size of the pictures, their number, number of classes.

The numbers below were chosen by measured runs on eight folders and checked on two more; docs/recipes.md has the table.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cvtui.calc.table import size_text
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.datasets.own_size import own_side
from cvtui.recipe.recipe import AUTO, Recipe
from cvtui.recipe.toml import override
from cvtui.text import harmless

FITTED = ("net", "size", "augment", "lr", "weight_decay", "warmup", "epochs", "batch_size")
"""The fields that are chosen."""
LARGEST_SIDE = 64
"""Larger pictures of a folder are brought to so many pixels, smaller ones keep their size."""
STEM_ABOVE = 12
"""Images of more pixels a side are halved by the first convolution …"""
WIDE_AT = 16
"""… and then pooled until so few are left for the wide layers."""
WIDTHS = (16, 32, 64)
LR, WEIGHT_DECAY = "0.003", "0.05"
STEPS = 1000
"""Steps of a run, as far as EPOCHS allow."""
EPOCHS = (10, 40)
WARM_SHARE, MOST_WARM = 0.05, 500
"""Warm-up: share of the steps, and most of them."""
BATCHES = ((500, 16), (3000, 32))
"""(fewer training images than, batch size)."""
LARGE_BATCH = 64
SHIFT = 8
"""Training images are moved by up to a side / SHIFT pixels."""
POINTS_NET = "fc64-relu-fc64-relu-fc"


@dataclass(frozen=True)
class Fitted:
    """A recipe whose free fields fit its data."""

    recipe: Recipe
    changes: dict[str, str]
    """Fields that are other than they were, as they are typed."""
    data: DataFacts

    def words(self) -> str:
        """Return what was chosen for what, on one line."""
        size = size_text(self.data.size) if len(self.data.size) > 1 else f"{self.data.size[0]} features"
        return (
            f"fitted to {harmless(self.data.name)} ({size}, {self.data.at_most}{self.data.train:,} images to train on): "
            + ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in self.changes.items())
        )


def fitted(asked: Recipe, given: Collection[str] = ("data",)) -> Fitted:
    """Return the recipe with every field that is not `given` as fits its data. RequestError where that is not there."""
    size = {} if "size" in given else _size(asked)
    asked = override(asked, size)
    found = facts(asked)
    wanted = {**size, **fitted_texts(asked, found, given)}
    changes = {name: text for name, text in wanted.items() if name not in given}
    return Fitted(override(asked, changes), changes, found)


def _size(asked: Recipe) -> dict[str, str]:
    """Return the `size` that fits pictures in files of their own; {} where it is the default or can't be told."""
    side = own_side(asked)
    return {} if side is None or side >= LARGEST_SIDE else {"size": str(side)}


def fitted_texts(asked: Recipe, data: DataFacts, given: Collection[str] = ()) -> dict[str, str]:
    """Return the fields that fit, as they are typed; {} for digits, which the default recipe was chosen for.

    Those that are `given` count as they stand in `asked`: a warm-up fits the epochs that were asked for.
    """
    if data.name == "digits":
        return {}
    batch = asked.batch_size if "batch_size" in given else fitted_batch(data.train)
    usual = LARGE_BATCH if batch == AUTO else batch
    steps = -(-data.train // (usual * asked.accumulate))
    epochs = asked.epochs if "epochs" in given else min(max(round(STEPS / steps), EPOCHS[0]), EPOCHS[1])
    warm = "1ep" if batch == AUTO and epochs > 1 else str(min(int(WARM_SHARE * steps * epochs), MOST_WARM))
    found = {
        "net": fitted_net(data.size), "lr": LR, "weight_decay": WEIGHT_DECAY, "warmup": warm, "epochs": str(epochs),
        "batch_size": str(usual),
    }  # fmt: skip
    if len(data.size) == 3:
        found["augment"] = f"shift({max(1, min(data.size[:2]) // SHIFT)})"
    if "optimizer" in given:  # another rule has a rate and a decay of its own
        del found["lr"], found["weight_decay"]
    return found


def fitted_batch(train: int) -> int:
    """Return a batch size: larger for more images, and none that leaves one image for the last batch."""
    usual = next((size for fewer, size in BATCHES if train < fewer), LARGE_BATCH)
    return next((size for size in range(min(usual, train), 1, -1) if train % size != 1), 1)


def fitted_net(size: Sequence[int]) -> str:
    """Return a net expression for images of a size: wide layers on small maps, global average pooling before the head."""
    if len(size) == 1:
        return POINTS_NET
    side, first = min(size[:2]), WIDTHS[0]
    layers = [f"conv{first}-bn-relu"]
    if side > STEM_ABOVE:
        layers, side = [f"conv{first}f5s2-bn-relu"], -(-side // 2)
    while side > WIDE_AT:
        layers.append("pool")
        side //= 2
    for number, width in enumerate(WIDTHS[1:]):
        if number and side > 4:
            layers.append("pool")
            side //= 2
        layers.append(f"(conv{width}-bn-relu)*2")
    return "-".join([*layers, "gap", "fc"])
