"""Parquet files as Hugging Face's `datasets` writes them (5.2.0), and plainer ones; the refusals, in one line each."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.facts import source_facts
from cvtui.recipe.datasets.file_source import ListedSource
from cvtui.recipe.datasets.folder_listing import Listing
from cvtui.recipe.datasets.packed import Packed
from cvtui.recipe.recipe import Recipe
from tests.engine.data.held_pictures import parquet_at, pictures, png


def listing(text: str) -> Listing:
    source = source_of(text)
    assert isinstance(source, ListedSource)
    return source.with_bytes(text, source.listing(text, 0.25, 0))


def write(path: Path, columns: dict[str, Any], features: dict[str, Any] | None = None) -> str:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return f"parquet:{path}"


IMAGES = [{"bytes": png(place), "path": None} for place in range(12)]


def greys(found: Listing) -> dict[int, str]:
    """Return {the grey of a picture: its class}."""
    from PIL import Image

    return {Image.open(name.opened() if isinstance(name, Packed) else name).getpixel((0, 0))[0]: found.classes[label]  # type: ignore[index]
            for name, label in found.train + found.validation}  # fmt: skip


def test_two_class_labels_are_asked_for(tmp_path: Path) -> None:
    fine, coarse = {"names": list("abcd"), "_type": "ClassLabel"}, {"names": ["x", "y"], "_type": "ClassLabel"}
    features = {"img": {"_type": "Image"}, "fine_label": fine, "coarse_label": coarse}
    columns = {"img": IMAGES, "fine_label": [p % 4 for p in range(12)], "coarse_label": [p % 2 for p in range(12)]}
    text = write(tmp_path / "cifar.parquet", columns, features)
    with pytest.raises(RequestError, match=r"which column of 'cifar.parquet' is the label\? It has fine_label, coarse"):
        listing(text)
    assert greys(listing(f"{text},label=coarse_label")) == {place: "xy"[place % 2] for place in range(12)}
    with pytest.raises(RequestError, match=r"label=colour: 'cifar.parquet' has no such column; it has img, fine_label"):
        listing(f"{text},label=colour")


def test_bytes_alone_words_and_rows_without_a_label(tmp_path: Path) -> None:
    columns = {"image": [one["bytes"] for one in IMAGES], "label": [None, *("uv"[p % 2] for p in range(11))]}
    found = listing(write(tmp_path / "a.parquet", columns))
    assert greys(found) == {place: "uv"[(place - 1) % 2] for place in range(1, 12)}
    assert found.notes == ("left out 1 row without a label",)
    features = {"image": {"dtype": "binary", "_type": "Value"}, "label": {"names": {"1": "v", "0": "u"}}}
    columns["label"] = [-1, *(p % 2 for p in range(11))]
    assert greys(listing(write(tmp_path / "b.parquet", columns, features))) == greys(found)


def test_a_null_means_a_path(tmp_path: Path) -> None:
    """`load_dataset("imagefolder").to_parquet()` stores paths alone."""
    for place in range(12):
        (tmp_path / f"{place}.png").write_bytes(png(place))
    paths = [str(tmp_path / f"{place}.png") if place % 2 else f"{place}.png" for place in range(12)]
    columns = {"image": [{"bytes": None, "path": path} for path in paths], "label": [place % 2 for place in range(12)]}
    assert greys(listing(write(tmp_path / "a.parquet", columns))) == {place: str(place % 2) for place in range(12)}


def test_parts_by_the_names_of_the_files(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for name, count in (("train-00000-of-00002", 12), ("train-00001-of-00002", 12), ("validation-00000-of-00001", 6)):
        parquet_at(tmp_path / "data", pictures()[:count], f"{name}.parquet")
    found = listing(f"parquet:{tmp_path}")
    assert (len(found.train), len(found.validation)) == (24, 6)
    assert all("validation" in name for name, _ in found.validation)


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_a_set_that_was_saved_to_disk(kind: str, tmp_path: Path) -> None:
    """The files of `save_to_disk` (Arrow's streams) of a DatasetDict, with what `map` leaves beside them."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import ipc

    info = {"info": {"features": {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["u", "v"]}}}}
    table = pa.table({"image": IMAGES, "label": [place % 2 for place in range(12)]})
    table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    for name in ("train/data-00000-of-00001", "test/data-00000-of-00001", "train/cache-0123456789abcdef"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with getattr(ipc, f"new_{kind}")(f"{tmp_path / name}.arrow", table.schema) as writer:
            writer.write_table(table)
        (tmp_path / name).with_name("state.json").write_text("{}")
    found = listing(f"parquet:{tmp_path}")
    assert (len(found.train), len(found.validation), found.classes) == (12, 12, ("u", "v"))
    assert greys(found) == {place: "uv"[place % 2] for place in range(12)}
    with pytest.raises(RequestError) as refused:
        source_facts(Recipe(data=f"folder:{tmp_path}"))
    assert f"hold the labels: parquet:{tmp_path}" in f"{refused.value.message} {refused.value.hint}"
    torn = tmp_path / "train" / "data-00000-of-00001.arrow"
    torn.write_bytes(torn.read_bytes()[:-700])
    with pytest.raises(RequestError, match=r"can't be read as arrow: "):
        listing(f"parquet:{torn}")


def test_parts_that_number_their_classes_otherwise_are_matched_by_name(tmp_path: Path) -> None:
    def features(*names: str) -> dict[str, Any]:
        return {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": names}}

    columns: dict[str, Any] = {"image": IMAGES, "label": [0, 1] * 6}
    write(tmp_path / "train.parquet", columns, features("cat", "dog"))
    for names, wanted in ((("dog", "Cat"), [1, 0] * 6), (("emu", "dog", "cat"), [1] * 6)):
        write(tmp_path / "validation.parquet", columns, features(*names))
        if "emu" in names:
            with pytest.raises(RequestError, match="the class 'emu' has no images to train on"):
                listing(f"parquet:{tmp_path}")
            continue
        found = listing(f"parquet:{tmp_path}")
        assert [label for _, label in found.train] == [0, 1] * 6
        assert [label for _, label in found.validation] == wanted
        assert "validation.parquet numbers its classes otherwise than train.parquet" in found.notes[0]
    columns["label"] = ["dog", "cat"] * 6
    write(tmp_path / "validation.parquet", columns)
    assert [label for _, label in listing(f"parquet:{tmp_path}").validation] == [1, 0] * 6
    columns["label"] = [0.0, float("nan"), 1.0] * 4
    found = listing(write(tmp_path / "b" / "gaps.parquet", columns, features("cat", "dog")))
    assert (found.notes, len(found.train)) == (("left out 4 rows without a label",), 6)


def test_what_is_refused(tmp_path: Path) -> None:
    text = write(tmp_path / "text.parquet", {"text": ["a"] * 3, "label": [1] * 3})
    with pytest.raises(RequestError, match="has no column of pictures; it has text, label"):
        listing(text)
    with pytest.raises(RequestError, match=r"which column of 'none.parquet' is the label\? It has age, height"):
        listing(write(tmp_path / "none.parquet", {"image": IMAGES, "age": [1] * 12, "height": [2] * 12}))
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "text.parquet").read_bytes()[:-20])
    (tmp_path / "empty.parquet").write_bytes(b"")
    for name in ("torn", "empty"):
        with pytest.raises(RequestError, match=f"{name}.parquet' can't be read as parquet: "):
            listing(f"parquet:{tmp_path / name}.parquet")
    with pytest.raises(RequestError, match="nowhere' does not exist"):
        listing(f"parquet:{tmp_path}/nowhere")


def test_without_pyarrow_the_line_to_type_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RequestError) as caught:
        listing(f"parquet:{tmp_path / 'a.parquet'}")
    assert (caught.value.message, caught.value.hint) == ("data: parquet: needs pyarrow", "pip install 'cvtui[parquet]'")


MARKS = [[place & 1, place >> 1 & 1, place >> 2 & 1] for place in range(12)]


def sets_of(found: Listing) -> dict[int, tuple[str, ...]]:
    """Return {the grey of a picture: its classes}."""
    from PIL import Image

    return {Image.open(name.opened()).getpixel((0, 0))[0]: tuple(found.classes[one] for one in found.label_sets[label])  # type: ignore[index,attr-defined]
            for name, label in found.train + found.validation}  # fmt: skip


@pytest.mark.parametrize("spelt", ["sequence", "list", "words", "marks", "columns"])
def test_pictures_in_several_classes(tmp_path: Path, spelt: str) -> None:
    names: list[str] = list("abc")
    features: dict[str, Any] | None = None
    numbers = [[number for number, one in enumerate(row) if one] for row in MARKS]
    columns: dict[str, Any] = {"image": IMAGES, "labels": numbers}
    if spelt in ("sequence", "list"):
        kind = {"names": names, "_type": "ClassLabel"}
        features = {"image": {"_type": "Image"}, "labels": {"feature": kind, "_type": "Sequence"}}
        if spelt == "list":
            features["labels"] = [kind]
    elif spelt == "words":
        columns["labels"] = [[names[one] for one in row] for row in numbers]
    elif spelt == "marks":
        columns["labels"], names = MARKS, list("012")
    else:
        columns = {"image": IMAGES, **{name: [row[place] for row in MARKS] for place, name in enumerate(names)}}
    found = listing(write(tmp_path / "a.parquet", columns, features))
    greys_of = {grey_of(place): tuple(name for name, one in zip(names, MARKS[place], strict=True) if one)
                for place in range(12)}  # fmt: skip
    assert sets_of(found) == greys_of


def grey_of(place: int) -> int:
    import io

    from PIL import Image

    return Image.open(io.BytesIO(png(place))).convert("RGB").getpixel((0, 0))[0]  # type: ignore[index]


def test_columns_of_other_numbers_are_asked_for(tmp_path: Path) -> None:
    columns = {"image": IMAGES, "a": [0, 1] * 6, "b": [1, 2] * 6}
    with pytest.raises(RequestError, match=r"which column of 'a.parquet' is the label\? It has a, b"):
        listing(write(tmp_path / "a.parquet", columns))
    assert listing(write(tmp_path / "a.parquet", columns) + ",label=b").classes == ("1", "2")
