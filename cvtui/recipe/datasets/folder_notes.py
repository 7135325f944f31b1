"""What is told of a folder of images: what is left out and why, and where a class would vanish."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from cvtui.recipe.datasets import class_names
from cvtui.recipe.datasets.asked_folder import Layout, named
from cvtui.recipe.datasets.image_files import (
    MADE_HERE,
    NOT_READ,
    PLUGINS,
    FoundFiles,
    found_files,
    images_in,
    package_for,
)


def images() -> str:
    """Say which endings images have."""
    return "images end in .jpg, .jpeg, .png, .webp, .bmp, .gif, .tif, .ppm, .avif, .jp2 and the like"


def unread(empty: Mapping[str, FoundFiles]) -> tuple[str, str]:
    """Say which class would vanish, since its pictures can't be read here."""
    for name, found in empty.items():
        if any(suffix in PLUGINS or suffix in NOT_READ for suffix in found.others):
            way_out = package_for(found.others) or "convert them"
            return (
                f"data: the class {class_names.shown(name)} has no image that can be read: {found_files(found.others)}",
                f"{way_out}; or --only with the other classes",
            )
    return "", ""


def without_images(empty: Mapping[str, FoundFiles]) -> list[str]:
    """Name the subfolders that are no classes, since they hold no images."""
    if not empty:
        return []
    shown = []
    for name, found in empty.items():
        words = found_files(found.others) or (f"only {found.skipped[0]}" if found.skipped else "empty")
        shown.append(f"{class_names.shown(name)} ({words})")
    return [f"no class, since there are no images in it: {named(shown)}"]


def same_folders(train: Mapping[str, Sequence[str]], held: Mapping[str, Sequence[str]]) -> list[str]:
    """Tell of classes that are one real folder, by links, and of those of validation that are the training's."""
    real: dict[str, str] = {}
    notes = []
    for name, places in train.items():
        for place in map(os.path.realpath, places):
            if place in real:
                both = f"{class_names.shown(real[place])} and {class_names.shown(name)}"
                notes.append(f"{both} are one folder, by a link: its images are in both classes")
            real.setdefault(place, name)
    again = [name for name, places in held.items() if any(os.path.realpath(place) in real for place in places)]
    if again:
        notes.append(f"validation's {named(again)} are folders of the training, by a link: it validates on what it "
                     "has learnt")  # fmt: skip
    return notes


def more_notes(layout: Layout, names: Sequence[str], found: Mapping[str, FoundFiles], passed: FoundFiles) -> list[str]:
    """Return what is to be told of classes that look alike, and of files that are passed over."""
    notes = class_names.alike(names)
    for root in dict.fromkeys((*layout.train, *layout.validation)):
        if loose := images_in(root):
            s, lie = ("s", "lie") if len(loose) > 1 else ("", "lies")
            where = os.path.basename(root)
            notes.append(f"{len(loose):,} image{s} {lie} in {where}/ itself, in no class folder: not used")
    if passed.passed_over():
        notes.append(passed.passed_over())
    if passed.skipped:
        notes.append(f"folders passed over: {named(sorted(set(passed.skipped)))}")
    if passed.closed:
        notes.append(f"folders that can't be read: {named(passed.closed)}")
    for name in names:
        if all(MADE_HERE.fullmatch(os.path.basename(path)) for path in found[name].images):
            notes.append(f"the images of {class_names.shown(name)} are all pictures that runs of cvtui made")
    return notes
