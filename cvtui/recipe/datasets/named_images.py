"""Image files that a user names: files, folders, patterns, and paths as a terminal or a file manager pastes them."""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

from cvtui.errors import RequestError
from cvtui.recipe.datasets.image_files import found_files, images_below


def pasted_path(text: str) -> str:
    """Return the path that a pasted text means: without quotes, `file://`, or backslashes before blanks.

    A file of that very name comes first.
    """
    text = text.strip("\r\n")
    if os.path.lexists(text):
        return text
    path = text.strip()
    if len(path) > 1 and path[0] == path[-1] and path[0] in "\"'":
        path = path[1:-1]
    if path.lower().startswith("file://"):
        path = unquote(urlsplit(path.replace("#", "%23").replace("?", "%3F")).path)
    path = os.path.expanduser(path)
    if os.path.lexists(path) or "\\" not in path:
        return path
    try:
        words = shlex.split(path)
    except ValueError:
        return path
    return words[0] if len(words) == 1 else path


def named_images(texts: Iterable[str]) -> Iterator[str]:
    """Yield the files that are meant, in their order: a folder's images sorted, a pattern's matches sorted.

    A name without a file is yielded as it is: opening it says so. RequestError for a folder without images.
    """
    for text in texts:
        path = pasted_path(text)
        if os.path.isdir(path):
            yield from _of_folder(path)
        elif not os.path.lexists(path) and glob.has_magic(path):
            yield from _of_pattern(path)
        else:
            yield path


def _of_folder(path: str) -> list[str]:
    found = images_below([path])
    if not found.images:
        there = found_files(found.others)
        raise RequestError(f"{path!r} holds no images{'; ' + there if there else ''}")
    return found.images


def _of_pattern(path: str) -> Iterator[str]:
    matches = sorted(glob.glob(path, recursive=True))
    if not matches:
        raise RequestError(f"no file matches {path!r}")
    for match in matches:
        if os.path.isdir(match):
            yield from images_below([match]).images
        else:
            yield match
