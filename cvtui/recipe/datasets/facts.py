"""What is known of a recipe's data before a process starts: its kind, its classes and its counts after selection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from cvtui.errors import RequestError
from cvtui.recipe.choices.spec import find
from cvtui.recipe.datasets.catalog import DATA
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.selection import kept_classes, training_counts
from cvtui.recipe.datasets.toy_sets import CLASS_RANGE, parse_toy, toy_facts
from cvtui.recipe.recipe import Recipe

DATA_FIELDS = ("data", "data_dir", "size", "val_share", "only", "limit", "imbalance")
"""The fields that the facts depend on."""

Kind = Literal["named", "toy", "folder", "callable"]


def kind_of(text: str) -> Kind:
    """Which reader a data text belongs to."""
    text = text.strip()
    if text.lower().startswith("folder:"):
        return "folder"
    if ":" in text:
        return "callable"
    return "toy" if text.lower().partition("(")[0] in CLASS_RANGE else "named"


def folder_of(text: str) -> Path | None:
    """The folder that a data text names, `~` resolved; None for data that lie in no folder of images."""
    if kind_of(text) != "folder":
        return None
    path = Path(text.strip().partition(":")[2])
    try:
        return path.expanduser()
    except RuntimeError:  # ~somebody, of whom this machine does not know
        return path


def check_source(text: str, label: str) -> str:
    """The text in its own spelling. RequestError for a name that is not known; paths and callables are looked at in
    `facts`."""
    kind = kind_of(text)
    if kind == "folder":
        path = text.strip().partition(":")[2]
        if not path:
            raise RequestError(f"{label}: 'folder:' needs a path, as in folder:pictures/flowers")
        return "folder:" + path
    if kind == "callable":
        module, _, name = text.strip().partition(":")
        if not all(part.isidentifier() for part in module.split(".")) or not name.isidentifier():
            raise RequestError(
                f"{label}: {text.strip()!r} is neither folder:PATH nor package.module:callable",
                hint="a folder of images is written folder:PATH",
            )
        return text.strip()
    if kind == "toy":
        name, classes = parse_toy(text, label)
        return name if classes == CLASS_RANGE[name][0] else f"{name}({classes})"
    return find(text, DATA, label, besides=("folder:PATH", "package.module:callable")).name


def source_facts(recipe: Recipe) -> DataFacts:
    """Of the whole set, before anything is selected. RequestError where it is not there."""
    folder = folder_of(recipe.data)
    if folder is not None:
        from cvtui.recipe.datasets.image_folder import folder_facts

        return folder_facts(folder, recipe.size, recipe.val_share)
    match kind_of(recipe.data):
        case "callable":
            from cvtui.recipe.datasets.user_dataset import callable_facts

            return callable_facts(recipe.data, recipe.size, recipe.val_share)
        case "toy":
            return toy_facts(recipe.data)
        case _:
            return DATA[recipe.data]


def facts(recipe: Recipe) -> DataFacts:
    """Of the images that the run will see: after `only`, `limit` and `imbalance`. RequestError names the field."""
    return selected(source_facts(recipe), recipe)


def selected(found: DataFacts, recipe: Recipe) -> DataFacts:
    """`found` less what the recipe leaves out."""
    if not recipe.only and not recipe.limit and recipe.imbalance == 1.0:
        return found
    kept = kept_classes(recipe.only, found.classes)
    counts = training_counts([found.counts()[index] for index in kept], recipe.limit, recipe.imbalance)
    held_out = [found.held_out()[index] for index in kept]
    return replace(
        found,
        classes=tuple(found.classes[index] for index in kept),
        train=sum(counts),
        validation=sum(held_out),
        train_counts=tuple(counts),
        validation_counts=tuple(held_out),
    )
