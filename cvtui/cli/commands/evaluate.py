"""`cvtui evaluate`: how good a trained model is, where it fails, and whether another is better."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cvtui.cli import out
from cvtui.cli.exit import EXIT_FAILED
from cvtui.cli.progress_bar import progress_bar
from cvtui.cli.recipe_options import check_device
from cvtui.cli.records import told_records
from cvtui.cli.run_argument import RunName, find_run, runs_option
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.runlog.evaluation import Comparison, EvaluateAsk, Evaluation
    from cvtui.runlog.folder import RunFolder

WIDE = 200
"""Of lines in a pipe, which has no width."""


@click.command(name="evaluate", short_help="How good a trained model is, and where it fails.")
@click.argument("run", type=RunName(), nargs=-1, metavar="[RUN [OTHER]]")
@runs_option()
@click.option("--data", default="", metavar="DATA", help="Other labelled images: a folder of class folders, csv:… …")
@click.option("--split", type=click.Choice(["test", "val"]), help="The test part, or (by default) that for validation.")
@click.option("--checkpoint", default="", metavar="NAME", help="last, epoch-0010 …; by default the best.")
@click.option("--tta", is_flag=True, help="Test-time augmentation: mean over views that the augmentation allows.")
@click.option("--calibrate", is_flag=True, help="Fit a temperature on the validation images and keep it with the run.")
@click.option("--device", default="", metavar="NAME", help="auto, cpu, cuda …; by default the run's.")
@click.option("--list", "listed", type=click.IntRange(0, 50), default=10, show_default=True, metavar="N",
              help="Worst and least certain images that are named.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object a run.")
def evaluate(
    run: tuple[str, ...],
    runs: Path,
    data: str,
    split: str | None,
    checkpoint: str,
    tta: bool,
    calibrate: bool,
    device: str,
    listed: int,
    as_json: bool,
) -> int:
    """Evaluate RUN (the newest by default) on its validation images; with OTHER compare both on the same images.

    Accuracy with its interval, scores of each class, ROC-AUC, calibration, confusion matrix, slices, worst images. The
    numbers are kept beside the run, for its screen and its report. Exit code 1 where images could not be read.
    """
    from cvtui.runlog.evaluation import Comparison, EvaluateAsk, Evaluation
    from cvtui.runlog.fork import checkpoint_file

    if len(run) > 2:
        raise RequestError("evaluate: one run, or two to compare")
    folders = [find_run(name, runs) for name in run] or [find_run(None, runs)]
    if len(folders) == 2 and folders[0] == folders[1]:
        raise RequestError(f"evaluate: {folders[0].name!r} is given twice; two different runs are compared")
    for folder in folders:
        checkpoint_file(folder, checkpoint)  # what is not there is said before torch is loaded
    check_device(device)
    ask = EvaluateAsk(
        run=str(folders[0].path), other=str(folders[1].path) if folders[1:] else "", checkpoint=checkpoint,
        data=data, split=split or "", tta=tta, calibrate=calibrate, device=device,
    )  # fmt: skip
    left_out = 0
    for told in evaluated(folders[0], ask):
        if as_json:
            out.json_line(told)
        elif isinstance(told, Evaluation):
            _print(told, listed)
        elif isinstance(told, Comparison):
            _print_comparison(told, listed)
        left_out += len(told.unread) if isinstance(told, Evaluation) else 0
    return EXIT_FAILED if left_out else 0


def evaluated(folder: RunFolder, ask: EvaluateAsk) -> list[Evaluation | Comparison]:
    """Evaluate in a process of its own, with a bar on a terminal. RequestError for what it refuses."""
    import msgspec

    from cvtui.runlog.evaluation import decode, evaluate_command
    from cvtui.runlog.mistakes import Progress

    found: list[Evaluation | Comparison] = []
    with tempfile.TemporaryFile() as asked, progress_bar("evaluating") as show:
        asked.write(msgspec.json.encode(ask) + b"\n")
        asked.flush()
        asked.seek(0)
        with told_records("evaluate", evaluate_command(folder), decode, asked) as records:
            for told in records:
                if isinstance(told, Progress):
                    show(told.done, told.of)
                else:
                    found.append(told)
    return found


def _print(found: Evaluation, listed: int) -> None:
    from cvtui.draw.evaluation_text import sections

    _write(lambda width: sections(found, width, listed))


def _print_comparison(found: Comparison, listed: int) -> None:
    from cvtui.draw.evaluation_text import comparison

    _write(lambda width: comparison(found, width, listed))


def _write(made: Callable[[int], Sequence[tuple[str, list[str]]]]) -> None:
    console = out.console()
    width = console.width if console.is_terminal else WIDE
    for number, (title, lines) in enumerate(made(width)):
        if number:
            out.line()
        console.print(title, style="bold", soft_wrap=True)
        for line in lines:
            out.line(line)
    out.line()
