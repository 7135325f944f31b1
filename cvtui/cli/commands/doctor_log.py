"""`cvtui doctor PATH`: what the curves of another program's log show, and what they can't."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cvtui.cli import out
from cvtui.cli.output.findings import consequences, exit_code, finding_lines
from cvtui.errors import RequestError, nearest

if TYPE_CHECKING:
    from rich.text import Text

    from cvtui.doctor.diagnosis import Diagnosis
    from cvtui.doctor.other_logs import LogReport


def examine(
    path: Path, columns: Sequence[str], *, as_json: bool, everything: bool, ci: str | None, trains: bool, curves: bool
) -> int:
    """Examine a log and print what was found; return the exit code. RequestError."""
    from cvtui.doctor.other_logs import examine_log

    if curves and (as_json or ci):
        raise RequestError("--curves draws: it doesn't go with --json and --ci")

    if trains:
        raise RequestError(f"--fix and --test train a recipe of cvtui; {str(path)!r} is another program's log")
    report = examine_log(path, _told(columns))
    found = [*report.findings, *consequences(report.findings, report.all)] if everything else report.findings
    if as_json or ci:
        findings = [one.as_json() | {"sure": None} for one in found]
        out.json_line({"log": report.as_json(), "findings": findings})
        return exit_code(found, ci)
    _tell(report, found, curves)
    return 0


def _tell(report: LogReport, found: Sequence[Diagnosis], curves: bool) -> None:
    """Print what was read, its curves if asked for, and what was found."""
    from cvtui.doctor.other_logs import lines, unseen

    for line in lines(report):
        out.line(line)
    out.line()
    console = out.console()
    if curves:
        for picture in drawn(report, min(console.width, 120), not console.no_color):
            console.print(picture, no_wrap=True, overflow="crop")
    for one in found:
        for line in finding_lines(one, axis=report.rows.word, sure=False):
            console.print(line)
        out.line()
    if not found:
        out.line("no problems found in the curves")
    for words in unseen(report):
        console.print(words, soft_wrap=not console.is_terminal)


POINTS = 400
"""Of a curve that are drawn, evenly over its rows."""


def drawn(report: LogReport, width: int, colour: bool) -> list[Text]:
    """Draw loss and accuracy, training's and validation's, in the log's own steps; an empty line behind each figure."""
    from rich.text import Text

    from cvtui.draw.figures import Curve, Curves
    from cvtui.draw.text_figures import draw

    lines: list[Text] = []
    for name in ("loss", "accuracy"):
        curves = []
        for role, label in ((name, "training"), (f"val_{name}", "validation")):
            rows = sorted(report.chosen[role].values.items()) if role in report.chosen else []
            kept = rows[:: -(-len(rows) // POINTS) or 1]
            kept += rows[-1:] if kept[-1:] != rows[-1:] else []
            y = [value if math.isfinite(value) else None for _, value in kept]
            if kept:
                curves.append(Curve(name=label, x=[float(step) for step, _ in kept], y=y))
        if curves:
            figure = Curves(title=name.capitalize(), x_label=report.rows.word, whole_x=True, curves=curves)
            lines += [*draw(figure, width, colour=colour), Text()]
    return lines


def _told(columns: Sequence[str]) -> dict[str, str]:
    """Return role → column. RequestError for anything that is no ROLE=NAME."""
    from cvtui.runlog.foreign.roles import ROLES

    told = {}
    for text in columns:
        role, equals, name = text.partition("=")
        if not equals:
            raise RequestError(f"--column {text!r}: it is ROLE=NAME, such as loss=train/loss")
        if role not in ROLES:
            raise RequestError(f"--column {text!r}: a role is one of {', '.join(ROLES)}{nearest(role, ROLES)}")
        if role == "loss" and not name:
            raise RequestError("--column loss=: the doctor needs a loss")
        told[role] = name
    return told
