"""Where the sets that are fetched once lie on this computer, and what to do where they don't."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cvtui import door
from cvtui.recipe.datasets.torchvision_files import STORAGE, File


@dataclass(frozen=True, slots=True)
class LocatedSet:
    """A set whose files are all there."""

    folder: Path
    files: tuple[Path, ...]
    """In the order of its `Storage.files`; those that end in .gz are packed."""


def data_folder(data_dir: str) -> Path:
    """Return the folder of all sets: `data_dir` itself, or for "" cvtui/data in the user's cache folder."""
    if data_dir:
        return Path(os.path.expanduser(data_dir))
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return Path(cache if os.path.isabs(cache) else os.path.expanduser("~/.cache")) / "cvtui" / "data"


def places(name: str, data_dir: str) -> list[Path]:
    """Return the folders where the files of the set `name` may lie, likeliest first.

    `data_dir` may also be one of them (…/MNIST/raw), or a folder on the way to it (…/MNIST).
    """
    root = data_folder(data_dir)
    found = [root / folder for folder in STORAGE[name].folders]
    own = root.absolute().parts
    for folder in STORAGE[name].folders:
        steps = Path(folder).parts
        found += [root.joinpath(*steps[k:]) for k in range(1, len(steps) + 1) if own[-k:] == steps[:k]]
    return list(dict.fromkeys(found))


def locate(name: str, data_dir: str) -> LocatedSet | None:
    """Return the first place that holds all files of the set, or None."""
    for folder in places(name, data_dir):
        files = [_lying(folder, file) for file in STORAGE[name].files]
        there = tuple(path for path in files if path is not None)
        if len(there) == len(files):
            return LocatedSet(folder, there)
    return None


def _lying(folder: Path, file: File) -> Path | None:
    packed = [file.name + ".gz"] if file.name.endswith("-ubyte") else []
    paths = (folder / name for name in (file.name, *packed))
    return next((path for path in paths if os.path.isfile(path)), None)


def missing(name: str, data_dir: str) -> str | None:
    """Say in one line what is missing of the set, where it was looked for, how to get it; or None.

    None also for a set that needs no download.
    """
    if name not in STORAGE or locate(name, data_dir) is not None:
        return None
    root, storage = data_folder(data_dir), STORAGE[name]
    if os.path.exists(root) and not os.path.isdir(root):
        return f"{name}: {str(root)!r} is a file, not a folder with data sets"
    absent = {
        folder: [file.name for file in storage.files if not _lying(folder, file)] for folder in places(name, data_dir)
    }
    folder, names = min(absent.items(), key=lambda item: len(item[1]))
    if len(names) == len(storage.files):
        below = ", ".join(dict.fromkeys(sub for sub in storage.folders if sub))
        what = f"{name} not found: looked in {str(root)!r}" + (f" (below it: {below})" if below else "")
    else:
        what = f"{name} is not complete: {str(folder)!r} lacks {', '.join(names)}"
    return f"{what}; {way_to_get(name, data_dir)}"


def way_to_get(name: str, data_dir: str) -> str:
    """Say what fetches the set `name`, and how much that is."""
    import shlex

    where = f" --data-dir {shlex.quote(data_dir)}" if data_dir else ""
    command = f"`cvtui data {name} --download{where}`"
    folder = archive_folder(name, data_dir)
    packed = [folder / archive.name for archive in STORAGE[name].archives if archive.name.endswith((".gz", ".zip"))]
    if packed and all(map(os.path.isfile, packed)):
        return f"its archive is there: {command} checks and unpacks it"
    return f"{command} fetches it ({in_bytes(STORAGE[name].download)})"


def archive_folder(name: str, data_dir: str) -> Path:
    """Where an archive of the set is put: where torchvision puts it."""
    root, storage = data_folder(data_dir), STORAGE[name]
    return root if storage.archives[0].name.endswith((".tar.gz", ".mat")) else root / storage.folders[0]


def unsound(name: str, found: LocatedSet) -> str:
    """Say what is wrong with a set's files at first glance (lengths, first bytes), in a few words; or ""."""
    for path, file in zip(found.files, STORAGE[name].files, strict=True):
        try:
            with door.opened_input(path) as opened:
                length = opened.seek(0, 2)
                opened.seek(0)
                head = opened.read(4)
                opened.seek(max(0, length - 1))
                last = opened.read(1)
        except OSError as error:
            return f"{path.name}: {error.strerror or error}"
        packed = path.suffix == ".gz"
        if file.bytes and not packed and length != file.bytes:
            return f"{path.name} has {length:,} bytes where {file.bytes:,} belong"
        wanted = b"\x1f\x8b" if packed else _BEGINNINGS.get(path.suffix or name, b"")
        if not head.startswith(wanted):
            return f"{path.name} does not begin as such a file does"
        if name.startswith("cifar") and last != b".":  # with which every pickle ends
            return f"{path.name} is cut off"
    return ""


_BEGINNINGS = {".mat": b"MATL", "cifar10": b"\x80\x02", "cifar100": b"\x80\x02"}


def altered(name: str, found: LocatedSet) -> tuple[int, list[str]]:
    """Count the files that have a published checksum, and name those that differ from theirs. OSError.

    (Of MNIST and its like only the packed ones have one.)
    """
    packed = {archive.name: archive.md5 for archive in STORAGE[name].archives}
    wanted = [
        (path, file.md5 or packed.get(path.name, ""))
        for path, file in zip(found.files, STORAGE[name].files, strict=True)
    ]
    known = [(path, md5) for path, md5 in wanted if md5]
    return len(known), [path.name for path, md5 in known if _md5(path) != md5]


def _md5(path: Path) -> str:
    import hashlib

    with door.opened_input(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def in_bytes(count: int) -> str:
    """Write "11.6 MB", in powers of 1,000 as download pages have it."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "bytes" or value >= 99.5 else f"{value:.1f} {unit}"
