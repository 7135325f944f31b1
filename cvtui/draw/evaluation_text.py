"""An evaluation as lines of text, for the terminal and the screen: numbers, classes, calibration, slices, images."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from cvtui.draw.bars import filled_bar
from cvtui.runlog.evaluation import Case, Comparison, Evaluation
from cvtui.text import cells, clean, count, cut_middle, cut_start, fill, percent, significant

BAR = 20
LEAST_BAR = 6
LEAST_NAME = 24
"""Cells that the file of an image may have at least."""
LISTED = 10
MOST_CLASSES = 50
"""Classes that have a row each; of more, those with the lowest F1."""
LARGEST_MATRIX = 12
"""Classes whose confusion matrix is written out."""


class Section(NamedTuple):
    """A title and the lines below it."""

    title: str
    lines: list[str]


def sections(
    found: Evaluation, width: int = 120, listed: int = LISTED, keeps: Callable[..., bool] | None = None
) -> list[Section]:
    """Return the whole evaluation, or the classes, slices and images that are kept; `listed`: images that are named."""
    if keeps is not None:
        return _kept(found, width, keeps)
    parts = [
        Section(title_of(found), summary(found, width)),
        Section("Classes", classes(found, width)),
        Section("Calibration: how often answers of a confidence are right", reliability(found)),
        Section("Confusion matrix: rows the true class, columns the predicted one", confusion(found, width)),
        Section("Slices", slices(found, width)),
        Section("Worst images: the largest loss first" if found.several else
                "Worst images: mistakes, the surest first", cases(found.worst, listed, width, found.several)),
        Section("Least certain images: a probability closest to 1/2" if found.several else
                "Least certain images: the two likeliest classes closest together",
                cases(found.uncertain, listed, width, found.several)),
        Section("Left out", [f"{clean(name)}: {clean(why)}" for name, why in found.unread]),
    ]  # fmt: skip
    return [part for part in parts if part.lines]


def _kept(found: Evaluation, width: int, keeps: Callable[..., bool]) -> list[Section]:
    few = msgspec.structs.replace(
        found,
        per_class=[one for one in found.per_class if keeps(clean(one.name))],
        slices=[one for one in found.slices if keeps(f"{one.by}: {clean(one.name)}")],
        worst=[one for one in found.worst if keeps(one.image, one.truth, one.said)],
        uncertain=[one for one in found.uncertain if keeps(one.image, one.truth, one.said)],
    )
    parts = [
        Section("Classes", classes(few, width) if few.per_class else []),
        Section("Slices", slices(few, width)),
        Section("Worst images", cases(few.worst, len(few.worst), width, few.several)),
        Section("Least certain images", cases(few.uncertain, len(few.uncertain), width, few.several)),
    ]
    return [part for part in parts if part.lines]


def title_of(found: Evaluation) -> str:
    mean = ", running mean of the weights" if found.ema else ""
    views = f"; test-time augmentation: {', '.join(found.tta)}" if found.tta else ""
    return (
        f"{clean(found.run)}: {clean(found.checkpoint)}, epoch {found.epoch}{mean}; {count(found.images)} images, "
        f"{clean(found.data)}{views}"
    )


def summary(found: Evaluation, width: int = 76) -> list[str]:
    """Return the numbers of the whole set, one a line."""
    low, high = (percent(edge) for edge in found.interval)
    spread = f"95 % interval {low} to {high}; {count(found.right)} of {count(found.images)}"
    lines = [f"{name:<18} {value:>8}  {more}".rstrip() for name, value, more in _rows(found, spread)]
    if found.trained_on:
        lines += textwrap.wrap(
            f"trained on {clean(found.trained_on)}", min(76, width), subsequent_indent="  ", break_on_hyphens=False
        )
    absent = [one.name for one in found.per_class if not one.support]
    if absent:
        some = ", ".join(map(clean, absent[:5])) + (f" and {len(absent) - 5:,} more" if len(absent) > 5 else "")
        lines.append(f"no images of {some}: left out of the means")
    if found.not_finite:
        lines.append(f"{count(found.not_finite)} images have NaN or infinity among their logits: no probabilities")
    return lines + [clean(note) for note in found.notes]


def _rows(found: Evaluation, spread: str) -> list[tuple[str, str, str]]:
    """Return name, value and explanation of each number."""
    if found.several:
        right = None if found.hamming_loss is None else 1 - found.hamming_loss
        return [
            ("yes-or-no answers", percent(right), "right, of one for each class of each image"),
            ("subset accuracy", percent(found.accuracy), f"images all of whose answers are right; {spread}"),
            ("Hamming loss", significant(found.hamming_loss), "share of wrong answers"),
            ("precision", percent(found.precision), "mean of the classes"),
            ("recall", percent(found.recall), "mean of the classes"),
            ("F1", significant(found.f1), f"mean of the classes; {significant(found.micro_f1)} of all answers as one"),
            ("mAP", significant(found.pr_auc), "average precision, mean of the classes"),
            ("ROC-AUC", significant(found.roc_auc), "mean of the classes"),
            ("log loss", significant(found.log_loss), "of a yes or no for each class, as in training"),
        ]  # fmt: skip
    rows = [
        ("accuracy", percent(found.accuracy), spread),
        (f"top-{found.top_k} accuracy", percent(found.top_k_accuracy), ""),
        ("balanced accuracy", percent(found.balanced_accuracy), "mean recall of the classes"),
        ("precision", percent(found.precision), "mean of the classes"),
        ("F1", significant(found.f1), "mean of the classes"),
        ("ROC-AUC", significant(found.roc_auc), "each class against all others, mean"),
        ("PR-AUC", significant(found.pr_auc), "average precision, mean"),
        ("log loss", significant(found.log_loss),
         "of a yes or no for each class, as in training" if found.activation == "sigmoid" else ""),
        ("calibration error", percent(found.ece), "ECE, 15 bins"),
    ]  # fmt: skip
    if found.top_k >= len(found.classes):
        del rows[1]  # every class is among them
    if found.temperature is not None:
        said = f"with temperature {significant(found.temperature)}; log loss {significant(found.calibrated_log_loss)}"
        rows.append(("… calibrated", percent(found.calibrated_ece), said))
    return rows


def classes(found: Evaluation, width: int) -> list[str]:
    """Return a row for each class; of very many the MOST_CLASSES with the lowest F1."""
    shown = found.per_class
    if len(shown) > MOST_CLASSES:
        shown = sorted((one for one in shown if one.support), key=lambda one: (one.f1 or 0.0, one.name))[:MOST_CLASSES]
    wide = min(max([5, *(cells(clean(one.name)) for one in shown)]), max(8, width - 68))
    head = (
        f"{'class':<{wide}} {'images':>8} {'predicted':>10} {'precision':>10} {'recall':>8} {'F1':>7} {'ROC-AUC':>8} "
    )
    lines = [f"{head}{'PR-AUC':>7}"]
    for one in shown:
        lines.append(
            f"{fill(cut_middle(clean(one.name), wide), wide)} {count(one.support):>8} {count(one.predicted):>10} "
            f"{percent(one.precision):>10} {percent(one.recall):>8} {significant(one.f1):>7} "
            f"{significant(one.roc_auc):>8} {significant(one.pr_auc):>7}"
        )
    if more := len(found.per_class) - len(shown):
        lines.append(f"those with the lowest F1; {more:,} more classes (--json has all)")
    return lines


def reliability(found: Evaluation) -> list[str]:
    """Return the reliability diagram: a row for each bin with images."""
    rows = [one for one in found.bins if one.images]
    if not rows:
        return []
    lines = [f"{'confidence':<14} {'mean':>8} {'right':>8}  {'':{BAR}}  images"]
    for one in rows:
        place = min(BAR - 1, int(one.confidence * BAR))
        bar = filled_bar(one.accuracy, BAR)
        marked = bar[:place] + "│" + bar[place + 1 :]  # where the bar would end, were it calibrated
        span = f"{100 * one.low:.0f} to {100 * one.high:.0f} %"
        lines.append(
            f"{span:<14} {percent(one.confidence):>8} {percent(one.accuracy):>8}  {marked}  {count(one.images)}"
        )
    return [*lines, "│ is where a bar ends whose answers are as often right as they say"]


def confusion(found: Evaluation, width: int) -> list[str]:
    """Return the confusion matrix of few classes."""
    names = [clean(name) for name in found.classes]
    if not found.confusion or not 0 < len(names) <= LARGEST_MATRIX:
        return []
    cell = max([6, *(len(count(value)) for row in found.confusion for value in row)])
    cell = min(max([cell, *map(cells, names)]), max(cell, (width - 14) // len(names) - 1))
    head = min(max(map(cells, names)), 14)
    lines = [" " * head + "".join(f" {fill(cut_middle(name, cell), cell, right=True)}" for name in names)]
    for name, row in zip(names, found.confusion, strict=False):
        lines.append(
            fill(cut_middle(name, head), head) + "".join(f" {count(value) if value else '·':>{cell}}" for value in row)
        )
    return lines


def slices(found: Evaluation, width: int) -> list[str]:
    """Return a row for each slice: whole names first, then a bar where there is room."""
    rows = []
    most = max((len(count(one.images)) for one in found.slices), default=0)
    for one in found.slices:
        low, high = (percent(edge) for edge in one.interval)
        numbers = f"{count(one.images):>{most}} images, {low} to {high}"
        rows.append((f"{one.by}: {clean(one.name)}", percent(one.accuracy), one.accuracy, numbers))
    longest = max((cells(name) for name, *_ in rows), default=0)
    told = max((len(numbers) for *_, numbers in rows), default=0)
    wide = max(20, min(longest, width - told - 11))
    room = min(BAR, width - wide - told - 13)
    return [
        f"{fill(cut_middle(name, wide), wide)} {text:>8}  "
        + (f"{filled_bar(share, room)}  " if room >= LEAST_BAR else "")
        + numbers
        for name, text, share, numbers in rows
    ]


def cases(found: Sequence[Case], listed: int, width: int, several: bool = False) -> list[str]:
    """Return a row for each image."""
    lines, apart = [], ";" if several else ","
    most = max(10, (width - LEAST_NAME - 18) // 2)
    for one in found[:listed]:
        right = one.truth == one.said
        words = f"{percent(one.share):>8} {cut_middle(clean(one.said), most)}" + (
            f"{apart} right" if right else f"{apart} true {cut_middle(clean(one.truth), most)}"
        )
        lines.append(f"{words}  {cut_start(clean(one.image), max(LEAST_NAME, width - cells(words) - 2))}")
    return lines


def comparison(found: Comparison, width: int = 120, listed: int = LISTED) -> list[Section]:
    """Return what tells two runs apart."""
    first, second = clean(found.first), clean(found.second)
    verdict = (
        "the difference is larger than chance explains (p below 0.05)"
        if found.p < 0.05
        else "a difference of this size may be chance"
    )
    numbers = [
        f"{'both right':<28} {count(found.both_right):>9}",
        f"{fill(f'only {first} right', 28)} {count(found.only_first):>9}",
        f"{fill(f'only {second} right', 28)} {count(found.only_second):>9}",
        f"{'both wrong':<28} {count(found.both_wrong):>9}",
        f"McNemar's exact test: p = {significant(found.p)}; {verdict}",
        *map(clean, found.notes),
    ]
    differ = []
    for one in found.differ[:listed]:
        words = f"true {clean(one.truth)}; {first}: {clean(one.first)}, {second}: {clean(one.second)}"
        room = max(24, width - cells(words) - 2)
        name = clean(one.image)
        differ.append(f"{words}  {cut_start(name, room)}")
    more = found.only_first + found.only_second - len(differ)
    if more > 0:
        differ.append(f"and {count(more)} more (--json lists up to 1,000)")
    parts = [Section(f"{first} and {second} on the same {count(found.images)} images", numbers),
             Section("Where they differ", differ)]  # fmt: skip
    return [part for part in parts if part.lines]
