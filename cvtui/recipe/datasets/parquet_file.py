"""`parquet:PATH`: Hugging Face's imagefolder layout, parquet or a set saved to disk, by pyarrow (extra `parquet`)."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from cvtui import door
from cvtui.errors import RequestError
from cvtui.recipe.datasets.class_names import match
from cvtui.recipe.datasets.file_source import ListedSource, Row, Rows, part_of_file
from cvtui.recipe.datasets.folder_listing import Listing
from cvtui.recipe.datasets.label_sets import texts_of
from cvtui.recipe.datasets.labels import LABEL_NAMES, bytes_text, key_of
from cvtui.recipe.datasets.packed import Packed
from cvtui.text import counted

ARROW = ".arrow"
PICTURE_NAMES = ("image", "img", "picture", "png", "jpg", "bytes")


class HeldPicture(Packed):
    """A picture of a row, its encoded bytes held in memory."""

    data: bytes = b""

    def opened(self) -> io.BytesIO:
        return io.BytesIO(self.data)


class ParquetFile(ListedSource):
    """`parquet:PATH`: a file, a folder of them, or a pattern."""

    reader = "parquet_file"
    prefix = "parquet"
    usage = "parquet:PATH"
    summary = "Hugging Face's parquet files of pictures, and what save_to_disk writes"
    placeholder = "data/train-*.parquet"
    held = True
    endings = (".parquet", ARROW)
    options = ("label", "image")
    what = "the parquet file"

    def files(self, text: str) -> list[Path]:
        """Return the files that the text names, without what `map` and `filter` keep beside a set (cache-….arrow)."""
        found = super().files(text)
        return [path for path in found if not (path.suffix == ARROW and path.name.startswith("cache-"))] or found

    def rows(self, text: str) -> Rows:
        options = self.asked(text).options
        files = self.files(text)
        found: list[Row] = []
        lists: list[list[Any]] = []
        columns = {path: _columns(path, _features(path), options)[1] for path in files}
        told = {path: _kinds(path, columns[path]) for path in files}
        kinds, notes = _one_list(told)
        empty, several = 0, False
        for path in files:
            own, part = told[path], part_of_file(path)
            for number, value in enumerate(_values(path, columns[path])):
                several = several or isinstance(value, list)
                members = value if isinstance(value, list) else [value]
                if not all(_is_known(one, own, len(columns[path]) > 1) for one in members):
                    empty += 1  # -1: a test set without labels
                    continue
                if own != kinds:
                    members = [_renumbered(one, own, kinds, several, path) for one in members]
                plain = "" if isinstance(value, list) else _text(members[0])
                lists.append(members)
                found.append(Row(Packed(f"{path} row {number}", str(path), number), plain, part))
        if not found:
            raise RequestError(f"data: {str(self.place(text))!r} holds no row with a label")
        notes += [f"left out {counted(empty, 'row')} without a label"] if empty else []
        names = {str(number): str(name) for number, name in enumerate(kinds)}
        if not several:
            return Rows(found, notes, names)
        texts, classes = texts_of(lists, kinds)
        found = [row._replace(label=text) for row, text in zip(found, texts, strict=True)]
        return Rows(found, notes, names, classes=classes)

    def with_bytes(self, text: str, found: Listing, /) -> Listing:
        """Return the listing with the encoded bytes of its rows; a null means a path, which is then the picture's."""
        containers = sorted({name.container for part in (found.train, found.validation) for name, _ in part
                             if isinstance(name, Packed)})  # fmt: skip
        options = self.asked(text).options
        held = {path: _pictures(Path(path), options) for path in containers}

        def opened(pair: tuple[str, int]) -> tuple[str, int]:
            name, label = pair
            if not isinstance(name, Packed):
                return pair
            value = held[name.container][name.offset]
            if isinstance(value, str):
                return value, label
            picture = HeldPicture(name, name.container, name.offset)
            picture.data = value
            return picture, label

        return replace(found, train=tuple(map(opened, found.train)), validation=tuple(map(opened, found.validation)))


class _ArrowFile:
    """A file of Arrow's stream or file format, with what is used here of pyarrow's ParquetFile."""

    def __init__(self, path: Path) -> None:
        from pyarrow import ipc

        self._file = door.opened_input(path)
        kind = ipc.open_file if self._file.read(6) == b"ARROW1" else ipc.open_stream
        self._file.seek(0)
        self._reader = kind(self._file)
        self.schema_arrow = self._reader.schema

    def __enter__(self) -> _ArrowFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, columns: list[str]) -> Any:
        return self._reader.read_all().select(columns)

    def iter_batches(self, columns: list[str], batch_size: int) -> Any:
        return iter(self.read(columns).to_batches(max_chunksize=batch_size))


def _parquet() -> Any:
    """Import pyarrow.parquet. RequestError names the extra."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise RequestError("data: parquet: needs pyarrow", hint="pip install 'cvtui[parquet]'") from None
    return pyarrow.parquet


def _file(path: Path) -> Any:
    """Open one. RequestError in one line for what is none."""
    parquet = _parquet()
    try:
        return _ArrowFile(path) if path.suffix.lower() == ARROW else parquet.ParquetFile(door.opened_input(path))
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise _unreadable(path, error) from None


def _read(path: Path, columns: list[str]) -> Any:
    with _file(path) as file:
        try:
            return file.read(columns=columns)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None


def _features(path: Path) -> dict[str, dict[str, Any]]:
    """Return {column: what Hugging Face's metadata or its type say}: `_type` Image or ClassLabel, `names`."""
    with _file(path) as file:
        schema = file.schema_arrow
    found: dict[str, dict[str, Any]] = {}
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        told = {}
    for field in schema:
        entry = told.get(field.name) if isinstance(told, dict) else None
        kind = str(field.type)
        entry = dict(entry) if isinstance(entry, dict) else {}
        if isinstance(entry.get("names"), dict):  # an older spelling: {"0": "cat"}
            entry["names"] = [entry["names"][key] for key in sorted(entry["names"], key=int)]
        parts = {field.type.field(number).name for number in range(field.type.num_fields)}
        if (kind.startswith("struct<") and {"bytes", "path"} <= parts) or kind in ("binary", "large_binary"):
            entry["_type"] = "Image"
        entry["marks"] = kind in ("bool", "int8", "uint8", "int16", "int32", "int64")
        if isinstance(told_list := told.get(field.name) if isinstance(told, dict) else None, list) and told_list:
            entry["feature"] = told_list[0]  # another spelling of a sequence
        found[field.name] = entry
    return found


def _columns(path: Path, features: dict[str, dict[str, Any]], options: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the column of pictures and that of labels, or several of 0 and 1. RequestError names those there are."""
    there = ", ".join(features)
    for option in ("image", "label"):
        if option in options and options[option] not in features:
            raise RequestError(f"data: {option}={options[option]}: {path.name!r} has no such column; it has {there}")
    pictures = [name for name, entry in features.items() if entry.get("_type") == "Image"]
    pictures.sort(key=lambda name: PICTURE_NAMES.index(name.lower()) if name.lower() in PICTURE_NAMES else 99)
    if "image" not in options and not pictures:
        raise RequestError(f"data: {path.name!r} has no column of pictures; it has {there}",
                           hint="the layout is Hugging Face's imagefolder: {bytes, path}")  # fmt: skip
    labels = [name for name, entry in features.items() if entry.get("_type") == "ClassLabel"]
    if len(labels) != 1:
        usual = [name for wanted in LABEL_NAMES for name in (labels or features) if key_of(name) == wanted]
        labels = usual[:1] or labels
    if "label" not in options and len(labels) != 1:
        names = labels or [name for name in features if name not in pictures]
        if not labels and len(names) > 1 and _are_marks(path, features, names):
            return options.get("image") or pictures[0], tuple(names)
        raise RequestError(f"data: which column of {path.name!r} is the label? It has {', '.join(names) or there}",
                           hint=f"parquet:{path},label={names[0] if names else 'COLUMN'}")  # fmt: skip
    return options.get("image") or pictures[0], (options.get("label") or labels[0],)


def _class_names(feature: dict[str, Any]) -> list[str]:
    """Return the names of a ClassLabel, also of a sequence of them."""
    inner = feature.get("feature")
    return list(feature.get("names") or (inner.get("names") if isinstance(inner, dict) else None) or [])


def _kinds(path: Path, labels: tuple[str, ...]) -> list[str]:
    """Return the names of the classes that a file tells, in the order of their numbers; [] for none."""
    return list(labels) if len(labels) > 1 else _class_names(_features(path)[labels[0]])


def _one_list(told: dict[Path, list[str]]) -> tuple[list[str], list[str]]:
    """Return one list of classes for all files, that of the training part first, and what is told where they differ."""
    order = sorted(told, key=lambda path: (not told[path], part_of_file(path) != "train"))
    kinds = list(told[order[0]])
    notes = []
    for path in order[1:]:
        if told[path] and told[path] != told[order[0]]:
            kinds += [name for name in told[path] if match(name, kinds) is None]
            notes.append(f"{path.name} numbers its classes otherwise than {order[0].name}: they are matched by name")
    return kinds, notes


def _renumbered(value: Any, own: list[str], kinds: list[str], several: bool, path: Path) -> Any:
    """Return the number by the list of all files of a label by its own file's list. RequestError for several."""
    if several:
        raise RequestError(f"data: {path.name!r} names other classes than the other files, and its pictures are in "
                           "several", hint="give all files the same names")  # fmt: skip
    name = value if isinstance(value, str) else own[int(value)] if own else None
    known = match(name, kinds) if name is not None else None
    return value if known is None else kinds.index(known)


def _text(value: Any) -> str:
    """Return a label as text: True is 1, bytes are words."""
    if isinstance(value, bytes):
        return bytes_text(value)
    return str(int(value)) if isinstance(value, bool) else str(value)


def _is_known(value: Any, kinds: list[str], marks: bool) -> bool:
    """Return True for a label: no null, no NaN, and where classes have names, one of them."""
    if value is None or value != value:
        return False
    if not kinds or marks:
        return True
    if isinstance(value, str):
        return value in kinds
    return isinstance(value, int | float) and value == int(value) and 0 <= int(value) < len(kinds)


def _are_marks(path: Path, features: dict[str, dict[str, Any]], names: list[str]) -> bool:
    """Return True for columns that hold 0 and 1 alone: a yes or no for each class."""
    if not all(features[name].get("marks") for name in names):
        return False
    table = _read(path, names)
    return all(set(table.column(name).unique().to_pylist()) <= {0, 1, None} for name in names)


def _values(path: Path, labels: tuple[str, ...]) -> list[Any]:
    """Return each row's label; of several columns the list of their 0 and 1."""
    table = _read(path, list(labels))
    columns = [table.column(name).to_pylist() for name in labels]
    if len(columns) == 1:
        return list(columns[0])
    return [[None if value is None else int(value) for value in row] for row in zip(*columns, strict=True)]


def _pictures(path: Path, options: dict[str, str]) -> list[bytes | str]:
    """Return each row's encoded bytes, or the path of its file where there are none."""
    column, _ = _columns(path, _features(path), options)
    found: list[bytes | str] = []
    with _file(path) as file:
        try:
            for batch in file.iter_batches(columns=[column], batch_size=256):
                for value in batch.column(0).to_pylist():
                    entry = value if isinstance(value, dict) else {"bytes": value}
                    data, place = entry.get("bytes"), entry.get("path")
                    found.append(data if data is not None else str(path.parent / place) if place else b"")
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None
    return found


def _unreadable(path: Path, error: Exception) -> RequestError:
    return RequestError(
        f"data: {str(path)!r} can't be read as {path.suffix[1:] or 'parquet'}: {' '.join(str(error).split())[:120]}"
    )
