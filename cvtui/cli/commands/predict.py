"""`cvtui predict`: what a trained model says of image files."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from cvtui.cli import out
from cvtui.cli.exit import EXIT_FAILED, say
from cvtui.cli.progress_bar import progress_bar
from cvtui.cli.recipe_options import check_device
from cvtui.cli.records import told_records
from cvtui.cli.run_argument import RunName, runs_option
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.runlog.predictions import Ask, Loaded, Predicted, Told, Unread

WIDE = 10_000


@click.command(name="predict", short_help="What a trained model says of image files.")
@click.argument("run", type=RunName(), metavar="RUN|FILE")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE…")
@runs_option()
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="Classes shown for each image."
)
@click.option("--checkpoint", default="", metavar="best|last|PATH", help="last, epoch-0010 …; by default the best.")
@click.option("--device", default="", metavar="NAME", help="auto, cpu, cuda …; by default the run's, else the CPU.")
@click.option("--csv", "as_csv", is_flag=True, help="A table with commas.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per image and line.")
def predict(
    run: str, images: tuple[str, ...], runs: Path, top: int, checkpoint: str, device: str, as_csv: bool, as_json: bool
) -> int:
    """Predict the class of each IMAGE: files, folders, quoted patterns ('*.jpg'), or - for names on stdin, one a line.

    A run on pictures in several classes (loss bce) names all with a probability above 50 %, and shows the --top
    likeliest with theirs.

    RUN is a run's name or folder; FILE an exported .safetensors or .onnx file, or a checkpoint. Images are prepared as
    the run's own validation images were. What can't be read is named on stderr and left out; the exit code is then 1.
    """
    from cvtui.recipe.datasets.named_images import named_images
    from cvtui.runlog.predictions import Ask

    if as_csv and as_json:
        raise RequestError("predict: --csv and --json exclude each other")
    model = model_path(run, runs, checkpoint)
    check_device(device)
    ask = Ask(model=model, checkpoint=checkpoint, device=device, top=top)
    printer = _Json() if as_json else _Csv(top) if as_csv else _Table()
    unread = 0
    with tempfile.TemporaryFile() as names:
        count = _write_names(names, ask, named_images(_texts(images)))
        printer.alone = count == 1
        with printer, answers(names, count, bar=printer.quiet_until_end or not sys.stdout.isatty()) as told:
            for one in told:
                unread += printer.take(one)
    if unread and count > 1:
        say(f"{unread:,} of {count:,} images could not be read")
    return EXIT_FAILED if unread else 0


def _texts(images: tuple[str, ...]) -> Iterator[str]:
    """Yield what was named, `-` replaced by the lines of stdin."""
    for text in images:
        if text != "-":
            yield text
            continue
        for line in sys.stdin.buffer:
            if name := line.rstrip(b"\r\n"):
                yield os.fsdecode(name)


def model_path(run: str, runs: Path, checkpoint: str = "") -> str:
    """Return the path of the run's folder or of the exported file; what is not there is said before torch is loaded."""
    from cvtui.cli.run_argument import find_run
    from cvtui.export.loader_script import script_path
    from cvtui.runlog.fork import checkpoint_file
    from cvtui.runlog.predictions import EXPORTED

    path = Path(run).expanduser()
    if path.suffix.lower() in (*EXPORTED, ".pt") and not path.is_dir():
        if not path.is_file():
            raise RequestError(f"{run!r} does not exist")
        return str(path.absolute())
    if path.is_file() and path.suffix.lower() == ".pt2":
        raise RequestError(
            f"{run!r} is a program of torch.export; predict takes a run, .safetensors, .onnx or a checkpoint (.pt)",
            hint=f"python {script_path(path, 'pt2').name} IMAGE…, the file beside it, predicts with it",
        )
    if path.is_file() and path.name != "recipe.toml":
        raise RequestError(f"{run!r} is neither a run nor an exported file; allowed: a run, .safetensors, .onnx, .pt")
    folder = find_run(run, runs)
    if checkpoint and Path(checkpoint).suffix == ".pt" and Path(checkpoint).is_file():
        return str(folder.path)
    checkpoint_file(folder, checkpoint)
    return str(folder.path)


def _write_names(file: IO[bytes], ask: Ask, paths: Iterator[str]) -> int:
    """Write the request into the file that is the process's stdin; return the number of images."""
    from cvtui.runlog.predictions import request

    file.write(request(ask))
    count = 0
    for path in paths:
        file.write(os.fsencode(path) + b"\0")
        count += 1
    if not count:
        raise RequestError("predict: no image was named on stdin")
    file.flush()
    file.seek(0)
    return count


@contextmanager
def answers(names: IO[bytes], count: int, *, bar: bool) -> Iterator[Iterator[Told]]:
    """Predict in a process of its own; yield what it tells. RequestError for what it refuses."""
    from cvtui.runlog.predictions import Loaded, decode, predict_command

    with (
        progress_bar("predicting", shown=bar) as show,
        told_records("predict", predict_command(), decode, names) as records,
    ):

        def told() -> Iterator[Told]:
            done = 0
            for one in records:
                if not isinstance(one, Loaded):
                    done += 1
                show(done, count)
                yield one

        yield told()


# ------------------------------------------------------------------ what is printed


class _Printer:
    """Prints the answers as they come, or at the end."""

    quiet_until_end = False
    alone = False
    """One image was named: one line says why it can't be read."""

    def __enter__(self) -> _Printer:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to print."""

    def take(self, one: Told) -> int:
        """Print an answer; return 1 for an image that could not be read."""
        from cvtui.runlog.predictions import Loaded, Unread

        if isinstance(one, Loaded):
            self.begin(one)
        elif isinstance(one, Unread):
            self.unread(one)
            return 1
        else:
            self.predicted(one)
        return 0

    def begin(self, about: Loaded) -> None:
        for note in about.notes:
            out.line(f"note: {note}", err=True)

    def predicted(self, one: Predicted) -> None:
        raise NotImplementedError

    def unread(self, one: Unread) -> None:
        if self.alone:
            say(f"{one.image}: {one.why}")
        else:
            out.line(f"{one.image}: {one.why}", err=True)


class _Json(_Printer):
    def predicted(self, one: Predicted) -> None:

        top = [{"class": name, "probability": share} for name, share in one.top]
        first: dict[str, object] = {"class": one.top[0][0], "probability": one.top[0][1]}
        if one.classes is not None:
            first = {"classes": one.classes}
        out.json_line({"image": one.image, **first, "top": top})


class _Csv(_Printer):
    def __init__(self, top: int) -> None:
        self._top = top
        self._writer = out.csv_writer()

    def begin(self, about: Loaded) -> None:
        super().begin(about)
        self._top = min(self._top, len(about.classes))
        more = [f"{word}_{place}" for place in range(2, self._top + 1) for word in ("class", "probability")]
        sets = ["classes"] if about.several else []
        self._writer.writerow(["image", *sets, "class", "probability", *more])

    def predicted(self, one: Predicted) -> None:
        cells = [cell for name, share in one.top for cell in (name, "" if share is None else share)]
        sets = [] if one.classes is None else [";".join(one.classes)]
        self._writer.writerow([one.image, *sets, *cells])


class _Table(_Printer):
    quiet_until_end = True

    def __init__(self) -> None:
        self._about: Loaded | None = None
        self._rows: list[Predicted] = []
        self._unread: list[Unread] = []

    def begin(self, about: Loaded) -> None:
        self._about = about

    def predicted(self, one: Predicted) -> None:
        self._rows.append(one)

    def unread(self, one: Unread) -> None:
        self._unread.append(one)

    def __exit__(self, *_: object) -> None:
        if self._about is None or sys.exc_info()[0] is not None:
            return
        if self.alone and self._unread:
            super().unread(self._unread[0])
            return
        super().begin(self._about)
        mean = ", running mean of the weights" if self._about.ema else ""
        warm = f", temperature {self._about.temperature:.3g}" if self._about.temperature != 1 else ""
        several = "; several classes an image: those with a probability above 50 %" if self._about.several else ""
        out.line(f"{self._about.checkpoint}, epoch {self._about.epoch}{mean}{warm}{several}")
        if self._rows and self._about.several:
            _print_sets(self._rows)
        elif self._rows:
            _print_table(self._rows)
        for one in self._unread:
            super().unread(one)


def _print_sets(rows: list[Predicted]) -> None:
    """Print the classes that each image is in, then the likeliest classes with their probabilities."""
    from rich.table import Table

    from cvtui.recipe.datasets.label_sets import words_of
    from cvtui.text import harmless, percent

    console = out.console()
    if not console.is_terminal:
        console.width = WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title, style in (("image", ""), ("classes", ""), ("probabilities", "dim")):
        table.add_column(title, overflow="fold", style=style)
    for one in rows:
        shares = ", ".join(f"{name} {percent(share)}" for name, share in one.top)
        table.add_row(harmless(one.image), harmless(words_of(one.classes or ())), harmless(shares))
    console.print(table)


def _print_table(rows: list[Predicted]) -> None:
    from rich.table import Table

    from cvtui.draw.bars import filled_bar
    from cvtui.text import harmless, percent

    console = out.console()
    if not console.is_terminal:
        console.width = WIDE  # a pipe has no width: nothing is cut there
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("image", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("then", overflow="fold", style="dim")
    for one in rows:
        (name, share), *others = one.top
        more = ", ".join(f"{other} {percent(value)}" for other, value in others)
        bar = filled_bar(share or 0.0, 10)
        table.add_row(harmless(one.image), harmless(name), percent(share), bar, harmless(more))
    console.print(table)
