"""Image files below a folder: which names are images, what lies beside them, and which folders are no classes."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec

from cvtui.errors import RequestError
from cvtui.recipe.datasets.folder_listing import stamp_of

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".pnm", ".tga", ".avif", ".jp2", ".j2k", ".jpx",
)  # fmt: skip
"""Endings that Pillow reads by itself (of a GIF or TIFF with several, the first picture)."""
PLUGINS = {
    ".heic": ("pillow_heif", "heic"), ".heif": ("pillow_heif", "heic"), ".hif": ("pillow_heif", "heic"),
    ".jxl": ("pillow_jxl", "jxl"),
}  # fmt: skip
"""Endings that Pillow reads with a plugin: (module, extra of cvtui)."""
NOT_READ = (
    ".arw", ".cr2", ".cr3", ".dcm", ".dng", ".emf", ".exr", ".hdr", ".nef", ".nii", ".nii.gz", ".npy", ".npz", ".orf",
    ".psd", ".raf", ".raw", ".rw2", ".svg", ".xcf",
)  # fmt: skip
"""Endings of pictures that nothing here reads."""
JUNK = frozenset((
    "@eadir", "__macosx", "__pycache__", "thumbnails", "_thumbnails", "_thumbs", "$recycle.bin", "#recycle", "@recycle",
    "#snapshot", "@tmp", "lost+found", "system volume information", "node_modules",
))  # fmt: skip
"""Folders (in small letters) that systems and other programs put beside images: no classes, and not looked into."""
MASK = re.compile(r"(.+)[ _-](?:mask|masks|segmentation|seg|gt|groundtruth)(?:[ _-]?\d+)?", re.IGNORECASE | re.DOTALL)
"""Names of masks, as far as the ending; the first group is the picture's."""
MASK_WORD = re.compile(r"[ _-](?:mask|seg|gt|groundtruth)", re.IGNORECASE)
"""In every name that MASK fits: a tenth of its time."""
MADE_HERE = re.compile(r"(samples|mistakes|filters-of-.+|feature-maps-of-.+|validation-image.*)-\d{6,}\.png")
"""Names of the pictures that a run writes (cvtui/engine/observe/image_writer.py)."""
RUN_FILES = frozenset(("recipe.toml", "lab.toml", "commands.jsonl", "worker.note", "checkpoints", "pictures"))


def is_run_folder(names: Iterable[str]) -> bool:
    """Return True for the contents of a folder of a run or a lab of cvtui."""
    there = set(names)
    return "events.jsonl" in there and bool(there & RUN_FILES)


def _may_be_run(folder: str) -> bool:
    """Return True where its names have to be asked: a set of 10,000 of them takes a tenth of the listing."""
    return os.path.lexists(os.path.join(folder, "events.jsonl"))


@lru_cache
def has_plugin(suffix: str) -> bool:
    """Return True if the plugin that reads files with this ending is installed."""
    module = PLUGINS[suffix][0]
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def ending(name: str) -> str:
    """Return what a file's name ends in, in small letters: ".tif"; "" without."""
    end = os.path.splitext(name)[1].lower()
    return ".nii.gz" if end == ".gz" and name.lower().endswith(".nii.gz") else end


def is_image(name: str) -> bool:
    """Return True if a file's name says that it is an image that can be read here."""
    stem, _, end = name.rpartition(".")  # a third of what splitext takes, and ".png" has no ending
    return bool(stem.lstrip(".")) and _is_read("." + end)


def _is_read(suffix: str) -> bool:
    if suffix in SUFFIXES:
        return True
    suffix = suffix.lower()
    return suffix in SUFFIXES or (suffix in PLUGINS and has_plugin(suffix))


@dataclass
class FoundFiles:
    """What lies below some folders."""

    images: list[str] = field(default_factory=list)
    """Paths, sorted."""
    others: Counter[str] = field(default_factory=Counter)
    """Files that are no images by their names: how many of each ending."""
    hidden: int = 0
    """Files whose names begin with a dot."""
    special: int = 0
    """Pipes, devices, sockets."""
    broken: int = 0
    """Links that lead nowhere, or back to a folder above them."""
    doubled: int = 0
    """Links to images of the same class, which count once."""
    masks: list[str] = field(default_factory=list)
    """Paths of masks beside their pictures: `a_mask.png` beside `a.png`."""
    closed: list[str] = field(default_factory=list)
    """Folders that can't be read."""
    skipped: list[str] = field(default_factory=list)
    """Folders of other programs, and of runs."""
    folders: list[tuple[str, int]] = field(default_factory=list)
    """Those that were looked into, with the time of their last change before that."""

    def add(self, other: FoundFiles) -> None:
        """Count what another holds too, but for its images."""
        self.others.update(other.others)
        for name in ("hidden", "special", "broken", "doubled"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.masks += other.masks
        self.closed += other.closed
        self.skipped += other.skipped
        self.folders += other.folders

    def count(self) -> int:
        """Count the files that are not used."""
        return self.others.total() + self.hidden + self.special + self.broken + self.doubled + len(self.masks)

    def passed_over(self) -> str:
        """Say which files are not used, and why; "" where there are none."""
        parts = list(of_endings(self.others))
        parts += [f"{self.hidden:,} hidden"] if self.hidden else []
        parts += [f"{self.special:,} that {_s(self.special, 'is no file', 'are no files')}"] if self.special else []
        parts += [f"{self.broken:,} {_s(self.broken, 'link')} to nowhere or in a circle"] if self.broken else []
        parts += [f"{self.doubled:,} {_s(self.doubled, 'link')} to images of the same class"] if self.doubled else []
        if masks := len(self.masks):
            named = os.path.basename(self.masks[0])
            parts.append(f"{masks:,} {_s(masks, 'mask')} beside {_s(masks, 'its picture', 'their pictures')} ({named})")
        count = self.count()
        return f"passed over {count:,} {_s(count, 'file')}: {', '.join(parts)}" if parts else ""


def _s(count: int, one: str, many: str = "") -> str:
    return one if count == 1 else many or one + "s"


def of_endings(others: Counter[str], most: int = 4) -> list[str]:
    """Name counted endings, the most frequent first: ["24 that end in .tif", "1 without an ending"]."""
    parts = [
        f"{count:,} that {_s(count, 'ends', 'end')} in {suffix}" if suffix else f"{count:,} without an ending"
        for suffix, count in sorted(others.items(), key=lambda one: (-one[1], one[0]))
    ]
    return [*parts[:most], f"{len(parts) - most:,} other endings"] if len(parts) > most + 1 else parts


def found_files(others: Counter[str]) -> str:
    """Say what was found where no image is: "found 24 files that end in .tif"; "" for nothing."""
    first, *more = of_endings(others) or [""]
    number, _, rest = first.partition(" ")
    files = "file" if number == "1" else "files"
    return f"found {', '.join([f'{number} {files} {rest}', *more])}" if first else ""


def package_for(others: Counter[str]) -> str:
    """Say which package reads the pictures among these files; "" where none is needed or known."""
    wanted = sorted({PLUGINS[suffix][1] for suffix in others if suffix in PLUGINS})
    return f"`pip install 'cvtui[{','.join(wanted)}]'` reads them" if wanted else ""


def subfolders(path: str) -> tuple[list[str], list[str]]:
    """Return the names of a folder's subfolders (links to folders too), sorted; and of those that can't be classes.

    Hidden ones, those of other programs, run folders, and links to a folder above can't. RequestError where the folder
    can't be read.
    """
    names, left_out = [], []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if not _is_folder(entry):
                    continue
                if entry.name.startswith(".") or entry.name.lower() in JUNK or leads_up(entry.path):
                    left_out.append(entry.name)
                elif os.path.exists(os.path.join(entry.path, "events.jsonl")) and is_run_folder(names_in(entry.path)):
                    left_out.append(f"{entry.name} (a run of cvtui)")
                else:
                    names.append(entry.name)
    except OSError as error:
        raise RequestError(f"data: {path!r} can't be read: {error.strerror}") from None
    return sorted(names), sorted(left_out)


def names_in(path: str) -> list[str]:
    """Return the names in a folder; none where it can't be read."""
    try:
        return os.listdir(path)
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def real_path(path: str) -> str:
    """Return a path without links, or as it is where one vanishes meanwhile (Python 3.12 and newer raise there)."""
    try:
        return os.path.realpath(path)
    except OSError:
        return os.path.abspath(path)


def leads_up(path: str) -> bool:
    """Return True for a link to its own folder or one above it: following it would never end."""
    if not os.path.islink(path):
        return False
    above = real_path(os.path.dirname(path))
    return (above + os.sep).startswith(real_path(path).rstrip(os.sep) + os.sep)


def images_below(folders: Iterable[str]) -> FoundFiles:
    """List the image files below the folders of one class, at any depth.

    Links to files and folders are followed, as torchvision's ImageFolder does. But each real file counts once, and a
    link to a folder above ends nothing (ImageFolder counts what is below it 41 times).
    """
    found = FoundFiles()
    seen_folders: set[str] = set()
    seen_files: dict[str, str] = {}
    waiting = list(folders)[::-1]
    while waiting:
        folder = waiting.pop()
        real = real_path(folder)
        if real in seen_folders:
            continue
        seen_folders.add(real)
        below = []
        found.folders.append(stamp_of(folder))
        try:
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            found.closed.append(folder)
            continue
        if _may_be_run(folder) and is_run_folder(entry.name for entry in inside):
            found.skipped.append(f"{os.path.basename(folder)} (a run of cvtui)")
            continue
        base = os.path.join(real, "")
        for entry in inside:
            if _is_folder(entry):
                if entry.name.lower() in JUNK:
                    found.skipped.append(entry.name)
                elif leads_up(entry.path):
                    found.broken += 1
                elif not entry.name.startswith("."):
                    below.append(entry.path)
            else:
                _count(entry, base, found, seen_files)
        waiting += below[::-1]
    found.images, found.masks = _without_masks(sorted(seen_files.values()))
    return found


def _without_masks(paths: list[str]) -> tuple[list[str], list[str]]:
    """Part pictures from masks that lie beside theirs: `a_mask.png` beside `a.png`, by their names."""
    suspects = {path: found[1] for path in paths
                if MASK_WORD.search(path) and (found := MASK.fullmatch(os.path.splitext(path)[0]))}  # fmt: skip
    if not suspects:
        return paths, []
    stems = {os.path.splitext(path)[0] for path in paths}
    masks = {path for path, of in suspects.items() if of in stems}
    return [path for path in paths if path not in masks], sorted(masks)


def _count(entry: os.DirEntry[str], base: str, found: FoundFiles, seen: dict[str, str]) -> None:
    """Count one entry that is no folder: into `seen` (real path -> path) where it is an image.

    base: the real path of its folder, with a separator at its end.
    """
    if entry.name.startswith("."):
        found.hidden += 1
        return
    link = entry.is_symlink()
    try:
        regular = entry.is_file()
        gone = link and not os.path.exists(entry.path)
    except OSError:
        regular, gone = False, True
    if gone:
        found.broken += 1
    elif not regular:  # a pipe would make its reader wait for ever
        found.special += 1
    elif not is_image(entry.name):
        found.others[ending(entry.name)] += 1
    else:
        true = real_path(entry.path) if link else base + entry.name
        if true in seen:
            found.doubled += 1
        if true not in seen or not link:
            seen[true] = entry.path


def holds_images(path: str) -> bool:
    """Return True if an image lies below a folder; no further file is looked for."""
    seen: set[str] = set()
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        real = real_path(folder)
        if real in seen:
            continue
        seen.add(real)
        if _may_be_run(folder) and is_run_folder(names_in(folder)):
            continue
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name.lower() in JUNK:
                        continue
                    if _is_folder(entry):
                        if not leads_up(entry.path):
                            waiting.append(entry.path)
                    elif is_image(entry.name):
                        return True
        except OSError:
            continue
    return False


def images_in(path: str) -> list[str]:
    """Return the names of the images that lie in a folder itself, sorted."""
    return sorted(
        name
        for name in names_in(path)
        if not name.startswith(".") and is_image(name) and os.path.isfile(os.path.join(path, name))
    )
