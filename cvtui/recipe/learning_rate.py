"""The learning rate of a recipe, and a new one as it is typed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.recipe.recipe import Recipe

_RATE = re.compile(r"([/*x×÷]?)\s*([0-9.eE+\-_]+)")


def full_rate(lr: float, step_images: int, scale_lr: int) -> float:
    """Return the rate that a run trains at: `lr`, times step_images / scale_lr where the recipe scales it."""
    return lr * (step_images / scale_lr) if scale_lr else lr


def images_per_step(recipe: Mapping[str, Any]) -> int | None:
    """Return the images of one update, for the recipe of a record `run`; None where it does not tell its batch size."""
    batch, times = recipe.get("batch_size"), recipe.get("accumulate", 1)
    if not isinstance(batch, int) or batch <= 0:
        return None
    return batch * times if isinstance(times, int) and times > 0 else batch


def backbone_factor(text: str, lr: float) -> float:
    """Return what the recipe's `lr_backbone` is of `lr`: 0.1 for 0.1x, and for 0.0005 where lr is 0.005."""
    share = text.strip().lower().removesuffix("x").strip()
    return float(share) if len(share) < len(text.strip()) else float(share) / lr


def recorded_rate(recipe: Mapping[str, Any]) -> float | None:
    """Return the same for the recipe of a record `run`, of which nothing is certain; None where it tells no rate."""
    lr, scale, batch = recipe.get("lr"), recipe.get("scale_lr"), images_per_step(recipe)
    if not isinstance(lr, int | float) or isinstance(lr, bool):
        return None
    try:
        rate = full_rate(float(lr), batch, scale) if isinstance(batch, int) and isinstance(scale, int) else float(lr)
    except OverflowError:  # a whole number of hundreds of digits
        return None
    return rate if math.isfinite(rate) else None


def at_rate(rate: float, scaled: object = True) -> dict[str, float]:
    """Return the changes that make a recipe train at `rate`.

    `scaled`: it multiplies its own so far (its scale_lr).
    """
    return {"lr": rate, "scale_lr": 0} if scaled else {"lr": rate}


def options_at(rate: float, scaled: object = True) -> str:
    """Write the same as options: `--lr 0.001`, or `--lr 0.001 --scale-lr 0`."""
    return " ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in at_rate(rate, scaled).items())


def with_full_rate(recipe: Recipe) -> Recipe:
    """Return the same training with its rate written out."""
    import msgspec

    rate = full_rate(recipe.lr, recipe.step_images, recipe.scale_lr)
    return msgspec.structs.replace(recipe, **at_rate(rate))


def parse_rate(text: str, now: float, label: str = "--lr", *, may_be_0: bool = False) -> float:
    """Parse a number, or `/10`, `*2` of the rate now. RequestError (naming `label`).

    It must be above 0, or 0 where `may_be_0`: a run that stands still.
    """
    found = _RATE.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        number = float(found[2])
        if found[1]:
            number = now / number if found[1] in "/÷" else now * number
    except (ValueError, ZeroDivisionError):
        raise RequestError(f"{label}: {text!r} is no rate; allowed: a number such as 0.001, or /10, or *2") from None
    if not math.isfinite(number) or number < 0 or (number == 0 and not may_be_0):
        allowed = "a rate of 0 or above" if may_be_0 else "a rate above 0"
        raise RequestError(f"{label}: {text!r} is not possible; allowed: {allowed}")
    return number
