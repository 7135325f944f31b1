"""Answers of the first steps beside what the loop tells of them: is its accuracy theirs, is its loss a mean.

Nothing is read back from the device on a step; `facts` does that, when the log is flushed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from cvtui.engine.observe.label_gradient import labels_from
from cvtui.text import rounded

LEAST = 3
"""Steps that must agree on a wrong way of counting."""
NEAR = 1e-3
"""Relative error of a told accuracy, which may have been rounded."""
HALF = "half of a score"
"""One output above 0.5 counts as class 1: right for a share, and for a raw score 0 is the even one."""
WRONG = ("by output", "over the batch", "any of the batch", "each with each", "each with each, mean", "rounded down",
         "largest of one")  # fmt: skip
"""Ways of counting that give no share of right answers, in the order in which they are asked for."""


class Answer(NamedTuple):
    """Outputs of one step (N x C or N), the loss's gradient there, its labels (N), and the accuracy that was told."""

    output: Tensor
    gradient: Tensor | None
    labels: Tensor | None
    told: Tensor | float | None


class FirstAnswers:
    """Answers of the first steps, one forward pass each."""

    def __init__(self) -> None:
        self._kept: list[Answer] = []

    def add(
        self, output: Tensor | None, gradient: Tensor | None, labels: Tensor | None, told: Tensor | float | None
    ) -> None:
        """Keep one step; without an output, or with one of images or sequences, there is nothing to compare."""
        if output is not None and output.dim() in (1, 2) and len(output) and output.numel() <= 1 << 20:
            told = told.detach() if isinstance(told, Tensor) else told
            self._kept.append(Answer(output, gradient, labels, told))

    def facts(self, sign: int) -> dict[str, Any]:
        """Return the fields about told accuracies and the loss's scale; sign: as `labels_from`."""
        pairs: list[tuple[float, Tensor, Tensor]] = []
        scales: list[float | None] = []
        for one in self._kept:
            output = one.output.float().cpu()
            gradient = one.gradient.float().cpu() if one.gradient is not None else None
            labels = one.labels.cpu() if one.labels is not None else None
            if labels is None and gradient is not None:
                labels = labels_from(output, gradient, sign)
            if labels is None or labels.dim() != 1 or labels.is_floating_point() or len(labels) != len(output):
                continue
            if output.dim() == 2 and not 0 <= int(labels.min()) <= int(labels.max()) < max(2, output.shape[1]):
                continue
            if gradient is not None:
                scales.append(loss_scale(output, gradient, labels))
            if one.told is not None:
                pairs.append((float(one.told), output, labels))
        facts: dict[str, Any] = counted(pairs) | self._silent(sign)
        if scales and None not in scales:
            facts["loss_scale"] = rounded(sorted(map(float, filter(None, scales)))[len(scales) // 2], 6)
        return facts

    def _silent(self, sign: int) -> dict[str, Any]:
        """Return how many images get no gradient, and the one class that all others are taught to be."""
        silent, images, taught = 0, 0, set[int]()
        for one in self._kept:
            if one.gradient is None:
                continue
            output, gradient = one.output.float().cpu(), one.gradient.float().cpu()
            if gradient.numel() == len(output):
                pulls = gradient.reshape(-1)
                quiet = pulls == 0
                taught |= {int(pull < 0) for pull in pulls[~quiet].tolist()}
            elif gradient.dim() == 2 == output.dim():
                quiet = (gradient == 0).all(1)
                said = labels_from(output[~quiet], gradient[~quiet], sign)
                taught |= {-1} if said is None else set(said.tolist())
            else:
                continue
            silent, images = silent + int(quiet.sum()), images + len(quiet)
        return {"silent_images": [silent, images, taught.pop() if len(taught) == 1 else -1]} if silent else {}


def loss_scale(output: Tensor, gradient: Tensor, labels: Tensor) -> float | None:
    """Return the gradient as a multiple of that of the mean cross-entropy; None: it is another loss's."""
    if output.dim() == 1 or output.shape[1] == 1:
        expected = output.reshape(-1).sigmoid() - labels.float()
    else:
        expected = output.softmax(1) - functional.one_hot(labels, output.shape[1]).float()
    expected, given = expected.reshape(-1) / len(output), gradient.reshape(-1)
    size = expected.square().sum()
    if not size > 0:
        return None
    scale = (given @ expected) / size
    apart = (given - scale * expected).norm() / given.norm().clamp_min(1e-30)
    return scale.item() if apart < 1e-2 and scale > 0 else None


def counted(pairs: list[tuple[float, Tensor, Tensor]]) -> dict[str, Any]:
    """Return how the told accuracies were counted, where each step agrees on one wrong way; {} where none is seen.

    pairs: told accuracy, outputs and labels of each step. A way counts where it gives what was told at all steps, and
    at LEAST of them not what is right (nor its percent).
    """
    ways = [_ways(output, labels) for _, output, labels in pairs]
    told = [value for value, _, _ in pairs]
    sizes = [len(labels) for _, _, labels in pairs]
    for right in ("right", "at a half", "at 0"):
        shares = [way.get(right) for way in ways]
        if None not in shares and any(_same(told, [factor * one for one in shares]) for factor in (1, 100)):  # type: ignore[operator]
            return _at_a_half(told, ways) if right == "at a half" else {}
    if len(pairs) < LEAST:
        return {}
    rows = [[value, way.get("right", way.get("of one", 0.0))] for value, way in zip(told, ways, strict=True)]
    for name in WRONG:
        values = [way.get(name) for way in ways]
        if None in values or not any(_same(told, [factor * one for one in values]) for factor in (1, 100)):  # type: ignore[operator]
            continue
        if sum(not _same([a], [b]) for a, b in rows) >= LEAST:
            return {"accuracy_counted": name, "accuracies": _rounded(rows)}
    if any("right" not in way for way in ways):
        return {}
    for divided, counts in (("images", [share * size for (_, share), size in zip(rows, sizes, strict=True)]),
                            ("share", [share for _, share in rows])):  # fmt: skip
        factor = _factor(told, counts)
        if factor is not None:
            return {"accuracy_counted": f"factor of the {divided}", "accuracy_factor": rounded(factor, 6),
                    "accuracies": _rounded(rows)}  # fmt: skip
    return {}


def _at_a_half(told: list[float], ways: list[dict[str, float]]) -> dict[str, Any]:
    """Return what is told of accuracies counted at 0.5, where counted at 0 they were others in LEAST steps."""
    rows = [[value, way["at 0"]] for value, way in zip(told, ways, strict=True)]
    differ = sum(
        not _same([half], [way["at 0"]]) for half, way in zip([w["at a half"] for w in ways], ways, strict=True)
    )
    shares = all("shares" in way for way in ways)
    return {} if shares or differ < LEAST else {"accuracy_counted": HALF, "accuracies": _rounded(rows)}


def _ways(output: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the accuracy of a batch by each way of counting that there is."""
    if output.dim() == 1 or output.shape[1] == 1:
        one = output.reshape(-1)
        halves = (("at a half", 0.5), ("at 0", 0.0))
        found = {name: ((one > least).long() == labels).float().mean().item() for name, least in halves}
        shares = bool(((one >= 0) & (one <= 1)).all())
        found |= {"shares": 1.0} if shares else {}
        said = (one > (0.5 if shares else 0.0)).long()
        return {**found, "of one": found["at a half" if shares else "at 0"], **_each_with_each(said, labels),
                "largest of one": (labels == 0).float().mean().item()}  # fmt: skip
    said = output.argmax(1)
    right = (said == labels).float().mean().item()
    hot = functional.one_hot(labels, output.shape[1]).bool()
    found = {"right": right, "over the batch": (output.softmax(0).argmax(1) == labels).float().mean().item()}
    found |= {"rounded down": float(right >= 1), "any of the batch": torch.isin(said, labels).float().mean().item()}
    found |= _each_with_each(said, labels)
    if output.shape[1] > 2:
        found["by output"] = ((output.softmax(1) > 0.5) == hot).float().mean().item()
    return found


def _each_with_each(said: Tensor, labels: Tensor) -> dict[str, float]:
    """Return what comes of answers of N x 1 and labels of N: each answer is compared with each label."""
    equal = (said[:, None] == labels).float()
    return {"each with each": equal.sum().item() / len(labels), "each with each, mean": equal.mean().item()}


def _same(told: list[float], values: list[float]) -> bool:
    return all(abs(a - b) <= NEAR * max(abs(a), abs(b)) + 1e-6 for a, b in zip(told, values, strict=True))


def _factor(told: list[float], values: list[float]) -> float | None:
    """Return the one factor between all of both; None: there is none, or two different values can't show it."""
    some = [(a, b) for a, b in zip(told, values, strict=True) if b > 0]
    if len(some) < LEAST or len({round(b, 6) for b in values}) < 2 or not all(a > 0 for a, _ in some):
        return None
    factor = some[0][0] / some[0][1]
    return factor if _same(told, [factor * value for value in values]) else None


def _rounded(rows: list[list[float]]) -> list[list[float]]:
    return [[rounded(value, 6) for value in row] for row in rows]
