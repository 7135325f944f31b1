"""Load a dataset returned by a user's function: `package.module:callable`.

What draws random numbers, or doesn't fit into the memory, is read anew in every epoch (live.py); all else is read once.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch

from cvtui.engine.data.image_folder import ReadingProgress
from cvtui.engine.data.images import Images, OnProgress, Part, Split
from cvtui.engine.data.labels import class_names, number_labels, some
from cvtui.engine.data.live import LiveImages, Source
from cvtui.engine.data.names import NamePair, Names, names_of, numbered
from cvtui.engine.data.random_state import Generators, preserved
from cvtui.engine.data.selection import relabelled
from cvtui.engine.data.user_items import Format, Summary, format_of
from cvtui.engine.data.user_pass import Pass
from cvtui.engine.data.user_source import called, datasets_of
from cvtui.engine.runtime.seeds import SELECTION, generator
from cvtui.errors import RequestError
from cvtui.recipe.datasets.data_facts import parse_size
from cvtui.recipe.datasets.label_sets import LabelSets, counts_of, held_out
from cvtui.recipe.free_memory import free_memory
from cvtui.recipe.recipe import Recipe

MEMORY_SHARE = 0.25
"""Of the memory that is free: sets that would take more of it are read anew in every epoch."""


def read(recipe: Recipe, on_progress: OnProgress | None = None) -> Split:
    """Read what the recipe's callable returns. RequestError as in `read_callable`."""
    fields = recipe.data, recipe.size.lower(), recipe.val_share, recipe.seed
    return read_callable(*fields, recipe.bits, recipe.cache == "on", progress=ReadingProgress(on_progress))


@lru_cache(maxsize=2)
def read_callable(
    text: str,
    size: str,
    val_share: float,
    seed: int,
    bits: int = 0,
    cache: bool = False,
    facts_only: bool = False,
    progress: ReadingProgress | None = None,
) -> Split:
    """Call it and read every item. RequestError, naming module and attribute, for whatever is wrong with it.

    It returns a Dataset, or a pair of them (training, validation); an item is a pair of an image (user_items.py) and a
    label (labels.py). Images of different sizes are brought to the recipe's `size`; those of one size keep theirs where
    none is given. cache: items are read once and kept, whatever they draw. facts_only: no pixels are kept.
    """
    with preserved():
        Generators(None).seed(0)  # what the function draws is the same in every process
        found = datasets_of(called(text), text)
        sources = [Source(one, text, number, Generators(one), seed, []) for number, one in enumerate(found)]
        room = 0.0 if facts_only else MEMORY_SHARE * free_memory() / len(sources)
        sides = parse_size(size) if size else None
        passes = [Pass(source, sides, room, cache, progress) for source in sources]
        names = [class_names(source.items, text) for source in sources]
    labelled = number_labels([source.labels for source in sources], names, text)
    shape, notes = _format(passes, size, bits, text)
    parts = [one.part(shape, labels) for one, labels in zip(passes, labelled.parts, strict=True)]
    notes = (*labelled.notes, *notes, *_live_notes(passes))
    if len(parts) == 2:
        split = _pair(parts, sources)
    else:
        split = _divided(parts[0], sources[0], val_share, labelled.classes, labelled.label_sets)
    depth = None if shape.dtype == torch.float32 else shape.depth
    return split._replace(
        notes=(*notes, *split.notes), classes=labelled.classes, depth=depth, label_sets=labelled.label_sets
    )


def _format(passes: Sequence[Pass], size: str, bits: int, text: str) -> tuple[Format, tuple[str, ...]]:
    """Choose the one format of both parts."""
    summary = Summary()
    for one in passes:
        summary.merge(one.summary)
    sides = {shape[:2] for shape in summary.shapes}
    wanted = parse_size(size) if size or len(sides) > 1 else None
    return format_of(summary, wanted, bits, text)


def _live_notes(passes: Sequence[Pass]) -> list[str]:
    """Say what is read anew in every epoch, and why; or that it is not, where it could be."""
    notes = []
    for one in passes:
        part = "validation" if one.source.part else "training"
        if one.live and one.unknown:
            notes.append(
                f"{part} items change from reading to reading without a generator that can be seeded: a resumed run "
                "may not see the same images"
            )
        elif one.live and one.draws:
            when = "each time alike" if one.source.part else "anew in every epoch; --cache draws them once"
            notes.append(f"{part} items draw random numbers: they are read {when}")
        elif one.live:
            notes.append(f"the {part} images don't fit into the memory at once: they are read anew in every epoch")
        elif one.draws or one.unknown:
            notes.append(f"{part} items draw random numbers, once: they are kept as they were read (--cache)")
    return notes


def _pair(parts: Sequence[Images | LiveImages], sources: Sequence[Source]) -> Split:
    train, validation = parts
    counted = numbered(train.size, validation.size)
    known = [names_of(source.items, part.size) for source, part in zip(sources, parts, strict=True)]
    return Split(train, validation, named=NamePair(known[0] or counted.train, known[1] or counted.validation))


def _divided(part: Part, source: Source, share: float, classes: Sequence[str], sets: LabelSets) -> Split:
    """Divide one Dataset: `share` of each class for validation, drawn from the seed."""
    if sets:
        names = names_of(source.items, part.size) or Names(("item ", ""), range(part.size))
        chosen = sorted(held_out(part.labels.tolist(), sets, range(part.size), share, source.seed))
        return _halves(part, torch.tensor(chosen, dtype=torch.int64), names, ())
    random = generator(source.seed, SELECTION, 1)
    held, single = [], []
    for label in torch.unique(part.labels).tolist():
        places = (part.labels == label).nonzero().flatten()
        count = min(len(places) - 1, max(1, round(len(places) * share)))
        held.append(places[torch.randperm(len(places), generator=random)[:count]])
        if not count:
            single.append(classes[label])
    places = torch.cat(held)
    if not len(places):
        raise RequestError(
            f"data: {source.text} has one image of each of its {len(held):,} classes; two are the least (one to "
            "validate)"
        )
    notes = (f"classes without a validation image, since they have one: {some(single)}",) if single else ()
    return _halves(part, places, names_of(source.items, part.size) or Names(("item ", ""), range(part.size)), notes)


def _halves(part: Part, held: torch.Tensor, names: Names, notes: tuple[str, ...]) -> Split:
    """Part the images at the places `held`, which are for validation, from the others."""
    mask = torch.zeros(part.size, dtype=torch.bool)
    mask[held] = True
    halves = (~mask).nonzero().flatten(), mask.nonzero().flatten()
    train, validation = (relabelled(part, places, part.labels[places]) for places in halves)
    return Split(train, validation, notes, named=NamePair(*(names.chosen(places) for places in halves)))


def tell_facts(text: str, size: str, val_share: float, seed: int = 0, cache: bool = False) -> int:
    """`python -m cvtui.engine --facts`: one JSON line on stdout, the facts or the error; the exit code."""
    stdout = sys.stdout
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the callable prints is no fact
            split = read_callable(text, size, val_share, seed, cache=cache, facts_only=True)
        train, validation = split[:2]
        assert isinstance(train, LiveImages)  # no pixels were kept
        classes = split.classes
        found: dict[str, Any] = {
            "size": list(train.shape.shape),
            "classes": classes,
            "train": train.size,
            "validation": validation.size,
            "train_counts": counts_of(train.labels.tolist(), split.label_sets, len(classes)),
            "validation_counts": counts_of(validation.labels.tolist(), split.label_sets, len(classes)),
            "label_sets": split.label_sets,
        }
    except RequestError as error:
        found = {"error": error.message, "hint": error.hint}
    print(json.dumps(found), file=stdout, flush=True)
    return 0
