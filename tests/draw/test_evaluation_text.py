"""An evaluation as text: what of very many classes is shown."""

from __future__ import annotations

from cvtui.draw.evaluation_text import MOST_CLASSES, classes
from cvtui.runlog.evaluation import ClassScore, Evaluation


def evaluation(count: int) -> Evaluation:
    """Return one of `count` classes, whose F1 rises with the number; the last has no images."""
    scores = [
        ClassScore(name=f"k{number}", precision=0.5, recall=0.5, f1=number / count if number < count - 1 else None,
                   support=1 if number < count - 1 else 0, predicted=1)
        for number in range(count)
    ]  # fmt: skip
    return Evaluation(
        run="r", checkpoint="best.pt", epoch=1, step=1, ema=False, time=0, data="d", split="validation", images=count,
        classes=[one.name for one in scores], right=0, accuracy=0, interval=(0, 1), top_k=5, top_k_accuracy=0,
        balanced_accuracy=0, precision=0, recall=0, f1=0, per_class=scores, confusion=[],
    )  # fmt: skip


def test_of_a_thousand_classes_the_worst_have_a_row() -> None:
    _, *rows, last = classes(evaluation(1000), 120)
    assert [row.split()[0] for row in rows] == [f"k{number}" for number in range(MOST_CLASSES)]
    assert last == "those with the lowest F1; 950 more classes (--json has all)"


def test_of_few_classes_each_has_a_row_in_their_order() -> None:
    _, *rows = classes(evaluation(MOST_CLASSES), 120)
    assert [row.split()[0] for row in rows] == [f"k{number}" for number in range(MOST_CLASSES)]
