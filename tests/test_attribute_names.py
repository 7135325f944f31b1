"""Private attributes of a class and of those that it is made from: one name is one thing.

A log's writer noted under one name when a full disk is tried again, the doctor's writer made from it when to look next:
once both were moved often, the disk was never tried again. Textual's widgets have some hundred names of their own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import textual

import cvtui

OURS = Path(cvtui.__file__).parent
TEXTUAL = Path(textual.__file__).parent


class Class(NamedTuple):
    """A class by its source: file, names of its bases, and private attributes that its `__init__` sets."""

    file: Path
    bases: list[str]
    attributes: set[str]


def test_no_class_takes_a_private_name_of_its_bases() -> None:
    assert _taken_twice([*OURS.rglob("*.py"), *TEXTUAL.glob("*.py"), *(TEXTUAL / "widgets").glob("*.py")]) == []


def test_a_name_that_is_taken_twice_is_found(tmp_path: Path) -> None:
    text = "class A:\n    def __init__(self):\n        self._again = 0.0\n        self.size = 1\n"
    for base in ("A", "A[int]", "b.A"):
        (tmp_path / "c.py").write_text(text + text.replace("class A", f"class C({base})"))
        assert _taken_twice([tmp_path / "c.py"], tmp_path) == ["c.py: C._again is a name of A"]


def _taken_twice(files: list[Path], ours: Path = OURS) -> list[str]:
    classes: dict[str, list[Class]] = {}
    for file in files:
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.ClassDef):
                bases = [name for base in node.bases if (name := _base_name(base))]
                classes.setdefault(node.name, []).append(Class(file, bases, set(_set_at_first(node))))
    return sorted(
        f"{one.file.relative_to(ours)}: {name}.{attribute} is a name of {base}"
        for name, ones in classes.items()
        for one in ones
        if one.file.is_relative_to(ours)
        for base in _above(one, classes, {name})
        for other in classes[base]
        for attribute in one.attributes & other.attributes
    )


def _base_name(base: ast.expr) -> str:
    if isinstance(base, ast.Subscript):
        base = base.value
    return base.id if isinstance(base, ast.Name) else base.attr if isinstance(base, ast.Attribute) else ""


def _set_at_first(node: ast.ClassDef) -> Iterator[str]:
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            for part in ast.walk(method):
                match part:
                    case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()) if name.startswith("_"):
                        yield name


def _above(one: Class, classes: dict[str, list[Class]], seen: set[str]) -> set[str]:
    found = {base for base in one.bases if base in classes} - seen
    return found.union(*(_above(other, classes, seen | found) for base in found for other in classes[base]))
