"""What is known of a recipe's data before a process starts: its classes and its counts after selection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cvtui.recipe.datasets.catalog import find_source, source_of
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.selection import check_sets, kept_classes, lacking, training_counts
from cvtui.recipe.recipe import Recipe

DATA_FIELDS = ("data", "data_dir", "size", "val_share", "only", "limit", "imbalance", "label_noise", "loss")
"""The fields that the facts depend on."""


def folder_of(text: str) -> Path | None:
    """Return the folder of images that a data text names (`~` resolved), or None."""
    source = find_source(text)
    return None if source is None else source.folder(text)


def place_of(text: str) -> Path | None:
    """Return the folder or file that a data text names (`~` resolved), or None."""
    source = find_source(text)
    return None if source is None else source.place(text)


def source_facts(recipe: Recipe) -> DataFacts:
    """Return the facts of the whole set, before any selection. RequestError where it is not there."""
    return source_of(recipe.data).facts(recipe)


def facts(recipe: Recipe) -> DataFacts:
    """Return the facts of the images that the run will see: after `only`, `limit` and `imbalance`. RequestError."""
    return selected(source_facts(recipe), recipe)


def selected(whole: DataFacts, recipe: Recipe) -> DataFacts:
    """Return the facts of the part that the recipe selects."""
    if whole.label_sets:
        return _selected_sets(whole, recipe)
    if not recipe.only and not recipe.limit and recipe.imbalance == 1.0:
        return replace(whole, notes=(*whole.notes, *lacking(whole.classes, whole.held_out())))
    kept = kept_classes(recipe.only, whole.classes)
    counts = training_counts([whole.counts()[index] for index in kept], recipe.limit, recipe.imbalance)
    held_out = [whole.held_out()[index] for index in kept]
    classes = tuple(whole.classes[index] for index in kept)
    return replace(
        whole,
        classes=classes,
        notes=(*whole.notes, *lacking(classes, held_out)),
        train=sum(counts),
        validation=sum(held_out),
        train_counts=tuple(counts),
        validation_counts=tuple(held_out),
    )


def _selected_sets(whole: DataFacts, recipe: Recipe) -> DataFacts:
    """Return the facts of pictures in several classes, of which `limit` alone can take some. RequestError."""
    check_sets(recipe.only, recipe.imbalance, recipe.label_noise)
    train = min(recipe.limit or whole.train, whole.train)
    counts = tuple(round(count * train / whole.train) for count in whole.train_counts)
    notes = (*whole.notes, *lacking(whole.classes, whole.held_out()))
    return replace(whole, train=train, train_counts=counts, notes=notes)
