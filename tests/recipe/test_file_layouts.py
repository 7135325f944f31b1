"""Layouts of tables, NumPy and tar files as people have them: what is read, and what is refused in which words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.datasets.labels import part_of_name, part_of_value
from cvtui.recipe.datasets.npz_file import NpzFile
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from tests.recipe.listed_files import LABELS, STEMS, labelled, listing


def touch(folder: Path, names: list[str]) -> Path:
    """Files that nobody opens here."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def table(path: Path, rows: Sequence[Any], mark: str = ",") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(mark.join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return f"csv:{path}"


# ------------------------------------------------------------------ tables


def test_names_and_labels_beside_the_table(tmp_path: Path) -> None:
    touch(tmp_path, [f"{stem}.jpg" for stem in STEMS])
    rows = [["filename", "label"], *([f"{stem}.jpg", label] for stem, label in zip(STEMS, LABELS, strict=True))]
    wanted = dict(zip(STEMS, LABELS, strict=True))
    found = listing(table(tmp_path / "labels.csv", rows))
    assert labelled(found) == wanted
    assert found.classes == ("cat", "dog", "fox")
    assert (len(found.train), len(found.validation)) == (9, 3)
    for mark, name in (("\t", "labels.tsv"), (";", "semicolons.csv"), ("|", "bars.csv")):
        assert labelled(listing(table(tmp_path / name, rows, mark))) == wanted
    assert labelled(listing(table(tmp_path / "no header.csv", rows[1:]))) == wanted
    (tmp_path / "excel.csv").write_bytes(
        b"\xef\xbb\xbf" + (tmp_path / "labels.csv").read_bytes().replace(b"\n", b"\r\n")
    )
    assert labelled(listing(f"csv:{tmp_path / 'excel.csv'}")) == wanted
    (tmp_path / "wide.csv").write_bytes((tmp_path / "labels.csv").read_text().encode("utf-16"))
    assert labelled(listing(f"csv:{tmp_path / 'wide.csv'}")) == wanted
    latin = (tmp_path / "labels.csv").read_text().replace("cat", "Käfer").encode("cp1252")
    (tmp_path / "latin.csv").write_bytes(latin)
    found = listing(f"csv:{tmp_path / 'latin.csv'}")
    assert "Käfer" in found.classes
    assert "not UTF-8" in found.notes[0]
    (tmp_path / "russian.csv").write_bytes("filename,label\nкот.png,a\nпёс.png,b\n".encode("cp1251"))
    with pytest.raises(RequestError, match="no picture that") as refused:
        listing(f"csv:{tmp_path / 'russian.csv'}")
    assert refused.value.hint == "russian.csv is not UTF-8; it was read as Windows-1252: save it as UTF-8"


@pytest.mark.parametrize(
    ("header", "make"),
    [
        (["id_code", "diagnosis"], lambda stem, label: [stem, label]),  # APTOS
        (["id", "breed"], lambda stem, label: [stem, label]),  # Dog Breed
        (["image_id", "label", "source"], lambda stem, label: [f"{stem}.png", label, "field"]),  # Cassava
        (["lesion_id", "image_id", "dx", "age"], lambda stem, label: [f"L{stem}", stem, label, 40]),  # HAM10000
        (["", "file", "species"], lambda stem, label: [int(stem), stem, label]),  # an index by pandas
        (["Image_Name", "Class Name"], lambda stem, label: [f"Images/{stem}.PNG".lower().capitalize(), label]),
        (["what", "is", "it"], lambda stem, label: [label, f"{stem}.png", "x"]),
    ],
)
def test_kaggles_columns_are_found_by_their_names_and_contents(header: list[str], make: Any, tmp_path: Path) -> None:
    touch(tmp_path / "train_images", [f"{stem}.png" for stem in STEMS])
    touch(tmp_path / "test_images", [f"t{stem}.png" for stem in STEMS])
    rows = [header, *(make(stem, label) for stem, label in zip(STEMS, LABELS, strict=True))]
    text = table(tmp_path / "train.csv", rows)
    if header == ["what", "is", "it"]:
        with pytest.raises(RequestError, match=r"which column of 'train.csv' is the label\? It has what, it") as caught:
            listing(text)
        assert caught.value.hint == f"csv:{tmp_path / 'train.csv'},label=what"
        text += ",label=what"
    assert labelled(listing(text)) == dict(zip(STEMS, LABELS, strict=True))


def test_columns_that_are_named_by_hand(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", [f"{stem}.jpg" for stem in STEMS])
    rows = [
        ["a", "b c", "d"],
        *([label, stem, place] for place, (stem, label) in enumerate(zip(STEMS, LABELS, strict=True))),
    ]
    text = table(tmp_path / "here" / "labels.csv", rows)
    with pytest.raises(RequestError, match=r"no picture that 'labels.csv' names is there.*looked in"):
        listing(text)
    for options in ("images=../elsewhere,path=b c,label=a", f"images={tmp_path / 'elsewhere'},label=1,path=2"):
        assert labelled(listing(f"{text},{options}")) == dict(zip(STEMS, LABELS, strict=True))
    for options, words in (
        ("label=e", "label=e: there is no such column; there are a, b c, d"),
        ("images=nowhere", "images=nowhere is no folder"),
        ("images=../elsewhere,label=d", "12 different labels for 12 images .0, 1, 2 ….: measurements or names"),
        ("images=../elsewhere,label=a,split=a", "split=a: 'cat' is none of train, val and test"),
    ):
        with pytest.raises(RequestError, match=words):
            listing(f"{text},{options}")


def test_numbers_are_classes_in_the_order_of_their_values(tmp_path: Path) -> None:
    touch(tmp_path, [f"{stem}.jpg" for stem in STEMS])
    rows = [["image", "level"], *([f"{stem}.jpg", (10, 2, "1.0")[place % 3]] for place, stem in enumerate(STEMS))]
    assert listing(table(tmp_path / "t.csv", rows)).classes == ("1", "2", "10")


def test_one_hot_columns_are_read_and_several_labels_are_sets(tmp_path: Path) -> None:
    touch(tmp_path, [f"{stem}.jpg" for stem in STEMS])
    marks = {"cat": "1.0,0.0,0.0", "dog": "0.0,1.0,0.0", "fox": "0.0,0.0,1.0"}
    rows = [["image", "cat", "dog", "fox"], *([stem, marks[label]] for stem, label in zip(STEMS, LABELS, strict=True))]
    found = listing(table(tmp_path / "one.csv", rows))
    assert labelled(found) == dict(zip(STEMS, LABELS, strict=True))
    assert "the class is the column that holds 1, of cat, dog, fox" in found.notes
    rows[1][1] = "1.0,1.0,0.0"
    several = table(tmp_path / "many.csv", rows)
    found = listing(several)
    assert found.label_sets == ((0,), (0, 1), (1,), (2,))
    assert any(note.startswith("1 of 12 rows of many.csv with several classes or none") for note in found.notes)
    with pytest.raises(RequestError, match=r"in several classes .or none., cross-entropy takes one class a picture"):
        check(Recipe(data=several, net="fc", batch_size=4))
    assert check(Recipe(data=several, net="fc", batch_size=4, loss="bce")).data.label_sets == found.label_sets


def test_a_split_column(tmp_path: Path) -> None:
    touch(tmp_path, [f"{stem}.jpg" for stem in STEMS])
    words = ["Train"] * 6 + ["valid"] * 3 + ["test"] * 3
    rows = [
        ["path", "label", "split"],
        *([f"{stem}.jpg", label, word] for stem, label, word in zip(STEMS, LABELS, words, strict=True)),
    ]
    found = listing(table(tmp_path / "t.csv", rows))
    assert [Path(name).stem for name, _ in found.train] == STEMS[:6]
    assert [Path(name).stem for name, _ in found.validation] == STEMS[6:9]
    assert found.notes == ("not used: 3 pictures of the test part",)
    rows = [[*row[:2], row[2].replace("valid", "train")] for row in rows]
    found = listing(table(tmp_path / "t.csv", rows))
    assert (len(found.train), len(found.validation)) == (9, 3)
    assert "test part is used for validation" in found.notes[0]
    rows[-1][1] = "wolf"
    with pytest.raises(RequestError, match="the class 'wolf' has no images to train on"):
        listing(table(tmp_path / "t.csv", rows))


def test_rows_that_are_left_out_are_counted_and_named(tmp_path: Path) -> None:
    touch(tmp_path, [f"{stem}.jpg" for stem in STEMS])
    rows = [["path", "label"], *([f"{stem}.jpg", label] for stem, label in zip(STEMS, LABELS, strict=True)),
            ["gone.jpg", "cat"], ["05.jpg", ""], ["00.jpg", "cat"], ["01.jpg", "fox"]]  # fmt: skip
    found = listing(table(tmp_path / "t.csv", rows))
    assert len(found.train) + len(found.validation) == 12
    assert found.notes == (
        "1 of 16 pictures that t.csv names is not there: gone.jpg",
        "left out 1 row of t.csv without a label",
        "1 picture with two labels in t.csv: the first is used (several classes stand in one cell, cat;dog): "
        f"{tmp_path / '01.jpg'}",
    )


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ("level", True),  # another division of the pictures
        ("class_id", False),  # the same one, in numbers
        ("notes", False),
    ],
)
def test_a_second_column_of_labels_is_told(second: str, told: bool, tmp_path: Path) -> None:
    touch(tmp_path, [f"{stem}.jpg" for stem in STEMS])
    values = {"class_id": [str(sorted(set(LABELS)).index(label)) for label in LABELS]}.get(
        second, [str(number % 2) for number in range(len(STEMS))]
    )
    rows = [["path", "label", second], *([f"{stem}.jpg", label, value]
            for stem, label, value in zip(STEMS, LABELS, values, strict=True))]  # fmt: skip
    path = table(tmp_path / "t.csv", rows)
    expected = f"the labels are those of the column 'label', not 'level' ({path},label=level takes that)"
    assert listing(path).notes == ((expected,) if told else ())
    assert listing(f"{path},label=label").notes == ()  # it was said


@pytest.mark.parametrize(
    ("labels", "refused"),
    [
        (["0.5", "1.5"], "0.5, 1.5"),
        (["1", "2.5"], "2.5"),
        (["0", "nan"], "nan"),
        (["1.0", "2.0"], ""),
        (["0.5", "b"], ""),
    ],
)
def test_numbers_that_are_not_whole_are_no_classes(labels: list[str], refused: str, tmp_path: Path) -> None:
    touch(tmp_path, [f"{stem}.jpg" for stem in STEMS])
    path = table(tmp_path / "t.csv", [["path", "label"], *([f"{stem}.jpg", labels[number % 2]]
                 for number, stem in enumerate(STEMS))])  # fmt: skip
    if refused:
        with pytest.raises(RequestError, match=re.escape(f"not whole numbers ({refused}): measurements, not classes")):
            listing(path)
    else:
        assert len(listing(path).classes) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "has no rows"),
        ("path,label\n", "has no rows"),
        ("path\na.jpg\n", "has one column"),
        ("path,label\na.jpg,cat\nb.jpg\n", "row 3 of .* has 1 column, the first has 2"),
        ('path,label\n"a.jpg,cat\n' + "x" * 200_000, "is no table"),
        ("path,label\nhttps://x/a.jpg,cat\nhttps://x/b.jpg,dog\n", "no picture that 't.csv' names is there"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(RequestError, match=words):
        listing(f"csv:{tmp_path / 't.csv'}")


def test_the_same_name_in_two_folders_is_asked_for(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        touch(tmp_path / folder, [f"{stem}.jpg" for stem in STEMS])
    rows = [["id", "label"], *([stem, label] for stem, label in zip(STEMS, LABELS, strict=True))]
    text = table(tmp_path / "t.csv", rows)
    with pytest.raises(RequestError, match=r"'00' is there twice: .*a/00.jpg' and .*b/00.jpg'"):
        listing(text)
    assert {Path(name).parent.name for name, _ in listing(f"{text},images=b").train} == {"b"}
    rows = [["id", "label"], *([f"a/{stem}", label] for stem, label in zip(STEMS, LABELS, strict=True))]
    assert {Path(name).parent.name for name, _ in listing(table(tmp_path / "t.csv", rows)).train} == {"a"}


# ------------------------------------------------------------------ NumPy files


def npz(path: Path, **arrays: Any) -> DataFacts:
    np.savez(path, **arrays)
    return facts(Recipe(data=f"npz:{path}", val_share=0.25))


def images(count: int, *shape: int) -> Any:
    return np.zeros((count, *shape), np.uint8)


def test_layouts_of_numpy_files(tmp_path: Path) -> None:
    path, labels = tmp_path / "x.npz", np.arange(12) % 3
    medmnist = {
        "train_images": images(12, 28, 28),
        "train_labels": labels[:, None],
        "val_images": images(6, 28, 28),
        "val_labels": labels[:6, None],
        "test_images": images(3, 28, 28),
        "test_labels": labels[:3, None],
    }
    found = npz(path, **medmnist)
    assert (found.size, found.train, found.validation, found.classes) == ((28, 28, 1), 12, 6, ("0", "1", "2"))
    source = source_of("npz:x")
    assert isinstance(source, NpzFile)
    assert source.arrays(f"npz:{path}", 0.2, 0).notes == ("not used: 3 images of test_images",)
    found = npz(path, x_train=images(12, 32, 32, 3), y_train=labels, x_test=images(6, 32, 32, 3), y_test=labels[:6])
    assert (found.size, found.train, found.validation) == ((32, 32, 3), 12, 6)
    for names in (("images", "labels"), ("X", "y"), ("arr_0", "arr_1"), ("data", "target")):
        found = npz(path, **dict(zip(names, (images(12, 3, 5, 7), labels), strict=True)))
        assert (found.size, found.train, found.validation) == ((5, 7, 3), 9, 3), "channels first"
    assert npz(path, images=images(12, 4, 4, 4), labels=labels).size == (4, 4, 3), "RGBA"
    assert npz(path, images=images(12, 4, 4), labels=np.eye(3)[labels]).classes == ("0", "1", "2")
    words = np.array(["ant", "bee", "cat"])
    assert npz(path, images=images(12, 4, 4), labels=words[labels]).classes == tuple(words)
    assert npz(path, images=images(12, 4, 4), labels=labels, class_names=words).classes == tuple(words)
    for told in (words, words.astype(bytes)):
        found = npz(path, images=images(12, 4, 4), labels=labels + 1, class_names=told)
        assert (found.classes, found.notes[0][:40]) == (tuple(words), "labels in rising order are the classes i")
    files = np.array([f"{place}.png" for place in range(12)])
    assert npz(path, images=images(12, 4, 4), labels=labels, names=files).classes == ("0", "1", "2")
    assert npz(path, images=images(12, 4, 4), labels=5.0 * labels + 5).classes == ("5", "10", "15")
    assert npz(path, images=images(12, 4, 4), labels=labels.astype(np.uint64) + 2**63).classes[0] == str(2**63)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": np.zeros(3)}, "'x.npz' has no images and labels by a name that is known; it has a 3"),
        ({"x": np.zeros((12, 784)), "y": np.arange(12) % 2}, "'x' of 'x.npz' is 12x784, no images"),
        ({"x": images(12, 4, 4), "y": np.arange(11) % 2}, "has 12 x and 11 y"),
        ({"x": images(12, 4, 4), "y": np.full((12, 14), 2)}, "has 14 columns of other numbers than 0 and 1"),
        ({"x": images(12, 4, 4), "y": np.linspace(0, 1, 12)}, "holds numbers such as 0.0909091, not classes"),
        ({"x": images(12, 28, 28, 28), "y": np.arange(12) % 3}, "'x' of 'x.npz' holds volumes of 28x28x28"),
        ({"x": images(12, 4, 4), "y": np.zeros(12)}, "has one class, '0'"),
        ({"x": images(12, 4, 4), "y": np.array(3)}, "'y' of 'x.npz' is one value, not a whole number or a word for"),
        ({"x": images(12, 4, 4), "y": np.ones(12, complex)}, "'y' of 'x.npz' is complex128, not a whole number"),
        ({"x": images(12, 4, 4), "y": np.arange(12) % 2, "names": np.array(["a", "a"])}, "names two classes 'a'"),
        ({"x": images(4, 4, 4), "y": np.array([0, 0, 0, 1])}, "the class '1' has one image"),
        ({"x": images(4, 4, 4), "y": np.array([{}, 1, 2, 3], dtype=object)}, r"'y' of .*: it holds .*y\.astype\(str\)"),
        ({"x_train": images(4, 4, 4), "y_train": np.array([0, 1, 0, 1]), "x_test": images(2, 4, 5),
          "y_test": np.array([0, 1])}, "training and validation images of 'x.npz' differ: 4x4 and 4x5"),
        ({"x_train": images(4, 4, 4), "y_train": np.array([0, 1, 0, 1]), "x_test": images(2, 4, 4),
          "y_test": np.array([0, 2])}, "'x.npz': the class '2' has no images to train on"),
    ],
)  # fmt: skip
def test_numpy_files_that_are_refused(arrays: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=words):
        npz(tmp_path / "x.npz", **arrays)


@pytest.mark.parametrize("cut", [0, 10, 500])
def test_a_file_that_is_cut_short(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    npz(path, images=images(12, 4, 4), labels=np.arange(12) % 3)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(RequestError, match=r"x.npz' is no NumPy file of arrays"):
        facts(Recipe(data=f"npz:{path}"))


def test_packed_arrays_that_are_damaged_and_parts_in_files_of_their_own(tmp_path: Path) -> None:
    pixels, labels = np.random.default_rng(0).integers(0, 256, (12, 64, 64), np.uint8), np.arange(12) % 3
    for name in ("train", "val"):
        np.savez_compressed(tmp_path / f"{name}.npz", images=pixels, labels=labels)
    text = f"npz:{tmp_path / 'train.npz'}"
    assert "not used: val.npz beside it" in facts(Recipe(data=text)).notes[0]
    with pytest.raises(RequestError, match=r"names 2 files: train.npz, val.npz"):
        facts(Recipe(data=f"npz:{tmp_path}"))
    data = bytearray((tmp_path / "train.npz").read_bytes())
    data[60:80] = b"\xff" * 20
    (tmp_path / "train.npz").write_bytes(data)
    with pytest.raises(RequestError, match=r"train.npz' is no NumPy file of arrays: Error -3"):
        facts(Recipe(data=text))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train-00000-of-00004", "train"), ("validation-00000-of-00001", "validation"), ("test", "test"),
        ("val-of-train-000", "validation"), ("Dev_2", "validation"), ("heldout-01", "validation"),
        ("TrainSet", "train"), ("trn-000", "train"), ("cocoTesting", "test"), ("shard-000", ""), ("unlabelled-000", ""),
    ],
)  # fmt: skip
def test_files_and_columns_know_the_words_of_folders(name: str, part: str) -> None:
    assert part_of_name(name) == part


@pytest.mark.parametrize(
    ("value", "part"),
    [("Train", "train"), ("TRAINING", "train"), ("train set", "train"), ("held-out", "validation"),
     ("Test images", "test"), ("training day", ""), ("unlabelled", ""), ("2", ""), ("", "")],
)  # fmt: skip
def test_a_value_that_says_more_is_no_part(value: str, part: str) -> None:
    assert part_of_value(value) == part


@pytest.mark.parametrize("word", ["foo", "PublicTest2"])
def test_a_split_column_that_says_else_is_told(word: str, tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(8)]
    touch(tmp_path, names)
    rows = [(name, "ab"[number % 2], ["train", word][number // 6]) for number, name in enumerate(names)]
    found = listing(table(tmp_path / "t.csv", [("filename", "label", "split"), *rows]))
    assert any(f"the column 'split' is not used: {word!r} is none of" in note for note in found.notes), found.notes
