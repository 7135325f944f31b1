"""What is typed for a folder of images: `folder:PATH`, `folder:PATH(train=A, val=B)`; and what may have been meant."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from pathlib import Path

from cvtui.errors import RequestError, nearest
from cvtui.recipe.datasets.class_names import composed
from cvtui.recipe.datasets.image_files import ending, images_in, is_image, names_in
from cvtui.recipe.datasets.other_files import way_out

PREFIX = "folder:"
_BRACKETS = re.compile(r"\s*\((\s*\w+\s*=[^()]*)\)$")
_KEYS = {"train": "train", "val": "val", "validation": "val", "split": "split"}
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


def _behind_prefix(text: str) -> str:
    """Return what follows `folder:`, without the quotes, the space or the second `folder:` that a form may get."""
    path = text.strip()
    while path[: len(PREFIX)].lower() == PREFIX:
        path = path[len(PREFIX) :].strip()
        if len(path) > 1 and path[0] == path[-1] and path[0] in "\"'":
            path = path[1:-1]
    return path


def check_text(text: str, label: str) -> str:
    """Return the text in its own spelling; nothing is opened. RequestError (naming `label`)."""
    if not _behind_prefix(text):
        raise RequestError(f"{label}: 'folder:' needs a path, as in folder:pictures/flowers")
    try:
        split_of(text)
    except RequestError as error:
        raise RequestError(f"{label}: {error.message.partition(': ')[2]}", hint=error.hint) from None
    return PREFIX + _behind_prefix(text)


def _brackets(text: str) -> re.Match[str] | None:
    """Return the brackets behind a path; None where they are part of the name of a folder that is there."""
    behind = _behind_prefix(text)
    found = _BRACKETS.search(behind)
    return None if found is None or os.path.isdir(os.path.expanduser(behind)) else found


def brackets_of(text: str) -> str:
    """Return the brackets behind the path: "(train=A, val=B)"; "" without."""
    found = _brackets(text)
    return f"({found[1].strip()})" if found else ""


def as_typed(path: object) -> str:
    """Return how a folder is typed, ready for a shell."""
    return shlex.quote(f"{PREFIX}{path}")


def split_of(text: str) -> dict[str, str]:
    """Return what the brackets say of the halves: {"train": "A", "val": "B"}, {"split": "none"} or {}. RequestError."""
    found = _brackets(text)
    said: dict[str, str] = {}
    for part in found[1].split(",") if found else []:
        word, _, value = (piece.strip() for piece in part.partition("="))
        key = _KEYS.get(word.lower(), "")
        if not key or not value or (key == "split" and value.lower() != "none"):
            raise RequestError(
                f"data: {part.strip()!r} is not understood; allowed behind a folder: (train=A, val=B) or (split=none)"
            )
        said[key] = value.lower() if key == "split" else value
    if "split" in said and len(said) > 1:
        raise RequestError("data: split=none has no halves beside it; allowed: (train=A, val=B) or (split=none)")
    return said


def path_of(text: str) -> Path:
    """Return the folder's path, `~` resolved; in the spelling (composed or not) in which it is there."""
    behind = _behind_prefix(text)
    path = Path(behind if _brackets(text) is None else _BRACKETS.sub("", behind))
    try:
        path = path.expanduser()
    except RuntimeError:  # ~name, of a user whom this machine does not know
        return path
    if not str(path).isascii() and not os.path.lexists(path):
        for form in ("NFC", "NFD"):
            other = Path(unicodedata.normalize(form, str(path)))
            if os.path.lexists(other):
                return other
    return path


# ------------------------------------------------------------------ slips


def check_folder(path: Path) -> None:
    """RequestError, with what may be meant, where there is no such folder."""
    hint = "folder:PATH holds one subfolder a class"
    if path.is_dir():
        if os.path.abspath(path) == os.sep:  # to list it takes minutes
            raise RequestError(f"data: the folder {str(path)!r} is the whole machine", hint=hint)
        return
    if os.path.islink(path) and not path.exists():
        raise RequestError(f"data: the folder {str(path)!r} is a link to {os.readlink(path)!r}, which does not exist")
    if path.exists():
        raise RequestError(f"data: {_file(path)}", hint=hint)
    raise RequestError(f"data: the folder {str(path)!r} does not exist{_nearest(path)}", hint=hint)


def _file(path: Path) -> str:
    """Say that a path is a file, and what may be meant."""
    if path.name.lower().endswith(_ARCHIVES) and not way_out([ending(path.name)]):
        return f"{str(path)!r} is a file, not a folder; unpack it first{_how_to_unpack(path)}"
    if is_image(path.name):
        above = path.parent.parent if images_in(str(path.parent)) and path.parent != path.parent.parent else path.parent
        return f"{str(path)!r} is a file, not a folder; did you mean {as_typed(above)}?"
    return f"{str(path)!r} is a file, not a folder{way_out([ending(path.name)], '; ')}"


def _how_to_unpack(path: Path, into: str = "") -> str:
    known = "unzip -d" if path.suffix.lower() == ".zip" else "tar -C" if ".t" in path.name.lower() else ""
    program, _, option = known.partition(" ")
    program += " -xf" if program == "tar" else ""
    place = f" {option} {shlex.quote(into)}" if into else ""
    return f": `{program} {shlex.quote(str(path))}{place}`" if known else ""


def packed(where: str) -> str:
    """Say how the first archive in a folder is unpacked there; "" without one."""
    found = [name for name in names_in(where) if name.lower().endswith(_ARCHIVES) and not way_out([ending(name)])]
    return f"unpack {found[0]!r} first{_how_to_unpack(Path(where, found[0]), where)}" if found else ""


def _nearest(path: Path) -> str:
    """Name the folder that may be meant: with variables put in, backslashes away, or a name that is close."""
    text = str(path)
    for other in (os.path.expandvars(text), text.replace("\\ ", " "), text[text.find("~") :] if "/~" in text else text):
        if other != text and os.path.isdir(os.path.expanduser(other)):
            return f"; did you mean {as_typed(other)}?"
    if any(sign in path.name for sign in "*?") and path.parent.is_dir():
        return f"; a folder is wanted, no pattern: did you mean {as_typed(path.parent)}?"
    there = path
    while not there.parent.is_dir() and there != there.parent:
        there = there.parent
    names = [name for name in names_in(str(there.parent)) if os.path.isdir(os.path.join(there.parent, name))]
    same = [name for name in names if composed(name).casefold() == composed(there.name).casefold()]
    close = same[0] if same else nearest(there.name, names).partition("'")[2].rpartition("'")[0]
    return f"; did you mean {as_typed(there.parent / close)}?" if close else ""


def without_prefix(text: str) -> str:
    """Say what is wrong with a text of no known source that may be a path; "" where it looks like none."""
    text = text.strip().rstrip(":")  # a form's field for a callable ends in one
    word, colon, behind = text.partition(":")
    for path in (text, behind.strip() if colon and word.isalpha() else ""):
        if not path:
            continue
        there = path_of(PREFIX + path)
        try:
            if there.is_dir():
                line = as_typed(path.rstrip("/") or path)
                return f"{text!r} is a folder; a folder of images is written {line}"
            if there.exists():
                return _file(there)
        except (OSError, ValueError):
            return ""
    if ("/" in text or text.startswith("~")) and not (colon and word.isidentifier()):
        there = path_of(PREFIX + text)
        return f"{text!r} does not exist{_nearest(there)}; a folder of images is written folder:PATH"
    return ""
