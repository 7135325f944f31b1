"""What was right in the first epoch, of images that the net had never seen: an honest share, with no second set."""

from __future__ import annotations

import math

import numpy as np

from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import limit


def shares_told(obs: Observations) -> bool:
    """Return True where the accuracies that are told are the shares of right answers, or nearly."""
    return obs.facts.accuracy_counted in ("", "half of a score")


def unseen(obs: Observations) -> tuple[float, int] | None:
    """Return (share right, images) over the later half of the first epoch; None where it is not known."""
    windows, epochs = obs.windows, obs.epochs
    if not epochs or obs.first_step != 0 or not shares_told(obs) or not len(windows):
        return None
    end = epochs[0].step
    if epochs[0].epoch != 1 or end < 10:
        return None
    inside = [row for row in range(len(windows)) if windows.end[row] <= end + 2]
    later = [row for row in inside[len(inside) // 2 :] if math.isfinite(windows.accuracy[row])]
    images = sum(int(windows.end[row]) - windows.start(row) for row in later) * (obs.batch_size or 0)
    return (float(np.mean([windows.accuracy[row] for row in later])), images) if images else None


def errors(share: float, chance: float, count: float) -> float:
    """How many standard errors a share of `count` lies above chance."""
    return (share - chance) / math.sqrt(max(chance * (1 - chance), 1e-6) / max(count, 1))


def learnable(obs: Observations) -> bool | None:
    """Return True where images that it had not seen were answered better than by chance, False where not."""
    found, chance = unseen(obs), obs.largest_class
    if found is None or not obs.classes:
        return None
    share, images = found
    sure = errors(share, chance, images) > limit("F13", "clear") and share > chance + limit("F13", "above")
    return True if sure else False if errors(share, chance, images) < limit("F13", "errors") else None


def validated(obs: Observations) -> int:
    """Return how many images the validation has; 0: not known."""
    return obs.facts.validation or obs.facts.evaluated or 0
