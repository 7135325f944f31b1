"""`cvtui data`: the sets that can be trained on, where they lie, what is in them; and fetching them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from cvtui.calc.table import size_text
from cvtui.cli import out
from cvtui.cli.text_param import TextParam
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.engine.data.formats.download import Archive, Tell
    from cvtui.engine.data.images import Split
    from cvtui.recipe.datasets.data_facts import DataFacts
    from cvtui.recipe.datasets.locate import LocatedSet
    from cvtui.recipe.datasets.source import State
    from cvtui.recipe.recipe import Recipe

WIDE = 10_000
CHECKED_AT_ONCE = 1024
"""Images that are looked at for NaN at once."""


class SetName(TextParam):
    """A set's name; the shell completes it."""

    name = "set"

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        from cvtui.recipe.datasets.catalog import DATA

        return [CompletionItem(name, help=DATA[name].summary) for name in DATA if name.startswith(incomplete.lower())]


@click.command("data")
@click.argument("name", required=False, type=SetName(), metavar="[NAME]")
@click.option("--download", is_flag=True, help="Fetch the set where it is missing or damaged.")
@click.option("--data-dir", default="", metavar="DIR", help="Where fetched sets lie; by default in the cache folder.")
@click.option("--size", default="", metavar="SIDE", help="Of the images: 64, or 48x96, as in training.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per set and line.")
def data(name: str | None, download: bool, data_dir: str, size: str, as_json: bool) -> int:
    """List the data sets: size, classes, images, and where they lie.

    With NAME (of a set, or folder:PATH, csv:PATH …): what is known of it, the images of each class, and mean and
    standard deviation of the training pixels.
    """
    from cvtui.recipe.datasets.catalog import check_source
    from cvtui.recipe.fields import FIELDS

    if name is None:
        if download:
            raise RequestError("--download: which set?", hint="cvtui data NAME --download; `cvtui data` lists them")
        if size:
            raise RequestError("--size: of which set?", hint="cvtui data folder:PATH --size 64")
        _list(data_dir, as_json)
        return 0
    name = check_source(name, "NAME")
    if download:
        provide(name, data_dir, download=True, thorough=True)
    FIELDS["size"].check(size)
    return _show(name, data_dir, size, as_json)


def provide(
    name: str, data_dir: str, *, download: bool, thorough: bool = False, found_at: list[Archive] | None = None
) -> None:
    """Check that the set is there; with `download`, fetch what is missing or damaged.

    Nothing is asked of sets that need no download. `thorough`: damaged is also what has another checksum than the
    published one. RequestError.
    """
    from cvtui.recipe.datasets.locate import altered, locate, missing, unsound
    from cvtui.recipe.datasets.torchvision_files import STORAGE

    if name not in STORAGE:
        return
    found = locate(name, data_dir)
    if not download:
        if found is None:
            raise RequestError(f"data: {missing(name, data_dir)}")
        return
    if found is not None and not unsound(name, found) and not (thorough and altered(name, found)[1]):
        return
    from cvtui.engine.data.formats.download import fetch

    with _bar() as tell:
        folder = fetch(name, data_dir, tell, found_at)
    _say(f"{name} lies in {str(folder)!r}")


def provide_weights(recipe: Recipe, *, download: bool) -> None:
    """Check that the recipe's weights are there; with `download`, fetch a library's own. RequestError."""
    from cvtui.recipe.net_target import parse_target
    from cvtui.runlog.weights_file import find_weights

    if recipe.weights == "default":
        from cvtui.engine.nn.weights_library import default_weights

        default_weights(parse_target(recipe.net), download=download)
    elif recipe.weights:
        find_weights(recipe.weights)


def need(recipe: Recipe, *, weights: bool = True) -> None:
    """Check before anything starts that the recipe's set and weights are there and its net fits into the memory.

    RequestError says how to get the set. weights: False for what goes on from a checkpoint, which holds them.
    """
    from cvtui.recipe.memory_check import check_machine
    from cvtui.recipe.validation import check

    provide(recipe.data, recipe.data_dir, download=False)
    if weights:
        provide_weights(recipe, download=False)
    check_machine(check(recipe))


def tell_notes(notes: Iterable[str]) -> None:
    """Tell on stderr what is to be known of the data before a run: what is used and what is left out."""
    for note in dict.fromkeys(notes):
        _say(f"note: {note}")


@contextmanager
def _bar() -> Iterator[Tell]:
    """Show a download's progress on stderr: a bar on a terminal, else a line per file."""
    from cvtui.recipe.datasets.locate import in_bytes

    console = out.console(stderr=True)
    if not console.is_terminal:
        yield (
            lambda file, came, total: (
                _say(f"fetching {file}" + (f" ({in_bytes(total)})" if total else "")) if not came else None
            )
        )
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, Any] = {}

        def tell(file: str, came: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = progress.add_task(file)
            progress.update(tasks[file], completed=came, total=total or None)

        yield tell


def _say(text: str) -> None:

    out.line(text, err=True)


# ------------------------------------------------------------------ all sets


def _state(name: str, data_dir: str) -> tuple[str, State]:
    """Where a set lies, and "ready", "missing" or what is wrong with it."""
    from cvtui.recipe.datasets.catalog import source_of

    return source_of(name).where(name, data_dir)


def _list(data_dir: str, as_json: bool) -> None:
    from cvtui.recipe.datasets.catalog import DATA

    if as_json:
        for facts in DATA.values():
            out.json_line(_as_dict(facts, data_dir))
        return
    from rich.table import Table
    from rich.text import Text

    from cvtui.recipe.datasets.locate import data_folder
    from cvtui.text import harmless

    console = out.console()
    if not console.is_terminal:
        console.width = WIDE  # a pipe has no width: nothing is cut there
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("set", style="bold", no_wrap=True)
    for column in ("size", "classes", "train", "validation"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("where", overflow="fold")
    for facts in DATA.values():
        where, state = _state(facts.name, data_dir)
        counts = (f"{len(facts.classes):,}", f"{facts.train:,}", f"{facts.validation:,}")
        style = {"missing": "dim", "damaged": "red"}.get(state, "")
        table.add_row(facts.name, _sides(facts), *counts, Text(harmless(where), style))
    console.print(table)
    if any(_state(name, data_dir)[1] == "missing" for name in DATA):
        where = harmless(str(data_folder(data_dir)))
        console.print(Text(f"\nLooked in {where}; `cvtui data NAME --download` fetches a set.", "dim"))


def _sides(facts: DataFacts) -> str:
    return size_text(facts.size) if len(facts.size) > 1 else f"{facts.size[0]} features"


def _as_dict(facts: DataFacts, data_dir: str) -> dict[str, Any]:
    where, state = _state(facts.name, data_dir)
    return {
        "name": facts.name, "summary": facts.summary, "size": facts.size, "classes": facts.classes,
        "train": facts.train, "validation": facts.validation, "state": state, "where": where,
    }  # fmt: skip


# ------------------------------------------------------------------ one set


def _show(name: str, data_dir: str, size: str, as_json: bool) -> int:
    """Print everything about one set.

    What is known without its files is told first; RequestError where they are not there or damaged. A folder's images
    are opened before anything is told of them.
    """
    from cvtui.recipe.datasets.facts import source_facts
    from cvtui.recipe.datasets.locate import locate
    from cvtui.recipe.datasets.torchvision_files import STORAGE
    from cvtui.recipe.recipe import Recipe

    recipe = Recipe(data=name, data_dir=data_dir, size=size)
    facts = source_facts(recipe)
    found = locate(name, data_dir) if name in STORAGE else None
    if facts.opened and not as_json:
        for line in _head(facts, found):
            out.line(line)
    provide(name, data_dir, download=False)
    contents = _contents(recipe, len(facts.classes))
    if not facts.opened:  # now they are: what is told is what could be read
        facts = replace(facts, train=contents["train"], validation=contents["validation"], opened=True)
        if not as_json:
            for line in _head(facts, found):
                out.line(line)
    if as_json:
        out.json_line({**_as_dict(facts, data_dir), **contents})
        return 0
    for line in _body(facts, contents):
        out.line(line)
    return 0


def _head(facts: DataFacts, found: LocatedSet | None) -> Iterator[str]:
    from cvtui.text import harmless

    yield f"{harmless(facts.name)}: {harmless(facts.summary)}"
    yield f"  images       {facts.train:,} to train on, {facts.validation:,} for validation"
    yield f"  size         {_sides(facts)}, {len(facts.classes):,} classes"
    if found is not None:
        yield f"  lies in      {harmless(str(found.folder))}"
        yield f"  checksums    {_sums(facts.name, found)}"


def _sums(name: str, found: LocatedSet) -> str:
    from cvtui.recipe.datasets.locate import altered

    try:
        known, wrong = altered(name, found)
    except OSError as error:
        return f"can't be taken: {error.strerror or error}"
    if wrong:
        return f"not the published ones: {', '.join(wrong)}"
    return f"{known} of {len(found.files)} files have a published one, and it is theirs" if known else "none published"


def _contents(recipe: Recipe, classes: int) -> dict[str, Any]:
    """Count and measure the set in its files. RequestError."""
    import sys
    from contextlib import redirect_stdout

    from cvtui.engine.data.depth import unit_of
    from cvtui.engine.data.images import channel_stats
    from cvtui.engine.data.loading import load
    from cvtui.recipe.datasets.label_sets import counts_of
    from cvtui.text import encodable

    with redirect_stdout(sys.stderr):  # what a user's callable prints is no fact
        split = load(recipe)
    stats = channel_stats(split.train)
    counts = [counts_of(part.labels.tolist(), split.label_sets, classes) for part in (split.train, split.validation)]
    return {
        "train": split.train.size, "validation": split.validation.size,  # (pictures in several classes count in each)
        "train_counts": counts[0], "validation_counts": counts[1], "mean": stats.mean, "std": stats.std,
        "white": unit_of(split.train.part(0, 1).pixels.dtype), "notes": [*split.notes, *_not_finite(split)],
        "unreadable": [{"image": encodable(path), "why": why} for path, why in split.unreadable],
    }  # fmt: skip


def _not_finite(split: Split) -> list[str]:
    """Tell of images that hold NaN or infinity."""
    import torch

    from cvtui.text import encodable

    notes = []
    for part, names in ((split.train, split.names.train), (split.validation, split.names.validation)):
        wrong: list[int] = []
        at = 0
        for images in part.in_order(CHECKED_AT_ONCE):
            if not images.pixels.is_floating_point():
                break  # whole numbers are finite
            bad = ~torch.isfinite(images.pixels).flatten(1).all(1)
            wrong += (at + bad.nonzero().flatten()).tolist()
            at += images.size
        if wrong:
            which = "training" if part is split.train else "validation"
            shown = ", ".join(encodable(names[number]) for number in wrong[:3]) + (" …" if len(wrong) > 3 else "")
            hold = "image holds" if len(wrong) == 1 else "images hold"
            notes.append(f"{len(wrong):,} {which} {hold} NaN or infinity, which makes the loss NaN: {shown}")
    return notes


def _body(facts: DataFacts, contents: dict[str, Any]) -> Iterator[str]:
    from cvtui.text import harmless

    pictures, white = len(facts.size) == 3, contents["white"]
    for name, key in (("mean", "mean"), ("deviation", "std")):
        share = pictures and white > 1
        shown = [f"{value:.4g}" + (f" ({value / white:.4f})" if share else "") for value in contents[key][:16]]
        yield f"  {name:<12} {', '.join(shown)}"
    if pictures:
        more = " (and in 0..1)" if white > 1 else ""
        yield f"               of the training pixels, per channel, in 0..{white:.0f}{more}"
    for note in contents["notes"]:
        yield f"  note         {harmless(note)}"
    names = [harmless(name) for name in facts.classes]
    width = max(map(len, (*names, "class")))
    yield ""
    yield f"  {'class':<{width}}  {'train':>9}  {'validation':>10}"
    for name, train, held_out in zip(names, contents["train_counts"], contents["validation_counts"], strict=True):
        yield f"  {name:<{width}}  {train:>9,}  {held_out:>10,}"
