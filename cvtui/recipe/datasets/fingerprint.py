"""Fingerprint of the data that a checkpoint was trained on, and whether it is the same now."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cvtui.errors import RequestError
from cvtui.recipe.datasets.class_names import composed

NAMED = 4
"""Classes that an error names; the others it counts."""


def fingerprint(
    classes: Sequence[str],
    train: Sequence[int],
    validation: Sequence[int],
    folder: Path | None = None,
    files: tuple[Iterable[str], Iterable[str]] = ((), ()),
    scale: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Return plain values for a checkpoint that tell whether the data are the same.

    Class names in order; images of each class, to train on and to validate on. For a folder also where it lies, and a
    hash over the relative names and sizes of either part's `files`. scale: (black, white, …) of images with more than 8
    bits a value.
    """
    found: dict[str, Any] = {
        "classes": list(classes),
        "train": sum(train),
        "validation": sum(validation),
        "train_counts": ",".join(map(str, train)),
        "validation_counts": ",".join(map(str, validation)),
        "scale": _scale(scale),
    }
    if folder is not None:
        found["folder"] = str(folder)
        for part, paths in zip(("train", "validation"), files, strict=True):
            found[f"{part}_files"] = hash_of(folder, paths)
    return found


def _scale(scale: Sequence[float] | None) -> str:
    return f"{scale[0]:,.15g} is black, {scale[1]:,.15g} is white" if scale is not None else "8 bits"


def hash_of(folder: Path, paths: Iterable[str]) -> str:
    """Over names below `folder` and sizes in bytes: no file is opened (5 µs each)."""
    digest = hashlib.blake2b(digest_size=16)
    base = os.path.join(folder, "")
    for path in sorted(paths):
        try:
            size = os.stat(path).st_size
        except OSError:
            size = -1
        name = path[len(base) :] if path.startswith(base) else os.path.relpath(path, folder)  # relpath takes 12 µs
        digest.update(os.fsencode(f"{composed(name)}\0{size}\n"))
    return digest.hexdigest()


def hash_of_labels(names: Iterable[str], labels: Iterable[int]) -> str:
    """Return a hash over the last parts of the names and their labels, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for name, label in zip(names, labels, strict=True):
        digest.update(os.fsencode(f"{os.path.basename(name)}\0{label}\n"))
    return digest.hexdigest()


def same_classes(before: Sequence[str], now: Sequence[str], run: Path) -> None:
    """RequestError where the classes are others, or in another order: an output of the net is a class."""
    before, now = ([composed(name) for name in names] for names in (before, now))  # a Mac may have spelt them apart
    if before == now:
        return
    gone, new = ([name for name in one if name not in other] for one, other in ((before, now), (now, before)))
    parts = [f"new: {_some(new)}" if new else "", f"gone: {_some(gone)}" if gone else ""]
    what = "; ".join(filter(None, parts)) or f"in another order: {_some(now)}; before: {_some(before)}"
    raise RequestError(
        f"data: {run.name!r} was trained on {len(before):,} classes, the data has {len(now):,} ({what}); each output "
        "of its net stands for one of them",
        hint=f"bring them back, or `cvtui {shlex.quote(str(run / 'recipe.toml'))}` begins a new run on those there are",
    )


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe how data changed since the checkpoint, a line each; the classes are the same."""
    told = []
    if before.get("folder") and before["folder"] != now.get("folder"):
        told.append(f"the images are read from {_text(now.get('folder', '')) or 'no folder'}; before: "
                    f"{_text(before['folder'])}")  # fmt: skip
    for part, words, means in (
        ("train", "images to train on", ""),
        ("validation", "validation images", ": accuracies before and after are not of the same images"),
    ):
        old, new = before.get(part), now.get(part)
        if old != new:
            told.append(f"{words}: {old:,} → {new:,}{means}")
        elif before.get(f"{part}_counts") != now.get(f"{part}_counts"):
            told.append(f"{words}: as many as before, but not of the same classes{means}")
        elif before.get(f"{part}_files") != now.get(f"{part}_files"):
            told.append(f"{words}: as many as before, but not the same files{means}")
    if "scale" in before and before["scale"] != now.get("scale"):
        change = f"{_text(before['scale'])} → {_text(now.get('scale', ''))}"
        told.append(f"the images are on another scale ({change}): to the net they are others")
    return told


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(_text, names[:NAMED]))
    return shown + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")


def _text(name: object) -> str:
    text = str(name)
    return text if text.isprintable() else ascii(text)
