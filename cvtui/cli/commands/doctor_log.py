"""`cvtui doctor PATH`: what the curves of another program's log show, and what they can't."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cvtui.cli import out
from cvtui.cli.output.findings import consequences, exit_code, finding_lines
from cvtui.errors import RequestError, nearest


def examine(
    path: Path, columns: Sequence[str], *, as_json: bool, everything: bool, ci: str | None, trains: bool
) -> int:
    """Examine a log and print what was found; return the exit code. RequestError."""
    from cvtui.doctor.other_logs import examine_log

    if trains:
        raise RequestError(f"--fix and --test train a recipe of cvtui; {str(path)!r} is another program's log")
    report = examine_log(path, _told(columns))
    found = [*report.findings, *consequences(report.findings, report.all)] if everything else report.findings
    if as_json or ci:
        findings = [one.as_json() | {"sure": None} for one in found]
        out.json_line({"log": report.as_json(), "findings": findings})
        return exit_code(found, ci)
    from cvtui.doctor.other_logs import lines, unseen

    for line in lines(report):
        out.line(line)
    out.line()
    console = out.console()
    for one in found:
        for line in finding_lines(one, axis=report.rows.word, sure=False):
            console.print(line)
        out.line()
    if not found:
        out.line("no problems found in the curves")
    for words in unseen(report):
        console.print(words, soft_wrap=not console.is_terminal)
    return 0


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
