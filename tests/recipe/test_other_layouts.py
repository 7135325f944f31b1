"""Lists, several tables of one set, names in files of other machines; and what is said of files that nothing reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvtui.errors import RequestError
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import override
from tests.recipe.listed_files import labelled, listing

NAMES = [f"p {place}.png" for place in range(8)]
WANTED = {f"p {place}": "ab"[place % 2] for place in range(8)}


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def told(text: str, **fields: str) -> DataFacts:
    return facts(override(Recipe(), {"data": text, **fields}))


def refusal(text: str) -> str:
    with pytest.raises(RequestError) as caught:
        told(text)
    return f"{caught.value.message}; {caught.value.hint}"


LISTS = {
    "list.txt": "".join(f"{name} {'ab'[number % 2]}\n" for number, name in enumerate(NAMES)),
    "tabs.txt": "file\tlabel\n" + "".join(f"{name}\t{'ab'[number % 2]}\n" for number, name in enumerate(NAMES)),
    "lines.jsonl": "".join(
        json.dumps({"file_name": name, "label": "ab"[number % 2], "by": "a\u2028b"}, ensure_ascii=False) + "\n"
        for number, name in enumerate(NAMES)
    ),
    "comment.csv": "# by a tool, 2\nfile,label\n" + "".join(f"{n},{'ab'[i % 2]}\n" for i, n in enumerate(NAMES)),
    "header.csv": "# by a tool\n#file,label\n" + "".join(f"{n},{'ab'[i % 2]}\n" for i, n in enumerate(NAMES)),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_json_lines_and_comments_are_tables(name: str, tmp_path: Path) -> None:
    touch(*(tmp_path / one for one in NAMES))
    (tmp_path / name).write_text(LISTS[name], encoding="utf-8")
    assert labelled(listing(f"csv:{tmp_path / name}")) == WANTED


def test_a_list_of_paths_alone_has_its_folders_for_classes(tmp_path: Path) -> None:
    paths = [f"{kind}/{number}.png" for kind in ("pie", "soup") for number in range(4)]
    touch(*(tmp_path / path for path in paths))
    (tmp_path / "list.txt").write_text("\n".join(paths), encoding="utf-8")
    found = listing(f"csv:{tmp_path / 'list.txt'}")
    assert {path.split("/")[-2]: found.classes[label] for path, label in found.train} == {"pie": "pie", "soup": "soup"}
    assert "the class is the folder" in "; ".join(found.notes)


@pytest.mark.parametrize("before", ["/home/bob/data/set/", "D:\\data\\set\\", "set\\"])
def test_paths_of_another_machine_find_their_own_of_two_files_of_one_name(before: str, tmp_path: Path) -> None:
    touch(*(tmp_path / "set" / kind / f"{number}.png" for kind in "ab" for number in range(4)))
    slash = before[-1]
    rows = [f"{before}{kind}{slash}{number}.png,{kind}" for kind in "ab" for number in range(4)]
    (tmp_path / "labels.csv").write_text("path,label\n" + "\n".join(rows), encoding="utf-8")
    found = listing(f"csv:{tmp_path / 'labels.csv'}")
    assert len(found.train + found.validation) == 8
    assert all(path.split("/")[-2] == found.classes[label] for path, label in found.train + found.validation)


def tables(folder: Path, *names: str) -> None:
    """Write tables by these names, each of four pictures that lie beside it."""
    for name in names:
        path = folder / name
        pictures = [path.parent / f"{name.replace('/', '-')}{number}.png" for number in range(4)]
        touch(*pictures)
        rows = [f"{picture.name},{'ab'[number % 2]}" for number, picture in enumerate(pictures)]
        path.write_text("file,label\n" + "\n".join(rows), encoding="utf-8")


@pytest.mark.parametrize("names", [("train.csv", "valid.csv"), ("train/_classes.csv", "valid/_classes.csv")])
def test_tables_of_two_parts_are_told_and_read_together(names: tuple[str, str], tmp_path: Path) -> None:
    tables(tmp_path, *names)
    both = told(f"csv:{tmp_path}")
    assert (both.train, both.validation) == (4, 4)
    pattern = str(tmp_path / names[0]).replace("train", "{train,valid}")
    assert told(f"csv:{pattern}").validation == 4
    alone = listing(f"csv:{tmp_path / names[0]}")
    assert f"not used: {names[1]} beside it; csv:{tmp_path} reads the parts together" in alone.notes


def test_of_several_tables_one_has_to_be_named_and_a_test_set_without_labels_is_left(tmp_path: Path) -> None:
    tables(tmp_path / "two", "a.csv", "b.csv")
    assert "holds 2 tables: a.csv, b.csv; name one: csv:" in refusal(f"csv:{tmp_path / 'two'}")
    tables(tmp_path / "kaggle", "train.csv", "valid.csv", "test.csv", "sample_submission.csv")
    (tmp_path / "kaggle" / "test.csv").write_text("file\ntest.csv0.png\n", encoding="utf-8")
    found = listing(f"csv:{tmp_path / 'kaggle'}")
    assert (len(found.train), len(found.validation)) == (4, 4)
    assert any("not used: sample_submission.csv" in note for note in found.notes)
    assert any("not used: test.csv" in note for note in found.notes)


def test_the_likeliest_table_of_a_folder_is_named(tmp_path: Path) -> None:
    touch(*(tmp_path / half / f"{number}.png" for half in ("train", "test") for number in range(3)))
    for name in ("sample_submission.csv", "train.csv"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    assert f"where train.csv holds the labels: csv:{tmp_path}/train.csv" in refusal(f"folder:{tmp_path}")


# ------------------------------------------------------------------ NumPy files

X, Y = np.zeros((12, 8, 8), np.uint8), np.arange(12) % 3


@pytest.mark.parametrize(
    "arrays",
    [
        {"imgs": X, "labs": Y}, {"img": X, "lbl": Y}, {"my_pixels": X, "truth": Y}, {"data": X, "targets": Y[:, None]},
        {"X": X, "Y": Y, "class_names": np.array(["a", "b", "c"])},
    ],
    ids=lambda arrays: "-".join(arrays),
)  # fmt: skip
def test_arrays_are_known_by_their_words_or_their_shapes(arrays: dict[str, Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", **arrays)
    found = told(f"npz:{tmp_path / 'set.npz'}")
    assert (len(found.classes), found.train + found.validation) == (3, 12)


@pytest.mark.parametrize("names", ["train_X train_Y valid_X valid_Y", "imgTrain labelTrain imgTest labelTest"])
def test_arrays_of_two_parts(names: str, tmp_path: Path) -> None:
    arrays: dict[str, Any] = dict(zip(names.split(), (X, Y, X[:6], Y[:6]), strict=True))
    np.savez(tmp_path / "set.npz", **arrays)
    found = told(f"npz:{tmp_path / 'set.npz'}")
    assert (found.train, found.validation) == (12, 6)


def test_of_two_arrays_of_labels_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, data=X, fine_labels=Y, coarse_labels=Y // 2)
    assert f"say which: npz:{path},images=data,labels=" in refusal(f"npz:{path}")
    assert len(told(f"npz:{path},labels=coarse_labels").classes) == 2
    assert "labels=coarse: 'set.npz' has no such array; it has data 12x8x8" in refusal(f"npz:{path},labels=coarse")


# ------------------------------------------------------------------ what is not read, and names


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x.npy", "np.savez("),
        ("x.h5", "a function of yours that returns a Dataset"),
        ("x.xlsx", "save it as CSV"),
        ("x.xml", "a table with a row a picture"),
        ("x.nii.gz", "medical images become PNG"),
        ("x.dcm", "medical images become PNG"),
    ],
)
def test_every_door_says_what_to_do_with_files_that_nothing_reads(name: str, words: str, tmp_path: Path) -> None:
    touch(tmp_path / "a" / name, tmp_path / "b" / name)
    path = tmp_path / "a" / name
    for text in (str(path), f"csv:{path}", f"npz:{tmp_path / 'a'}", f"folder:{tmp_path}"):
        assert words in refusal(text), text


def test_a_set_that_has_a_name_here_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "cifar-10-batches-py" / "data_batch_1")
    assert f"--data cifar10 --data-dir {tmp_path}" in refusal(f"folder:{tmp_path}")


def test_one_class_is_named(tmp_path: Path) -> None:
    touch(*(tmp_path / "cat" / f"{number}.png" for number in range(3)))
    assert "has one subfolder with images, 'cat'; each class needs one" in refusal(f"folder:{tmp_path}")


def test_brackets_commas_and_equal_signs_in_names_that_are_there(tmp_path: Path) -> None:
    place = tmp_path / "a,x=1" / "set (train=1)"
    touch(*(place / kind / f"{number}.png" for kind in "ab" for number in range(4)))
    assert told(f"folder:{place}").train == 6
    (place.parent / "l.csv").write_text(
        "file,label\n" + "".join(f"{place.name}/{kind}/{number}.png,{kind}\n" for kind in "ab" for number in range(4)),
        encoding="utf-8",
    )
    assert told(f"csv:{place.parent / 'l.csv'}").train == 6


def test_copies_and_folders_within_classes_are_told(tmp_path: Path) -> None:
    touch(*(tmp_path / "one" / kind / f"{n}.png" for kind in ("cat", "cat - Copy", "dog") for n in range(3)))
    assert "'cat - Copy' is named as a copy of 'cat': two classes" in told(f"folder:{tmp_path / 'one'}").notes
    touch(*(tmp_path / "two" / kind / f"{n}.png" for kind in ("big/a", "big/b", "small/c", "small/d") for n in "01"))
    notes = told(f"folder:{tmp_path / 'two'}").notes
    assert "big, small are the classes; the subfolders in them (a, b, c, d) are taken together" in notes
