"""A file of the user's that is there whole, or as it was before."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; it becomes `path` when all went well, else nothing is left of it.

    A link stays one. What is no regular file (/dev/stdout, a pipe) is written to itself. An OSError names `path`.
    """
    try:
        if path.exists() and not path.is_file():
            yield path
            return
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
        try:
            yield beside
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def move(source: Path, place: Path) -> None:
    """Rename a file, or copy it whole to another disk and remove it; a link leads where it led. OSError: as it was."""
    if source.is_symlink():
        place.symlink_to(source.parent.absolute() / os.readlink(source))
        source.unlink()
        return
    try:
        os.rename(source, place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with written(place) as beside:
            shutil.copy2(source, beside)
        source.unlink()
