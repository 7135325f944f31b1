"""The table of labels: what each kind becomes, or the one line that refuses it."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Subset, TensorDataset, random_split

from cvtui.engine.data.labels import BadLabel, Marks, OneHot, class_names, number_labels, plain_label
from cvtui.errors import RequestError


class Colour(enum.Enum):
    RED = "r"


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (3, 3), (np.int16(3), 3), (np.uint64(3), 3), (3.0, 3), (np.float32(3), 3), (torch.tensor(3), 3),
        (10**12, 10**12), (torch.tensor([3]), 3), (np.array([3], np.uint8), 3), ([3], 3), (np.array([[3]]), 3),
        (True, True), (np.bool_(False), False), (torch.tensor(True), True), ("cat", "cat"), (np.str_("cat"), "cat"),
        (b"cat", "cat"), (b"caf\xe9", "caf\u00e9"), (bytearray(b"cat"), "cat"), (np.array("cat", object), "cat"),
        (np.array([3], object), 3), (torch.tensor(3.0, dtype=torch.bfloat16), 3),
        (np.array("cat"), "cat"), (["cat"], "cat"), (Colour.RED, "RED"),
        (torch.tensor([0, 0, 1]), OneHot(2, 3)),
        ([0.0, 1.0], OneHot(1, 2)), (np.array([True, False]), OneHot(0, 2)),
        (torch.tensor([1, 0, 1]), Marks((0, 2), 3)), ([0, 0, 0, 0], Marks((), 4)),
        (np.array([1.0, 1.0]), Marks((0, 1), 2)),
    ],
)  # fmt: skip
def test_a_label_is_a_number_a_name_or_a_vector(value: Any, label: Any) -> None:
    found = plain_label(value)
    assert (found, type(found)) == (label, type(label))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.5, "0.5, not a whole number or a name"), (float("nan"), "nan, not a whole number"),
        (torch.tensor(0.5), "0.5, not a whole"), (None, "None: an item without a class"),

        (2**70, "1180591620717411303424, not a whole"), ({1}, "{1}, not a whole"),
        ([0.25, 0.75], "a soft label"), ([3, 7], "2 numbers, not one class"), (torch.zeros(8, 8), "an array of 8 x 8"),
        ({"boxes": [1]}, "a dict, not a class"), (object, "not a whole number or a name"), ([], "0 numbers"),
    ],
)  # fmt: skip
def test_what_is_no_class_is_said_in_words(value: Any, words: str) -> None:
    with pytest.raises(BadLabel) as caught:
        plain_label(value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "names", "classes", "numbers", "note"),
    [
        ([0, 2, 1, 0], None, "0 1 2", [0, 2, 1, 0], ""),
        ([0, 2, 1, 0], "a b c", "a b c", [0, 2, 1, 0], ""),
        ([1, 3, 2], None, "1 2 3", [0, 2, 1], "3 classes, numbered in rising order"),
        ([1, 3, 2], "a b c", "a b c", [0, 2, 1], "count from 1: label 1 is 'a', 3 is 'c'"),
        ([0, 1000, 500], None, "0 500 1000", [0, 2, 1], "3 classes"),
        ([0, 1000, 500], "a b c", "a b c", [0, 2, 1], "0 is 'a', 500 is 'b', 1000 is 'c'"),
        ([1000, 0, 500], "500 0 1000", "500 0 1000", [2, 1, 0], ""),
        ([0, 10**12, 7], None, f"0 7 {10**12}", [0, 2, 1], "3 classes"),
        ([1, -1], None, "-1 1", [1, 0], "2 classes"),
        ([True, False], None, "False True", [1, 0], ""),
        ([True, False], "no yes", "no yes", [1, 0], ""),
        (["b", "a", "b"], None, "a b", [1, 0, 1], ""),
        (["b", "a", "b"], "b a", "b a", [0, 1, 0], ""),
        (["cafe\u0301", "b", "caf\u00e9"], None, "b caf\u00e9", [1, 0, 1], "have the same name: they are one class"),
        (["cafe\u0301", "b"], "b caf\u00e9", "b caf\u00e9", [1, 0], ""),
        (["cat", "b"], "b Cat", "b Cat", [1, 0], "the class 'cat' (U+0063) is taken as 'Cat' (U+0043)"),
        (["Cat", "cat"], None, "Cat cat", [0, 1], "differ only in case: two classes"),
        (["b", "a"], "b x a", "b x a", [0, 2], "without a training image: 'x'"),
        ([0, 2], "a b c", "a b c", [0, 2], "without a training image: 'b'"),
        ([OneHot(1, 3), OneHot(0, 3)], None, "0 1 2", [1, 0], "without a training image: '2'"),
        ([OneHot(1, 2), OneHot(0, 2)], "a b", "a b", [1, 0], ""),
    ],
    ids=str,
)
def test_the_table(labels: list[Any], names: str | None, classes: str, numbers: list[int], note: str) -> None:
    found = number_labels([labels], [None if names is None else tuple(names.split())], "m:f")
    assert found.classes == tuple(classes.split())
    assert found.parts[0].tolist() == numbers
    assert note in "; ".join(found.notes)
    assert bool(note) == bool(found.notes), "all else is told of nothing"


@pytest.mark.parametrize(
    ("labels", "names", "words"),
    [
        ([0, -1, 1], None, "labels count from 0; there is a label -1"),
        ([0, 5], "a b c", "go from 0 to 5 (2 different ones), its `classes` name 3: 'a', 'b', 'c'"),
        (["a", "d"], "a b c", "the label 'd' is none of the classes"),
        (["\u0430", "b"], "a b", "the label '\u0430' (U+0430) is none of the classes"),
        (["a", 1], None, "of different kinds: a name (item 0) and a number (item 1)"),
        ([OneHot(0, 2), OneHot(0, 3)], None, "have 2 and 3 values"),
        ([OneHot(0, 2), OneHot(1, 2)], "a b c", "have 2 values, its `classes` name 3"),
        ([4, 4], None, "labels of one class only"),
    ],
    ids=str,
)
def test_what_contradicts_is_one_line(labels: list[Any], names: str | None, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        number_labels([labels], [None if names is None else tuple(names.split())], "m:f")
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_two_parts_with_other_lists_are_mapped_by_name_or_refused() -> None:
    cats, dogs = ("cat", "dog"), ("dog", "cat")
    same = number_labels([[0, 1], [0, 1]], [cats, dogs], "m:f")
    assert [part.tolist() for part in same.parts] == [[0, 1], [1, 0]]
    fewer = number_labels([[0, 1, 2], [0, 1]], [("a", "b", "c"), ("b", "c")], "m:f")
    assert (fewer.classes, fewer.parts[1].tolist()) == (("a", "b", "c"), [1, 2])
    words = number_labels([["Cat", "caf\u00e9"], ["cat", "cafe\u0301"]], [None, None], "m:f")
    assert [part.tolist() for part in words.parts] == [[0, 1], [0, 1]]
    assert "validation: the class 'cat' (U+0063) is taken as 'Cat' (U+0043)" in words.notes
    with pytest.raises(RequestError, match="items of the class 'fox', which training doesn't name: 'cat', 'dog'"):
        number_labels([[0, 1], [0, 1]], [cats, ("fox", "cat")], "m:f")
    with pytest.raises(RequestError, match="validation has the class '2', which training has no items of"):
        number_labels([[0, 1], [0, 2]], [None, None], "m:f")


def named(**more: Any) -> TensorDataset:
    made = TensorDataset(torch.zeros(6, 1, 2, 2), torch.arange(6) % 2)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_names_are_found_in_what_is_wrapped() -> None:
    cats = named(classes=["cat", "dog"])
    assert class_names(Subset(cats, [0, 1]), "m:f") == ("cat", "dog")
    assert class_names(random_split(Subset(cats, range(6)), [3, 3])[1], "m:f") == ("cat", "dog")
    assert class_names(ConcatDataset([cats, Subset(cats, [1])]), "m:f") == ("cat", "dog")
    assert class_names(ConcatDataset([cats, named()]), "m:f") == ("cat", "dog")
    with pytest.raises(RequestError, match="number their classes differently: 'cat', 'dog'; 'dog', 'cat'"):
        class_names(ConcatDataset([cats, named(classes=["dog", "cat"])]), "m:f")


@pytest.mark.parametrize(
    "more",
    [
        {"classes": ("cat", "dog")}, {"classes": np.array(["cat", "dog"])}, {"classes": {0: "cat", 1: "dog"}},
        {"class_to_idx": {"dog": 1, "cat": 0}}, {"classes": ["dog", "cat"], "class_to_idx": {"cat": 0, "dog": 1}},
        {"info": {"label": {"0": "cat", "1": "dog"}}},  # MedMNIST
        {"features": {"label": type("ClassLabel", (), {"names": ["cat", "dog"]})()}},  # Hugging Face
    ],
    ids=["tuple", "array", "dict", "class_to_idx", "both", "MedMNIST", "Hugging Face"],
)  # fmt: skip
def test_names_in_every_form(more: dict[str, Any]) -> None:
    assert class_names(named(**more), "m:f") == ("cat", "dog")


@pytest.mark.parametrize(
    "classes",
    [10, "catdog", None, lambda: ["a"], {"cat": 0, "dog": 7}],
    ids=["number", "text", "None", "function", "gaps"],
)
def test_what_is_no_list_of_names_is_none(classes: Any) -> None:
    assert class_names(named(classes=classes), "m:f") is None


def test_items_in_several_classes_have_numbers_by_their_sets() -> None:
    rows = [[1, 0, 1], [0, 0, 0], [1, 0, 0], [1, 0, 1]]
    found = number_labels([[plain_label(row) for row in rows]], [("cat", "dog", "owl")], "m:f")
    assert found.classes == ("cat", "dog", "owl")
    assert [found.label_sets[label] for label in found.parts[0].tolist()] == [(0, 2), (), (0,), (0, 2)]
    assert number_labels([[plain_label(row) for row in rows]], [None], "m:f").classes == ("0", "1", "2")
    wrong: list[tuple[list[Any], tuple[str, ...] | None, str]] = [
        ([Marks((0, 1), 3), 2], None, "item 1 has the label 2, others a vector of 0 and 1"),
        ([Marks((0, 1), 3), Marks((), 2)], None, "vectors of 2 and of 3 values"),
        ([Marks((0, 1), 3), OneHot(1, 3)], ("a", "b"), "vectors of 3 values, its `classes` name 2"),
    ]
    for labels, names, words in wrong:
        with pytest.raises(RequestError, match=words):
            number_labels([labels], [names], "m:f")
