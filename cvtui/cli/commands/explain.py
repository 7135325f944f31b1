"""`cvtui explain`: which pixels of an image speak for a class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cvtui.cli import out
from cvtui.cli.records import told_records
from cvtui.cli.run_argument import RunName, runs_option
from cvtui.errors import RequestError
from cvtui.runlog.explanation import METHODS

if TYPE_CHECKING:
    from cvtui.draw.half_blocks import Image
    from cvtui.runlog.explanation import Explained, Request
    from cvtui.runlog.folder import RunFolder

LEAST_SIDE = 448
"""Pixels of the PNG's longer side, at least; smaller images are enlarged by a whole number."""


@click.command(name="explain", short_help="Which pixels of an image speak for a class (Grad-CAM and others).")
@click.argument("run", type=RunName())
@click.argument("image")
@click.option("--method", type=click.Choice(list(METHODS)), help="Default: gradcam; saliency of a net without maps.")
@click.option("--layer", default="", metavar="NAME", help="Of gradcam (default: the last conv) or ig.")
@click.option("--class", "target", default="", metavar="NAME", help="Default: the class that the model says.")
@click.option("--png", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT", help="Write the picture.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers.")
@click.option("--checkpoint", default="", metavar="NAME", help="best (default), last, epoch-0010 …")
@runs_option()
def explain(
    run: str,
    image: str,
    method: str | None,
    layer: str,
    target: str,
    png: Path | None,
    as_json: bool,
    checkpoint: str,
    runs: Path,
) -> None:
    """Explain what RUN says of IMAGE: a file, or the number of a validation image. Needs cvtui[explain]."""
    from cvtui.cli.run_argument import find_run
    from cvtui.runlog.explanation import Request, check_captum
    from cvtui.runlog.fork import checkpoint_file

    check_captum()
    folder = find_run(run, runs)
    checkpoint_file(folder, checkpoint)  # what is not there is said before torch is loaded
    number = int(image) if image.isascii() and image.isdecimal() and not Path(image).is_file() else None
    if number is None and not Path(image).is_file():
        raise RequestError(f"explain: there is no file {image!r}", hint="a path, or the number of a validation image")
    found = explanation(folder, Request(
        path="" if number is not None else image, number=number or 0, method=method or "", layer=layer, target=target,
        checkpoint=checkpoint,
    ))  # fmt: skip
    if png is not None:
        from cvtui.draw.overlay import picture_of

        _save(picture_of(found), png)
    if as_json:
        out.json_line(found)
        return
    _tell(found)
    if png is not None:
        out.line(png)
    else:
        _draw(found)


def explanation(folder: RunFolder, request: Request) -> Explained:
    """Ask a process of its own. RequestError for what it refuses, ClickException where it fails."""
    from cvtui.runlog.explanation import decode
    from cvtui.runlog.worker_process import explain_command

    with told_records("explain", explain_command(folder, request), decode) as records:
        found = list(records)
    return found[-1]


def _save(picture: Image, path: Path) -> None:
    from PIL import Image as Pillow

    from cvtui.export.whole_file import written

    times = max(1, -(-LEAST_SIDE // max(picture.shape[:2])))
    try:
        with written(path) as file:
            Pillow.fromarray(picture.repeat(times, 0).repeat(times, 1)).save(file, "PNG")
    except OSError as error:
        raise RequestError(f"--png: can't write {str(path)!r}: {error.strerror or error}") from None


def _tell(found: Explained) -> None:
    from cvtui.text import percent

    layer = f" of {found.layer}" if found.layer else ""
    said = "" if found.said == found.target else f"; the model says {found.said}"
    truth = f"; true class {found.truth}" if found.truth else ""
    out.line(f"{found.target} {percent(found.share)}{said}{truth}  ({found.checkpoint})")
    out.line(f"{METHODS[found.method].partition(':')[0]}{layer}: {found.note}")


def _draw(found: Explained) -> None:
    """Draw it in half blocks where there is a terminal."""
    console = out.console()
    if not console.is_terminal or console.no_color:
        return
    from rich.segment import Segment, Segments

    from cvtui.draw.half_blocks import resize, segments
    from cvtui.draw.overlay import picture_of

    picture = picture_of(found)
    high, wide = picture.shape[:2]
    scale = min(console.width / wide, 2 * (console.height - 4) / high)
    rows = segments(resize(picture, max(2, int(high * scale) // 2 * 2), max(1, int(wide * scale))))
    console.print(Segments([part for row in rows for part in (*row, Segment.line())]), end="")
