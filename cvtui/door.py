"""File access to a run folder, which may come from anyone: regular files inside the folder only.

A pipe would make its reader wait for ever, a device may do anything, and a link would put a file from elsewhere
into a report, or let a write destroy it. So every open here is O_NOFOLLOW | O_NONBLOCK and checked (fstat) before a
byte is read or written, and neither the file nor the folder below the run folder that it lies in may be a link. The run
folder itself may be one: that is its owner's way to keep runs on another disk. Everything refused is an OSError whose
`strerror` says what it is.

What is made is never writable for others, whatever the umask: anyone who can write commands.jsonl steers the run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path, PurePath
from typing import IO

SUBFOLDERS = ("checkpoints", "pictures", "ranks")
"""The folders that a run folder has in it; whatever else has a parent of another name lies in the run folder itself."""
MOST = 1 << 20
"""Bytes that `read` takes, where nothing else is said: notes, recipes and the like are far smaller."""
FILE_MODE, FOLDER_MODE = 0o644, 0o755

_FLAGS = 0
for _name in ("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_BY_FOLDER = os.open in os.supports_dir_fd and bool(_NO_FOLLOW)  # not on Windows


# ---------------------------------------------------------------------- opening


def descriptor(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a file of a run folder like `os.open`; with O_TRUNC it is emptied after it was checked."""
    return _open(*_split(path), flags, path)


def opened(path: Path, mode: str = "rb") -> IO[bytes]:
    """Open a file of a run folder as a file object: rb, wb (emptied) or ab."""
    flags = {
        "rb": os.O_RDONLY,
        "wb": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
        "ab": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    }[mode]
    return os.fdopen(descriptor(path, flags), mode)


def read(path: Path, most: int = MOST) -> bytes:
    """Read the whole file. OSError (EFBIG) where it is longer than `most` bytes."""
    return _all_of(opened(path), path, most)


def text(path: Path, most: int = MOST) -> str:
    """Read the whole file as UTF-8; invalid bytes become U+FFFD."""
    return read(path, most).decode("utf-8", "replace")


def read_inside(root: Path, place: str, most: int) -> bytes:
    """Read a file of the run folder `root` at a path that a record names, however deep."""
    parts = PurePath(place).parts
    if not parts or PurePath(place).is_absolute() or ".." in parts:
        raise OSError(errno.EACCES, "it leads out of the run folder", place)
    return _all_of(os.fdopen(_open(root, parts, os.O_RDONLY, root / place), "rb"), root / place, most)


def opened_input(path: Path | str) -> BufferedReader:
    """Open a file that the user names, such as a recipe: links are followed, pipes and devices refused."""
    try:
        file = os.open(path, os.O_RDONLY | _FLAGS)
    except OSError as error:
        raise _explained(error, Path(path)) from None
    return os.fdopen(_looked_at(file, Path(path)), "rb")


def read_input(path: Path | str, most: int) -> bytes:
    """Read such a file. OSError (EFBIG) where it is longer than `most` bytes."""
    return _all_of(opened_input(path), Path(path), most)


def write(path: Path, data: bytes) -> None:
    """Write a small file of a run folder, in place."""
    with opened(path, "wb") as file:
        file.write(data)


@contextlib.contextmanager
def filling(folder: Path) -> Iterator[Callable[[str, bytes], None]]:
    """Yield what writes a small file of this name into a folder of a run folder, which is made where it isn't there.

    It is held open meanwhile: of many files each takes a third of the system calls that `write` would.
    """
    make_folder(folder)
    with _parent(folder.parent, (folder.name, ""), folder) as (held, _):

        def put(name: str, data: bytes) -> None:
            path = folder / name
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with os.fdopen(_opened_in(held, name if held is not None else path, flags, path), "wb", 0) as file:
                written = file.write(data)
                if written != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

        yield put


# ---------------------------------------------------------------------- looking


def state(path: Path) -> os.stat_result | None:
    """Return the stat of a regular file of a run folder; None without (a link counts as none)."""
    try:
        with _parent(*_split(path), path) as (folder, name):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (OSError, ValueError):
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def is_file(path: Path) -> bool:
    return state(path) is not None


def names(folder: Path, ending: str) -> list[str]:
    """Return the regular files of a folder of a run, by name; [] without one, or a link in its place."""
    try:
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            return []
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.name.endswith(ending) and e.is_file(follow_symlinks=False))
    except OSError:
        return []


# ---------------------------------------------------------------------- changing


def make_folder(path: Path) -> None:
    """Make a folder inside a run folder, where it isn't there. OSError where something else has its name."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, FOLDER_MODE)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise OSError(errno.ENOTDIR, f"it is {_kind(found.st_mode)}, no folder", str(path))


def remove(path: Path) -> None:
    """Remove a name (of a link the link itself); nothing where there is none."""
    with contextlib.suppress(FileNotFoundError), _parent(*_split(path), path) as (folder, name):
        os.unlink(name, dir_fd=folder)


def replace(source: Path, target: Path) -> None:
    """Rename a file within its folder; what had the name, a link too, is gone."""
    with _parent(*_split(source), source) as (folder, name):
        os.replace(
            name if folder is not None else source, target.name if folder is not None else target,
            src_dir_fd=folder, dst_dir_fd=folder,
        )  # fmt: skip


def link(source: Path, target: Path) -> None:
    """Hard-link a regular file, within its folder."""
    if not is_file(source):
        raise OSError(errno.ENOENT, "there is no such regular file", str(source))
    with _parent(*_split(source), source) as (folder, name):
        if folder is None:
            os.link(source, target)
        else:
            os.link(name, target.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)


def copy(source: Path, target: Path) -> None:
    """Copy a file of a run folder, perhaps into another one, down to the disk."""
    with opened(source) as read_from, opened(target, "wb") as written:
        shutil.copyfileobj(read_from, written, 1 << 20)
        written.flush()
        os.fsync(written.fileno())


def sync_folder(path: Path) -> None:
    """Sync a folder, so that a rename outlives a power cut; not every system can open a folder."""
    try:
        handle = os.open(path, os.O_RDONLY | _NO_FOLLOW | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


# ---------------------------------------------------------------------- how


def _split(path: Path) -> tuple[Path, tuple[str, ...]]:
    """Split a path into the run folder and the parts below it."""
    if path.parent.name in SUBFOLDERS:
        return path.parent.parent, (path.parent.name, path.name)
    return path.parent, (path.name,)


@contextlib.contextmanager
def _parent(root: Path, parts: tuple[str, ...], path: Path) -> Iterator[tuple[int | None, str | Path]]:
    """Yield (open folder of the last part, its name there), with no link on the way.

    (None, path) where that can't be held open: then it was checked, at least.
    """
    if len(parts) == 1:  # the run folder itself may be reached by links
        yield None, root / parts[0]
        return
    if not _BY_FOLDER:
        for depth in range(1, len(parts)):
            below = root.joinpath(*parts[:depth])
            if not stat.S_ISDIR(os.lstat(below).st_mode):
                raise OSError(errno.ENOTDIR, "it is no folder", str(below))
        yield None, path
        return
    here = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            try:
                below_it = os.open(part, _FOLDER | _NO_FOLLOW, dir_fd=here)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise OSError(error.errno, f"{part} is a link or no folder", str(path)) from None
                raise
            os.close(here)
            here = below_it
        yield here, parts[-1]
    finally:
        os.close(here)


def _open(root: Path, parts: tuple[str, ...], flags: int, path: Path) -> int:
    with _parent(root, parts, path) as (folder, name):
        return _opened_in(folder, name, flags, path)


def _opened_in(folder: int | None, name: str | Path, flags: int, path: Path) -> int:
    """Open a file by its name in an open folder, or by its path."""
    wanted = (flags & ~os.O_TRUNC) | _FLAGS | _NO_FOLLOW
    if not _NO_FOLLOW and os.path.islink(name):
        raise OSError(errno.ELOOP, "it is a link, which is not followed", str(path))
    try:
        file = os.open(name, wanted, FILE_MODE, dir_fd=folder)
    except OSError as error:
        raise _explained(error, path) from None
    return _looked_at(file, path, empty=bool(flags & os.O_TRUNC))


def _looked_at(file: int, path: Path, *, empty: bool = False) -> int:
    """Return the open file where it is a regular one, emptied where that is asked; close it otherwise."""
    found = os.fstat(file)
    mode = found.st_mode
    if stat.S_ISREG(mode):
        if empty and found.st_size:
            os.ftruncate(file, 0)
        return file
    os.close(file)
    number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
    raise OSError(number, f"it is {_kind(mode)}, no regular file", str(path))


def _explained(error: OSError, path: Path) -> OSError:
    """Reword "too many levels of symbolic links" and "no such device or address" to say what it is."""
    words = {errno.ELOOP: "it is a link, which is not followed", errno.ENXIO: "it is a pipe or socket, no regular file"}
    known = words.get(error.errno or 0)
    return OSError(error.errno, known, str(path)) if known else error


def _kind(mode: int) -> str:
    kinds = (
        (stat.S_ISDIR, "a directory"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISLNK, "a link"), (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
    )  # fmt: skip
    return next((words for test, words in kinds if test(mode)), "something else")


def _all_of(file: IO[bytes], path: Path, most: int) -> bytes:
    with file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is longer than {most:,} bytes", str(path))
    return data
