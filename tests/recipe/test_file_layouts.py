"""Layouts of tables, NumPy and tar files as people have them: what is read, and what is refused in which words."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.datasets.file_source import ListedSource, braced, files_of
from cvtui.recipe.datasets.image_folder import Listing
from cvtui.recipe.datasets.labels import part_of_name, part_of_value
from cvtui.recipe.datasets.npz_file import NpzFile
from cvtui.recipe.datasets.tar_shards import samples_of
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from tests.engine.data.held_pictures import add, png

STEMS = [f"{place:02d}" for place in range(12)]
LABELS = ["cat", "dog", "fox"] * 4


def listing(text: str, share: float = 0.25) -> Listing:
    source = source_of(text)
    assert isinstance(source, ListedSource)
    return source.listing(source.check(text, "--data"), share, 0)


def labelled(found: Listing) -> dict[str, str]:
    """{name of the file: its class}."""
    return {Path(name.rpartition(":")[2]).stem: found.classes[label] for name, label in found.train + found.validation}


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
        assert caught.value.hint == f"csv:{tmp_path / 'train.csv'},label=it"
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
    assert npz(path, images=images(12, 4, 4), labels=5.0 * labels + 5).classes == ("5", "10", "15")


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
        ({"x": images(4, 4, 4), "y": np.array([0, 0, 0, 1])}, "the class '1' has one image"),
        ({"x": images(4, 4, 4), "y": np.array([{}, 1, 2, 3], dtype=object)}, "'y' of .* can't be read: it holds"),
        ({"x_train": images(4, 4, 4), "y_train": np.array([0, 1, 0, 1]), "x_test": images(2, 4, 5),
          "y_test": np.array([0, 1])}, "training and validation images of 'x.npz' differ: 4x4 and 4x5"),
        ({"x_train": images(4, 4, 4), "y_train": np.array([0, 1, 0, 1]), "x_test": images(2, 4, 4),
          "y_test": np.array([0, 2])}, "the class '2' of 'x.npz' has no images to train on"),
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


# ------------------------------------------------------------------ tar files


def shard(path: Path, members: list[tuple[str, bytes]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            add(archive, name, data)
    return f"wds:{path}"


def samples(stems: list[str], ending: str, make: Any) -> list[tuple[str, bytes]]:
    return [member for place, stem in enumerate(stems)
            for member in ((f"{stem}.png", png(place)), (f"{stem}.{ending}", make(LABELS[place])))]  # fmt: skip


@pytest.mark.parametrize(
    ("ending", "values", "classes"),
    [
        ("cls", [b"0 2", b"1", b"2,0,1"], [("0", "2"), ("1",), ("0", "1", "2")]),
        ("cls", [b"[0, 2]", b"[1]", b"[]"], [("0", "2"), ("1",), ()]),
        ("cls", [b"1 0 1", b"0 1 0", b"0 0 0"], [("0", "2"), ("1",), ()]),
        ("label", [b"cat;dog", b"cat", b"owl|dog"], [("cat", "dog"), ("cat",), ("dog", "owl")]),
        ("json", [b'{"label": ["cat", "dog"]}', b'{"label": []}', b'["owl"]'], [("cat", "dog"), (), ("owl",)]),
    ],
)
def test_samples_in_several_classes(
    tmp_path: Path, ending: str, values: list[bytes], classes: list[tuple[str, ...]]
) -> None:
    members = [member for place, stem in enumerate(STEMS)
               for member in ((f"{stem}.png", png(place)), (f"{stem}.{ending}", values[place % 3]))]  # fmt: skip
    found = listing(shard(tmp_path / "a.tar", members))
    assert len(found.train) + len(found.validation) == len(STEMS)
    for name, label in found.train + found.validation:
        stem = Path(name.rpartition(":")[2]).stem
        assert tuple(found.classes[one] for one in found.label_sets[label]) == classes[STEMS.index(stem) % 3]


def test_lists_of_one_class_each_are_plain_labels(tmp_path: Path) -> None:
    wanted = dict(zip(STEMS, LABELS, strict=True))
    for make in (lambda label: json.dumps([label]).encode(), lambda label: f"{label};".encode()):
        found = listing(shard(tmp_path / "a.tar", samples(STEMS, "cls", make)))
        assert not found.label_sets
        assert labelled(found) == wanted
    marks = {label: " ".join(str(int(label == other)) for other in sorted(set(LABELS))) for label in LABELS}
    found = listing(shard(tmp_path / "a.tar", samples(STEMS, "cls", lambda label: marks[label].encode())))
    assert not found.label_sets
    assert len(found.classes) == len(set(LABELS))


def test_labels_of_shards(tmp_path: Path) -> None:
    wanted = dict(zip(STEMS, LABELS, strict=True))
    for ending, make in (
        ("cls", str.encode),
        ("txt", lambda label: f"{label}\n".encode()),
        ("json", lambda label: json.dumps({"width": 4, "label": label}).encode()),
        ("json", lambda label: json.dumps(label).encode()),
    ):
        text = shard(tmp_path / "a.tar", samples(STEMS, ending, make))
        assert labelled(listing(text)) == wanted, ending
    found = listing(text)
    name, label = found.train[0]
    assert name.opened().read() == png(STEMS.index(Path(name.rpartition(":")[2]).stem))  # type: ignore[attr-defined]
    assert label == LABELS.index(found.classes[label])
    text = shard(tmp_path / "k.tar", samples(STEMS, "json", lambda label: json.dumps({"w": 4, "kind": label}).encode()))
    with pytest.raises(RequestError, match=r"the .json of '00' in 'k.tar' has no label; it has w, kind"):
        listing(text)
    assert labelled(listing(f"{text},label=kind")) == wanted


def test_shards_by_pattern_and_by_part(tmp_path: Path) -> None:
    for place, name in enumerate(("train-000.tar", "train-001.tar", "val-000.tar")):
        shard(tmp_path / name, samples([f"{place}{stem}" for stem in STEMS[:6]], "cls", str.encode))
    found = listing(f"wds:{tmp_path}")
    assert (len(found.train), len(found.validation)) == (12, 6)
    assert {name.rpartition(":")[0] for name, _ in found.validation} == {str(tmp_path / "val-000.tar")}
    assert len(listing(f"wds:{tmp_path}/train-{{000..001}}.tar").train) == 9
    assert len(listing(f"wds:{tmp_path}/train-*.tar").train) == 9
    with pytest.raises(RequestError, match=r"train-\{000..002\}.tar' does not exist"):
        listing(f"wds:{tmp_path}/train-{{000..002}}.tar")


def test_half_samples_are_counted_and_named(tmp_path: Path) -> None:
    """The library hands out half samples without a word where the members of a key are not neighbours."""
    members = samples(STEMS, "cls", str.encode)
    found = listing(shard(tmp_path / "a.tar", [*members, ("zz.png", b""), ("__note__", b"")]))
    assert labelled(found) == dict(zip(STEMS, LABELS, strict=True))
    assert found.notes[0].startswith("1 samples lack a picture or a label and are left out: a.tar:zz")
    apart = sorted(members, key=lambda member: member[0].partition(".")[2])
    with pytest.raises(RequestError, match="holds no sample with a picture and a label"):
        listing(shard(tmp_path / "apart.tar", apart))


@pytest.mark.parametrize("content", [b"", b"no tar file", png(3) * 40])
def test_what_is_no_tar_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(RequestError, match=r"a.tar' (is no whole tar file|holds no sample)"):
        listing(f"wds:{tmp_path / 'a.tar'}")


def test_a_shard_that_is_cut_short(tmp_path: Path) -> None:
    text = shard(tmp_path / "a.tar", samples(STEMS, "cls", str.encode))
    data = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(data[: 512 * 41 + 100])
    with pytest.raises(RequestError, match="is no whole tar file"):
        listing(text)
    import gzip

    (tmp_path / "a.tar").write_bytes(gzip.compress(data))
    with pytest.raises(RequestError, match="is no whole tar file") as caught:
        listing(text)
    assert "gunzip" in caught.value.hint


def test_patterns() -> None:
    assert braced("s-{08..11}.tar") == ["s-08.tar", "s-09.tar", "s-10.tar", "s-11.tar"]
    assert braced("{a,b}-{0..1}") == ["a-0", "a-1", "b-0", "b-1"]
    assert braced("set{1}") == ["set{1}"]
    assert files_of(Path("nowhere-{0..3}.tar"), (".tar",)) == []


def test_the_samples_are_those_of_the_library(tmp_path: Path) -> None:
    """Keys end at the first dot of the name, hidden and double-underscored members are none, endings are small."""
    library = pytest.importorskip("webdataset")
    pictures = ["A.PNG", "./b/C.png", "d.e/f.seg.png", "d.e/f.png", ".hid.png", "__x.png", "img.001.jpg", "img.002.jpg"]
    labels = [("A.CLS", b"1"), ("./b/C.cls", b"2"), ("d.e/f.json", b'{"label": 5}'), (".hid.cls", b"7"), ("__m__", b"")]
    text = shard(tmp_path / "a.tar", sorted([*((name, png(place)) for place, name in enumerate(pictures)), *labels]))
    theirs = list(library.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False))
    ours = list(samples_of(tmp_path / "a.tar"))
    assert [sample["key"] for sample in ours] == [sample["__key__"] for sample in theirs]
    for own, their in zip(ours, theirs, strict=True):
        assert set(own) - {"key", "pictures"} == {name for name in their if not name.startswith("__")}
        assert all(own[name] == their[name] for name in ("cls", "json") if name in their)
    source = source_of(text)
    assert isinstance(source, ListedSource)
    found = source.rows(text)
    assert {row.name.rpartition(":")[2]: row.label for row in found.rows} == {
        "A.PNG": "1", "./b/C.png": "2", "d.e/f.png": "5",
    }, "the picture, not the mask beside it"  # fmt: skip
    assert any("1 samples hold several pictures" in note and "d.e/f.png" in note for note in found.notes)
    assert any("2 samples lack a picture or a label" in note and "a.tar:img" in note for note in found.notes)


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
