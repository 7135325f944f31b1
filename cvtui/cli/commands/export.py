"""`cvtui export`: a run as files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cvtui.cli import out
from cvtui.cli.run_argument import RunName, RunPlaces, find_run, places_option
from cvtui.job_share import tell_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from cvtui.export.loader_script import NetText
    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.history import History
    from cvtui.runlog.model_metadata import ModelMetadata


FILE = click.Path(path_type=Path, dir_okay=False)
MODELS = ("onnx", "pt2", "torchscript")
WAYS = (
    "--html FILE, --svg FILE, --csv DIR, --tensorboard DIR, --safetensors FILE, --onnx FILE, --pt2 FILE, "
    "--torchscript FILE or --card FILE"
)


@click.command(name="export", short_help="A run as an HTML report, SVG, CSV, TensorBoard events; its model.")
@click.argument("run", type=RunName(), required=False)
@click.option("--html", type=click.Path(path_type=Path), help="One self-contained page with everything in it.")
@click.option("--svg", type=click.Path(path_type=Path), help="Loss, accuracy and learning rate as one picture.")
@click.option(
    "--csv", "csv_folder", type=click.Path(path_type=Path), metavar="DIR", help="steps, epochs and layers as tables."
)
@click.option(
    "--tensorboard", type=click.Path(path_type=Path), metavar="DIR", help="Events (needs cvtui[tensorboard])."
)
@click.option("--safetensors", type=click.Path(path_type=Path), metavar="FILE", help="The weights, of the best epoch.")
@click.option("--onnx", type=FILE, metavar="FILE", help="The model for onnxruntime and others (needs cvtui[onnx]).")
@click.option("--pt2", type=FILE, metavar="FILE", help="The model as a program of torch.export.")
@click.option("--torchscript", type=FILE, metavar="FILE", help="The model as TorchScript.")
@click.option("--with-preprocess", is_flag=True, help="With these three: pixels in, probabilities out.")
@click.option("--card", type=FILE, metavar="FILE", help="A model card: data, recipe, numbers, limits (Markdown).")
@click.option(
    "--checkpoint", default="", metavar="NAME", help="Of weights and card: last, best (default), epoch-0010 …"
)
@places_option()
def export(
    run: str | None,
    html: Path | None,
    svg: Path | None,
    csv_folder: Path | None,
    tensorboard: Path | None,
    safetensors: Path | None,
    onnx: Path | None,
    pt2: Path | None,
    torchscript: Path | None,
    with_preprocess: bool,
    card: Path | None,
    checkpoint: str,
    runs: RunPlaces,
) -> None:
    """Export RUN (a name or a folder; the newest by default): report, pictures, tables, weights, the model.

    --onnx, --pt2 and --torchscript are compared with PyTorch on 64 validation images and three hard pictures, and
    refused where they differ; a short Python file beside each, and beside --safetensors, loads it and predicts, without
    cvtui.
    """
    from cvtui import export as room
    from cvtui.errors import RequestError
    from cvtui.runlog.fork import checkpoint_file
    from cvtui.runlog.history import History

    models = {kind: path for kind, path in zip(MODELS, (onnx, pt2, torchscript), strict=True) if path}
    reports = [(html, room.write_html), (svg, room.write_svg), (csv_folder, room.write_csv),
               (tensorboard, room.write_tensorboard)]  # fmt: skip
    if not (safetensors or models or card or any(path for path, _ in reports)):
        raise RequestError("export: say what to write", hint=WAYS)
    if with_preprocess and not models:
        raise RequestError("--with-preprocess goes with --onnx, --pt2 or --torchscript")
    folder = find_run(run, runs)
    if safetensors or models or card:
        checkpoint_file(folder, checkpoint)  # what is not there is said before torch is loaded
    history = History(folder)
    history.poll()
    try:
        if safetensors:
            _write_safetensors(folder, safetensors, checkpoint)
        if models:
            _write_models(folder, checkpoint, models, with_preprocess)
        if card:
            out.line(room.write_model_card(history, card, checkpoint))
        for path, write in reports:
            for written in _written(write, history, path):
                out.line(written)
    except OSError as error:
        raise RequestError(f"export: can't write {str(error.filename)!r}: {error.strerror}") from None


def _written(write: Callable[[History, Path], Any], history: History, path: Path | None) -> list[Path]:
    """Write a report where it is asked for; return the files."""
    if path is None:
        return []
    try:
        found = write(history, path)
    except OSError as error:  # one of TensorBoard's writer names no file
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from error
    return found if isinstance(found, list) else [path]


def _write_safetensors(folder: RunFolder, path: Path, checkpoint: str) -> None:
    """Write the weights, and the Python file that rebuilds their net where that goes without the user's code."""
    from cvtui.engine.handover.net_source import NoSource, net_source
    from cvtui.engine.train.export_weights import write_safetensors
    from cvtui.runlog.model_metadata import told_left

    found = write_safetensors(folder, path, checkpoint)
    out.line(f"{path}  ({found.tensors} tensors of {found.about.checkpoint})")
    if left := told_left(found.about):
        out.line(left, err=True)
    try:
        net = net_source(found.about, found.weights)
    except NoSource as why:
        out.line(f"no Python file beside it: {why}", err=True)
        return
    _write_script("safetensors", path, found.about, net=net)


def _write_script(
    kind: str, path: Path, about: ModelMetadata, with_preprocess: bool = False, net: NetText | None = None
) -> None:
    """Write the Python file beside a model. RequestError where one that is not ours has its name."""
    from cvtui import export as room
    from cvtui.errors import RequestError

    script = room.write_loader_script(kind, path, about, with_preprocess, net)
    if script is None:
        raise RequestError(
            f"export: {str(room.script_path(path, kind))!r} was not written by cvtui, so it was left as it is",
            hint=f"{path} is written; rename that file to get its own",
        )
    out.line(f"{script}  (loads it and predicts)")


def _show_progress(text: str) -> None:
    """Tell what takes time: a terminal, or the screen that has started this command."""
    tell_share(0.0, text)
    if sys.stderr.isatty():
        out.line(text, err=True)


def _write_models(folder: RunFolder, checkpoint: str, models: dict[str, Path], with_preprocess: bool) -> None:
    """Write each model file, checked, and the Python file that loads it. ClickException (exit 1) for a wrong one."""
    if "onnx" in models:
        from cvtui.engine.handover.extras import check_onnx_installed

        check_onnx_installed()  # before torch is loaded
    from cvtui.engine.handover.checking import Refused
    from cvtui.engine.handover.onnx_file import write_onnx
    from cvtui.engine.handover.programs import write_pt2, write_torchscript
    from cvtui.engine.handover.trained import load_trained

    trained = load_trained(folder, checkpoint, _show_progress)
    about = trained.metadata
    for done, (kind, path) in enumerate(models.items()):
        tell_share(done / len(models), f"writing {path.name}")
        write = {"onnx": write_onnx, "pt2": write_pt2, "torchscript": write_torchscript}[kind]
        try:
            found = write(trained, path, with_preprocess)
        except Refused as refusal:
            raise click.ClickException(f"export: {path} was not written: {refusal}") from None
        mean = ", running mean of the weights" if about.ema else ""
        out.line(
            f"{path}  ({about.checkpoint}, epoch {about.epoch}{mean}; on {found.images} validation images at most "
            f"{found.difference:.2g} from PyTorch)"
        )
        if found.note:
            out.line(f"{path}: {found.note}", err=True)
        _write_script(kind, path, about, with_preprocess)
