"""Labels of files: one list of classes for training and validation, in whatever spelling; what spreadsheets add."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cvtui.errors import RequestError
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.recipe import Recipe
from tests.recipe.listed_files import LABELS, STEMS, labelled, listing
from tests.recipe.test_file_layouts import images, npz, table, touch


@pytest.mark.parametrize(
    ("train", "held", "classes", "told"),
    [
        (["0", "1"], ["0.0", "1.0"], ("0", "1"), ""),  # pandas, where a column has a gap
        (["Cat", "Dog"], ["cat", "DOG"], ("Cat", "Dog"), "validation: the class 'cat' (U+0063) is taken as 'Cat'"),
        (["caf\u00e9", "b"], ["cafe\u0301", "b"], ("b", "caf\u00e9"), "have the same name: they are one class"),
        (["Cat", "cat"], ["Cat", "cat"], ("Cat", "cat"), "differ only in case: two classes"),
    ],
)
def test_labels_of_both_parts_are_one_list(
    train: list[str], held: list[str], classes: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    """Also where the same class is spelt differently; the files too may be spelt by a Mac."""
    touch(tmp_path, [f"e\u0301{place}.jpg" for place in range(8)])
    labels = train * 2 + held * 2
    parts = ["train"] * 4 + ["val"] * 4
    rows = [["path", "label", "split"], *([f"\u00e9{p}.jpg", labels[p], parts[p]] for p in range(8))]
    found = listing(table(tmp_path / "t.csv", rows))
    assert found.classes == classes
    numbers = [classes.index(name) for name in train] * 2
    assert [label for _, label in found.train] == [label for _, label in found.validation] == numbers
    assert told in " ".join(found.notes)
    both = npz(tmp_path / "x.npz", x_train=images(4, 4, 4), y_train=np.array(labels[:4]), x_val=images(4, 4, 4),
               y_val=np.array(labels[4:]))  # fmt: skip
    assert (both.classes, both.train_counts, both.validation_counts) == (classes, (2, 2), (2, 2))
    assert told in " ".join(both.notes)


def test_a_class_that_only_validation_has_is_left_out_where_only_says_so(tmp_path: Path) -> None:
    touch(tmp_path, [f"{place}.jpg" for place in range(8)])
    rows = [["path", "label", "split"], *([f"{p}.jpg", "ababacba"[p], ("train", "val")[p > 3]] for p in range(8))]
    text = table(tmp_path / "t.csv", rows)
    with pytest.raises(RequestError) as caught:
        facts(Recipe(data=text))
    assert caught.value.hint == "`--only a,b` leaves it out"
    found = facts(Recipe(data=text, only="a,b"))
    assert (found.classes, found.train_counts, found.validation_counts) == (("a", "b"), (2, 2), (2, 1))


def test_what_spreadsheets_add_is_no_row(tmp_path: Path) -> None:
    touch(tmp_path, [f"{stem}.jpg" for stem in STEMS])
    rows = [f'file://{tmp_path}/{stem}.jpg, "{label}"' for stem, label in zip(STEMS, LABELS, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["sep=,", "path, label,", *rows]))
    found = listing(f"csv:{tmp_path / 't.csv'}")
    assert (labelled(found), found.notes) == (dict(zip(STEMS, LABELS, strict=True)), ())
