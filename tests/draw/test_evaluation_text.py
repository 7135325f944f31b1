"""An evaluation as text: what of very many classes is shown."""

from __future__ import annotations

import msgspec
from rich.cells import cell_len

from cvtui.draw.evaluation_text import MOST_CLASSES, cases, classes, confusion, slices
from cvtui.runlog.evaluation import Case, ClassScore, Evaluation, Slice


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


def test_wide_letters_leave_the_columns_straight() -> None:
    names = ["猫の写真と長い名前のクラス", "犬", "dog"]
    found = evaluation(3)
    scores = [msgspec.structs.replace(one, name=name) for one, name in zip(found.per_class, names, strict=True)]
    parts = [Slice(by="class", name=name, images=7, accuracy=0.7, interval=(0.4, 0.9)) for name in names]
    found = msgspec.structs.replace(found, per_class=scores, classes=names, confusion=[[1] * 3] * 3, slices=parts)
    for rows in (classes(found, 90), confusion(found, 60), slices(found, 90)):
        assert {cell_len(row) for row in rows} == {cell_len(rows[0])}


def test_at_80_columns_slices_and_images_keep_to_their_lines_and_to_what_tells_them_apart() -> None:
    """At 80 three slices of brightness were each called `brightness: 30% to …`, and wrapped."""
    spans = [f"30 to {high} % of white" for high in (31, 32, 35)]
    parts = [Slice(by="brightness", name=name, images=1000, accuracy=1.0, interval=(0.9, 1.0)) for name in spans]
    found = msgspec.structs.replace(evaluation(3), slices=parts)
    for width in (75, 90, 120):
        rows = slices(found, width)
        assert max(map(cell_len, rows)) <= width
        assert [row.split(": ")[1].split("  ")[0] for row in rows] == spans
    assert "█" in slices(found, 120)[0]
    long = "a_class_with_a_really_long_name_that_never_ends_in_any_terminal"
    case = Case(
        image="photos/of/the/way/犬/img-0017.png",
        truth=long,
        said=f"{long}_2",
        number=0,
        share=0.9,
        truth_share=0.1,
        margin=0.8,
    )
    for row in cases([case, msgspec.structs.replace(case, truth=case.said)], 2, 72):
        assert cell_len(row) <= 72
        assert "img-0017.png" in row
