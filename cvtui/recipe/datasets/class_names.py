"""Names of classes that look alike: matched where Unicode calls them equal, else told apart by their code points."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence

from cvtui.text import encodable

_TWINS = str.maketrans(
    "аеорсухікԁѕјһԛԝнвмтАВЕКМНОРСТУХІЅЈαορνικτυΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxikdsjhqwhbmtABEKMHOPCTYXISJaopviktuABEZHIKMNOPTYX",
)
"""Cyrillic and Greek letters that look like Latin ones."""


def composed(name: str) -> str:
    """Return a name in Unicode's composed form (NFC), however the file system spells it (a Mac's may be NFD)."""
    return unicodedata.normalize("NFC", name)


def class_name(name: str) -> str:
    """Return a folder's name, or a label, as the name of a class: composed, and such as UTF-8 can write."""
    return encodable(composed(name))


def folded(name: str) -> str:
    """Return a key that is the same for names which differ in case, width or surrounding space only."""
    return " ".join(composed(unicodedata.normalize("NFKC", name).casefold()).split())


def looks(name: str) -> str:
    """Return a key that is the same for names that look the same."""
    seen = "".join(sign for sign in name if unicodedata.category(sign) != "Cf")
    return folded(seen.translate(_TWINS))


def match(name: str, names: Sequence[str]) -> str | None:
    """Return the one of `names` that is meant: itself, its composed form, or the only one equal but for case."""
    if name in names:
        return name
    for key in (class_name, folded):
        found = [other for other in names if key(other) == key(name)]
        if len(found) == 1:
            return found[0]
    return None


def lookalike(name: str, names: Sequence[str]) -> str | None:
    """Return one of `names` that looks like `name` and is another."""
    return next((other for other in names if other != name and looks(other) == looks(name)), None)


def shown(name: str) -> str:
    """Return a name in quotes, harmless to a terminal."""
    return repr(name) if name.isprintable() else ascii(name)


def with_points(name: str, other: str) -> str:
    """Return a name in quotes with the code points of what differs from `other`: 'café' (U+0065 U+0301)."""
    start = _same(name, other)
    end = _same(name[start:][::-1], other[start:][::-1])
    points = " ".join(f"U+{ord(sign):04X}" for sign in name[start : len(name) - end])
    return f"{shown(name)} ({points})" if points else shown(name)


def taken(where: str, name: str, known: str) -> str:
    """Tell of a class of validation that is one of the training's, spelt differently."""
    return f"{where}: the class {with_points(name, known)} is taken as {with_points(known, name)}"


def _same(one: str, other: str) -> int:
    """Count the characters with which both begin."""
    return next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
                min(len(one), len(other)))  # fmt: skip


def alike(names: Sequence[str]) -> list[str]:
    """Say which classes look alike, or differ only in case, a line each."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(looks(name), []).append(name)
    told = []
    for group in groups.values():
        for first, second in itertools.pairwise(group):
            words = "differ only in case" if first.casefold() == second.casefold() else "look alike"
            told.append(f"{with_points(first, second)} and {with_points(second, first)} {words}: two classes")
    for name in names:
        copied = _COPY.fullmatch(name)
        if copied is not None and copied[1] in names:
            told.append(f"{shown(name)} is named as a copy of {shown(copied[1])}: two classes")
    return told


_COPY = re.compile(r"(.+?)(?: - Copy| copy|_copy| - Kopie| - copie)(?: ?\(?\d+\)?)?")
"""Names that file managers give to a copy."""
