"""`cvtui export`: a run as files."""

from __future__ import annotations

from pathlib import Path

import click

from cvtui.cli import out
from cvtui.cli.run_argument import RunName, RunPlaces, places_option


@click.command(name="export", short_help="A run as an HTML report, SVG, CSV, TensorBoard events; its weights.")
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
@click.option("--checkpoint", default="", metavar="NAME", help="With --safetensors: last, best, epoch-0010 …")
@places_option()
def export(
    run: str | None,
    html: Path | None,
    svg: Path | None,
    csv_folder: Path | None,
    tensorboard: Path | None,
    safetensors: Path | None,
    checkpoint: str,
    runs: RunPlaces,
) -> None:
    """Export RUN (a name or a folder; the newest by default): report, pictures, tables, weights."""
    from cvtui import export as room
    from cvtui.cli.run_argument import find_run
    from cvtui.errors import RequestError
    from cvtui.runlog.history import History

    if not (html or svg or csv_folder or tensorboard or safetensors):
        ways = "--html FILE, --svg FILE, --csv DIR, --tensorboard DIR or --safetensors FILE"
        raise RequestError("export: say what to write", hint=ways)
    folder = find_run(run, runs)
    history = History(folder)
    history.poll()
    try:
        if safetensors:
            from cvtui.runlog.fork import checkpoint_file

            checkpoint_file(folder, checkpoint)  # what is not there is said before torch is loaded
            from cvtui.engine.train.export_weights import write_safetensors

            name, count = write_safetensors(folder, safetensors, checkpoint)
            out.line(f"{safetensors}  ({count} tensors of {name})")
        if html:
            out.line(room.write_html(history, html))
        if svg:
            out.line(room.write_svg(history, svg))
        if csv_folder:
            for path in room.write_csv(history, csv_folder):
                out.line(path)
        if tensorboard:
            room.write_tensorboard(history, tensorboard)
            out.line(tensorboard)
    except OSError as error:
        raise RequestError(f"export: can't write {str(error.filename)!r}: {error.strerror}") from None
