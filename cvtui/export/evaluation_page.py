"""The evaluation's part of the HTML report: numbers, classes, reliability diagram, slices, worst images."""

from __future__ import annotations

from collections.abc import Sequence

from cvtui.export.words import escape
from cvtui.runlog.evaluation import Case, Evaluation, ReliabilityBin, read_evaluation
from cvtui.runlog.folder import RunFolder
from cvtui.text import count, percent, significant

SIDE = 220
"""Of the reliability diagram, in pixels."""
LISTED = 20
TITLES = {"validation": "Evaluation", "test": "Evaluation on the test images"}

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def evaluation_html(folder: RunFolder) -> str:
    """Return the evaluations that were kept beside the run (`cvtui evaluate`); "" where there are none."""
    found = [(title, read_evaluation(folder, split)) for split, title in TITLES.items()]
    return "\n".join(_one(title, one) for title, one in found if one is not None)


def _one(title: str, found: Evaluation) -> str:
    mean = ", running mean of the weights" if found.ema else ""
    about = f"{found.checkpoint}, epoch {found.epoch}{mean}; {count(found.images)} images"
    parts = [
        f"<h2>{title} <small>{escape(about)}</small></h2>",
        _numbers(found),
        _diagram(found),
        _table(_classes(found)),
    ]
    if found.slices:
        parts += ["<h3>Slices</h3>", _table(_slices(found))]
    for name, cases in (("Worst images", found.worst), ("Least certain images", found.uncertain)):
        if cases:
            parts += [f"<h3>{name}</h3>", _table(_cases(cases))]
    return "\n".join(parts)


def _numbers(found: Evaluation) -> str:
    low, high = (percent(edge) for edge in found.interval)
    facts = (
        _of_sets(found)
        if found.several
        else [
            ("accuracy", f"{percent(found.accuracy)} (95 % interval {low} to {high})"),
            (f"top-{found.top_k} accuracy", percent(found.top_k_accuracy)),
            ("balanced accuracy", percent(found.balanced_accuracy)),
            ("F1, mean of the classes", significant(found.f1)),
            ("ROC-AUC, PR-AUC", f"{significant(found.roc_auc)}, {significant(found.pr_auc)}"),
            ("log loss", significant(found.log_loss)),
            ("calibration error (ECE)", percent(found.ece)),
        ]
    )
    if found.temperature is not None:
        said = f"{percent(found.calibrated_ece)} with temperature {significant(found.temperature)}"
        facts.append(("calibrated", f"{said}; log loss {significant(found.calibrated_log_loss)}"))
    facts += [("note", note) for note in found.notes]
    facts += [("left out", f"{name}: {why}") for name, why in found.unread]
    return "<dl>" + "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts) + "</dl>"


def _of_sets(found: Evaluation) -> list[tuple[str, str]]:
    low, high = (percent(edge) for edge in found.interval)
    return [
        ("subset accuracy", f"{percent(found.accuracy)} (95 % interval {low} to {high})"),
        ("Hamming loss", significant(found.hamming_loss)),
        ("F1, mean of the classes; of all answers", f"{significant(found.f1)}, {significant(found.micro_f1)}"),
        ("ROC-AUC, mAP", f"{significant(found.roc_auc)}, {significant(found.pr_auc)}"),
        ("log loss", significant(found.log_loss)),
    ]


def _diagram(found: Evaluation) -> str:
    """Return the reliability diagram as SVG: share that was right over confidence; the dashed line is ideal."""
    if not found.bins:
        return ""
    bars = "".join(map(_bar, (one for one in found.bins if one.images)))
    axis = f'<rect class="axis" x="0" y="0" width="{SIDE}" height="{SIDE}"/>'
    ideal = f'<line class="guide" x1="0" y1="{SIDE}" x2="{SIDE}" y2="0"/>'
    words = "Reliability: share of right answers (up) by confidence (right); on the dashed line they are equal"
    return (
        f'<figure><svg class="reliability" viewBox="-1 -1 {SIDE + 2} {SIDE + 2}" width="{SIDE}" role="img">'
        f"<title>{words}</title>{bars}{axis}{ideal}</svg><figcaption>{words}.</figcaption></figure>"
    )


def _bar(one: ReliabilityBin) -> str:
    left, width, height = one.low * SIDE, (one.high - one.low) * SIDE - 1, one.accuracy * SIDE
    words = f"confidence {percent(one.confidence)}, right {percent(one.accuracy)}, {count(one.images)} images"
    return (
        f'<rect class="legend validation" x="{left:.1f}" y="{SIDE - height:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}"><title>{words}</title></rect>'
    )


def _classes(found: Evaluation) -> Table:
    head = ("class", "images", "predicted", "precision", "recall", "F1", "ROC-AUC", "PR-AUC")
    rows: list[tuple[str, ...]] = [
        (one.name, count(one.support), count(one.predicted), percent(one.precision), percent(one.recall),
         significant(one.f1), significant(one.roc_auc), significant(one.pr_auc))
        for one in found.per_class
    ]  # fmt: skip
    return head, rows


def _slices(found: Evaluation) -> Table:
    rows: list[tuple[str, ...]] = [
        (one.by, one.name, count(one.images), percent(one.accuracy), " to ".join(map(percent, one.interval)))
        for one in found.slices
    ]
    return ("by", "slice", "images", "accuracy", "95 % interval"), rows


def _cases(cases: Sequence[Case]) -> Table:
    rows: list[tuple[str, ...]] = [
        (one.image, one.truth, one.said, percent(one.share), percent(one.truth_share)) for one in cases[:LISTED]
    ]
    return ("image", "true", "predicted", "probability", "of the true"), rows


def _table(table: Table) -> str:
    head, rows = table
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'
