"""Layouts of tar files as people have them: what is read, and what is refused in which words."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.file_source import ListedSource, braced, files_of
from cvtui.recipe.datasets.tar_shards import samples_of
from tests.engine.data.held_pictures import add, png
from tests.recipe.listed_files import LABELS, STEMS, labelled, listing


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
    for code in ("latin-1", "utf-8-sig"):
        text = shard(tmp_path / "l.tar", samples(STEMS, "cls", lambda one: one.replace("o", "ö").encode(code)))  # noqa: B023
        assert listing(text).classes == ("cat", "dög", "föx"), code


def test_shards_by_pattern_and_by_part(tmp_path: Path) -> None:
    for place, name in enumerate(("train-000.tar", "train-001.tar", "val-000.tar")):
        shard(tmp_path / name, samples([f"{place}{stem}" for stem in STEMS[:6]], "cls", str.encode))
    found = listing(f"wds:{tmp_path}")
    assert (len(found.train), len(found.validation)) == (12, 6)
    assert {name.rpartition(":")[0] for name, _ in found.validation} == {str(tmp_path / "val-000.tar")}
    assert len(listing(f"wds:{tmp_path}/train-{{000..001}}.tar").train) == 9
    assert len(listing(f"wds:{tmp_path}/train-*.tar").train) == 9
    found = listing(f"wds:{tmp_path}/{{train-{{000..001}},val-000}}.tar")
    assert (len(found.train), len(found.validation)) == (12, 6), "no file twice"
    with pytest.raises(RequestError, match=r"train-\{000..002\}.tar' does not exist: there is no '.*train-002.tar'"):
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
    whole = len(data.rstrip(b"\0")) // 512 * 512 + 512  # the last member is a label, padded
    for end in (whole, whole + 100, whole - 1024 + 100):  # behind a member, in the end, in a header: tarfile is silent
        (tmp_path / "a.tar").write_bytes(data[:end])
        assert "a.tar ends without a tar file's end" in listing(text).notes[0]
    (tmp_path / "a.tar").write_bytes(data)
    assert not listing(text).notes
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
