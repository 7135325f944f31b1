"""JSON documents that say which class a picture is of, as tables: COCO, Label Studio, lists and maps of pictures."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cvtui import door
from cvtui.errors import RequestError
from cvtui.recipe.datasets import halves
from cvtui.recipe.datasets.image_files import is_image
from cvtui.text import counted

HEAD = 4096
"""Bytes at the beginning of a document that are looked at before it is read."""
JsonRows = tuple[list[list[str]], list[str]]
"""(rows, of which the first is the header; notes)."""
_PREFIX = re.compile(r"[0-9a-f]{8}-(.+)")
"""Label Studio's, before the name of an uploaded picture."""


def json_rows(text: str, path: Path) -> JsonRows:
    """Return the rows of a JSON document. RequestError for one that names no pictures with classes."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"data: {str(path)!r} is no JSON: {error}") from None
    for read in (_coco, _label_studio, _parts, _list, _map):
        try:
            found = read(value, path)
        except (AttributeError, IndexError, KeyError, TypeError):  # of another form somewhere inside
            continue
        if found is not None and len(found[0]) > 1:
            return found
    raise RequestError(
        f"data: {path.name!r} names no pictures with classes, as COCO's, Label Studio's and lists of objects do",
        hint="a table with a row a picture is read: csv:labels.csv, with the columns file,label",
    )


def names_images(path: str) -> bool:
    """Return True for a document that names an image at its beginning: it may say their classes."""
    try:
        with door.opened_input(path) as file:
            head = file.read(HEAD).decode("utf-8", "replace")
    except OSError:
        return False
    return any(map(is_image, re.findall(r'[^"]+', head))) or '"images"' in head


def line_rows(text: str, path: Path) -> list[list[str]]:
    """Return the objects of JSON lines as rows, their keys as the header. RequestError."""
    found: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), 1):  # (a text may hold U+2028, at which splitlines splits)
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"data: line {number} of {str(path)!r} is no JSON: {error}") from None
        if not isinstance(value, dict):
            raise RequestError(f"data: line {number} of {str(path)!r} is no object with names and values")
        found.append(value)
    return _of_objects(found)


def _of_objects(found: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    keys = list(dict.fromkeys(key for one in found for key in one))
    return [keys, *([_cell(one.get(key)) for key in keys] for one in found)]


def _cell(value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("choices"), list):  # Label Studio's, where there are several
        value = value["choices"]
    if isinstance(value, list):
        return ";".join(map(_cell, value))
    return "" if value is None else str(value)


def _set_of(names: Iterable[str]) -> str:
    """Write the classes of a picture, each once, as a cell."""
    return ";".join(dict.fromkeys(re.sub("[;|]", ",", name) for name in names))


# ------------------------------------------------------------------ COCO


def _coco(value: Any, path: Path) -> JsonRows | None:
    """Read COCO's: the classes of a picture are those of its annotations."""
    if not isinstance(value, dict) or not isinstance(value.get("images"), list) or "annotations" not in value:
        return None
    marks = [one for one in value["annotations"] if isinstance(one, dict)]
    if not isinstance(value.get("categories"), list) or not any("category_id" in one for one in marks):
        what = "captions" if any("caption" in one for one in marks) else "annotations without a category"
        raise RequestError(f"data: {path.name!r} holds {what}, not classes")
    names = {one.get("id"): str(one.get("name")) for one in value["categories"]}
    classes: dict[Any, list[str]] = defaultdict(list)
    for one in marks:
        number = one.get("category_id")
        classes[one.get("image_id")].append(names.get(number, str(number)))
    rows = [[str(one.get("file_name", "")), _set_of(classes[one.get("id")])] for one in value["images"]]
    boxed = any("bbox" in one for one in marks)
    return [["file", "label"], *rows], ["the classes of a picture are those of its boxes"] * boxed


# ------------------------------------------------------------------ Label Studio


def _label_studio(value: Any, path: Path) -> JsonRows | None:
    """Read an export of Label Studio: choices of the first annotation that was not cancelled."""
    if not (isinstance(value, list) and value and all(isinstance(one, dict) and "data" in one for one in value)):
        return None
    rows, kinds, more = [], set(), 0
    for task in value:
        given = task.get("annotations") or task.get("completions") or []
        valid = [one for one in given if not one.get("was_cancelled")]
        results = [one for annotation in valid[:1] for one in annotation.get("result", [])]
        kinds |= {str(one.get("type")) for one in results}
        chosen = [str(name) for one in results for name in one.get("value", {}).get("choices", [])]
        more += len(valid) > 1
        name = _picture_of(task["data"])
        rows.append([name, _without_prefix(name), _set_of(chosen)])
    if not any(row[2] for row in rows):
        what = f"{', '.join(sorted(kinds))}, not choices" if kinds else "no annotations"
        raise RequestError(f"data: {path.name!r} of Label Studio holds {what}: no classes of pictures",
                           hint="its control tag Choices makes them")  # fmt: skip
    notes = [f"{counted(more, 'picture')} with several annotations in {path.name}: the first is used"] if more else []
    return [["file", "file_name", "label"], *rows], notes


def _picture_of(data: Any) -> str:
    """Return the path of a task's picture: an upload's, a local file's (`?d=`), or one in a bucket."""
    texts = [text for text in data.values() if isinstance(text, str)] if isinstance(data, dict) else [str(data)]
    text = next(
        (text for text in texts if is_image(text.partition("?")[0]) or "?d=" in text), texts[0] if texts else ""
    )
    text = unquote(text.partition("?d=")[2] or text)
    return text.partition("://")[2].partition("?")[0].partition("/")[2] if "://" in text else text


def _without_prefix(name: str) -> str:
    folder, slash, own = name.rpartition("/")
    found = _PREFIX.fullmatch(own)
    return f"{folder}{slash}{found[1]}" if found else name


# ------------------------------------------------------------------ lists and maps


def _list(value: Any, _path: Path) -> JsonRows | None:
    """Read a list of objects, or of pairs [picture, label] (also as the only list of an object)."""
    if isinstance(value, dict):
        lists = [one for one in value.values() if isinstance(one, list)]
        value = lists[0] if len(lists) == 1 else None
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(one, dict) for one in value):
        return _of_objects(value), []
    if all(isinstance(one, list) and len(one) in (2, 3) and isinstance(one[0], str) for one in value):
        return [_header(value), *map(_pair, value)], []
    return None


def _header(entries: Sequence[Any]) -> list[str]:
    return ["file", "label"] if len(entries[0]) == 2 else ["file", "label", "class_id"]


def _pair(entry: Sequence[Any]) -> list[str]:
    """Write [picture, label], or [picture, number, name] (whose name is the label)."""
    return [_cell(one) for one in (entry if len(entry) == 2 else (entry[0], entry[2], entry[1]))]


def _parts(value: Any, path: Path) -> JsonRows | None:
    """Read an object of lists called train, val and test: the splits of CoOp, of Flowers, Cars, DTD and others."""
    if not isinstance(value, dict) or len(value) < 2 or any(halves.role(key) is None for key in value):
        return None
    tables = [(key, _list(part, path)) for key, part in value.items()]
    read = [(key, found[0]) for key, found in tables if found is not None]
    if not read or any(rows[0] != read[0][1][0] for _, rows in read):
        return None
    return [[*read[0][1][0], "split"], *([*row, key] for key, rows in read for row in rows[1:])], []


def _map(value: Any, _path: Path) -> JsonRows | None:
    """Read {picture: label}, {picture: {…}}, or pandas' {column: {row: value}}."""
    if not isinstance(value, dict) or not value:
        return None
    if all(map(is_image, value)):
        if all(isinstance(one, dict) for one in value.values()):
            return _of_objects([{"file": key, **one} for key, one in value.items()]), []
        return [["file", "label"], *([key, _cell(one)] for key, one in value.items())], []
    columns = list(value.values())
    if all(isinstance(one, dict) and one.keys() == columns[0].keys() for one in columns):
        return [list(value), *([_cell(one[row]) for one in columns] for row in columns[0])], []
    if all(isinstance(one, list) and len(one) == len(columns[0]) for one in columns) and len(columns) > 1:
        return [list(value), *(list(map(_cell, row)) for row in zip(*columns, strict=True))], []
    return None
