"""Fetches a set from where torchvision knows it, checks it against its published checksum, and unpacks it.

torchvision has the addresses, the check and the unpacking. The transfer is our own, because its bar can't be taken off
and a transfer that breaks off leaves half a file under the whole one's name.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cvtui.errors import RequestError
from cvtui.recipe.datasets.locate import archive_folder, data_folder, in_bytes
from cvtui.recipe.datasets.torchvision_files import STORAGE, File

CHUNK = 1 << 18
PATIENCE_SECONDS = 30.0
"""Without a byte."""

Tell = Callable[[str, int, int], None]
"""Takes a file's name, the bytes that have come, and all of them (0: not known)."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive and where it comes from; the first address that works is taken."""

    file: File
    urls: Sequence[str]


def sources(name: str) -> list[Archive]:
    """Where torchvision fetches the set `name` from."""
    from torchvision import datasets as they

    files = STORAGE[name].archives
    match name:
        case "mnist" | "fashion-mnist" | "kmnist":
            base = {"mnist": they.MNIST, "fashion-mnist": they.FashionMNIST, "kmnist": they.KMNIST}[name]
            return [Archive(file, [mirror + file.name for mirror in base.mirrors]) for file in files]
        case "svhn":
            urls = {file: url for url, file, _ in they.SVHN.split_list.values()}
            return [Archive(file, [urls[file.name]]) for file in files]
        case _:
            one = {"emnist": they.EMNIST, "cifar10": they.CIFAR10, "cifar100": they.CIFAR100, "stl10": they.STL10}[name]
            return [Archive(files[0], [one.url])]


def fetch(name: str, data_dir: str, tell: Tell, found_at: Sequence[Archive] | None = None) -> Path:
    """Download what isn't there, and unpack it; return the folder.

    `found_at`: other addresses than torchvision's.

    An archive that is there already, and whole, is only unpacked. RequestError in one line where an archive
    can't be had, with what to do by hand.
    """
    from torchvision.datasets.utils import check_integrity

    folder = archive_folder(name, data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source in sources(name) if found_at is None else found_at:
            path = folder / source.file.name
            was_there = check_integrity(path, source.file.md5)
            if not was_there:
                _transfer(name, source, path, tell)
            unpack(name, path)
            if not was_there and path.name.endswith((".tar.gz", ".zip")):
                path.unlink()  # what came out of it has checksums of its own
    except OSError as error:
        raise RequestError(
            f"{name} can't be stored in {str(folder)!r}: {error.strerror or error}",
            hint="another place is chosen with --data-dir DIR",
        ) from error
    return data_folder(data_dir) / STORAGE[name].folders[0]


def _transfer(name: str, source: Archive, path: Path, tell: Tell) -> None:
    """Put the archive at `path`, whole or not at all. RequestError; OSError where it can't be written."""
    failures = []
    for url in source.urls:
        handle, part = tempfile.mkstemp(prefix=f".{source.file.name}-", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                failure = _from(url, file.fileno(), source.file, tell)
            failure = failure or _wrong(Path(part), source.file)
            if not failure:
                os.chmod(part, 0o666 & ~_umask())
                os.replace(part, path)
                return
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)
        failures.append(f"{urlsplit(url).netloc}: {failure}")
    size = f" ({in_bytes(source.file.bytes)})" if source.file.bytes else ""
    raise RequestError(
        f"{name}: {source.file.name}{size} can't be fetched; {'; '.join(failures)}",
        hint=f"where there is a network, get {source.urls[0]} and put it into {str(path.parent)!r}, then ask again",
    )


def _from(url: str, handle: int, file: File, tell: Tell) -> str:
    """Write what lies at `url` to the open file; return why it could not be had, or ""."""
    request = urllib.request.Request(url, headers={"User-Agent": "cvtui"})
    try:
        response = urllib.request.urlopen(request, timeout=PATIENCE_SECONDS)
    except urllib.error.HTTPError as error:
        return f"answers {error.code} {error.reason}"
    except (OSError, http.client.HTTPException) as error:
        return _in_words(error)
    with response:
        total, came = int(response.headers.get("Content-Length") or 0) or file.bytes, 0
        tell(file.name, 0, total)
        while True:
            try:
                chunk = response.read(CHUNK)
            except (OSError, http.client.HTTPException) as error:
                return f"broke off after {in_bytes(came)}: {_in_words(error)}"
            if not chunk:
                break
            os.write(handle, chunk)
            came += len(chunk)
            tell(file.name, came, total)
    return f"broke off after {in_bytes(came)} of {in_bytes(total)}" if came < total else ""


def _in_words(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"no answer within {PATIENCE_SECONDS:.0f} s"
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return f"no connection ({words})"


def _wrong(path: Path, file: File) -> str:
    from torchvision.datasets.utils import check_integrity

    return "" if check_integrity(path, file.md5) else f"what came is another file (its md5 is not {file.md5})"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def unpack(name: str, archive: Path) -> None:
    """Unpack the archive beside itself, as torchvision does, but each file at once and whole.

    RequestError where it can't be unpacked.
    """
    from torchvision.datasets.utils import extract_archive

    if archive.suffix == ".mat":
        return
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=archive.parent) as folder:
        there = Path(folder)
        try:
            extract_archive(str(archive), folder)
            if archive.suffix == ".zip":  # EMNIST: packed once more, beside five other splits
                for file in STORAGE[name].files:
                    extract_archive(str(there / "gzip" / f"{file.name}.gz"), folder)
                shutil.rmtree(there / "gzip")
        except (EOFError, RuntimeError, ValueError, shutil.ReadError) as error:
            raise RequestError(f"{name}: {str(archive)!r} can't be unpacked: {error}") from error
        for path in sorted(there.rglob("*")):
            if path.is_file():
                target = archive.parent / path.relative_to(there)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, target)
