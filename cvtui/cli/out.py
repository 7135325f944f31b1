"""Output to a terminal: no text from outside (a recipe, a log, a file's name) is obeyed by it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cvtui.text import harmless

if TYPE_CHECKING:
    from rich.console import Console


def line(text: object = "", *, err: bool = False) -> None:
    """Print one line, on stdout or stderr, without control and direction characters."""
    print(harmless(str(text)), file=sys.stderr if err else sys.stdout)


def json_line(value: object) -> None:
    """Print a value as JSON in one line: what a terminal could obey is escaped, which JSON can for every character."""
    import json

    try:  # Python's own: loading msgspec takes a tenth of what `cvtui calc --json` does
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError):  # records, and numbers that JSON has no word for: null
        import msgspec

        try:
            text = msgspec.json.encode(value).decode()
        except UnicodeEncodeError:  # a path whose bytes are no text: its escapes are those of Python
            text = json.dumps(msgspec.to_builtins(value))
    print(escaped(text), flush=True)


def escaped(json: str) -> str:
    """Write control and direction characters of JSON in one line as escapes, which say the same."""
    return json if json.isprintable() else "".join(sign if sign.isprintable() else _unit(sign) for sign in json)


def _unit(sign: str) -> str:
    code = sign.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{code[at : at + 4]}" for at in range(0, len(code), 4))


class _TerminalLines:
    """Where rows of CSV go on a terminal."""

    def write(self, row: str) -> None:
        line(row.removesuffix("\n"))


def csv_writer() -> Any:
    """Return a writer of rows: a file or a script gets each cell as it is, a terminal nothing that it could obey."""
    import csv

    return csv.writer(_TerminalLines() if sys.stdout.isatty() else sys.stdout, lineterminator="\n")


def console(*, stderr: bool = False, markup: bool = False) -> Console:
    """Return a rich console for stdout or stderr whose text is made harmless.

    The only escapes that reach the terminal are rich's own. `markup`: for pages without text from outside.
    """
    from rich.console import Console
    from rich.segment import Segment

    class Harmless(Console):
        def render(self, *args: Any, **more: Any) -> Iterable[Segment]:
            for segment in super().render(*args, **more):
                text = segment.text
                if segment.control or text == "\n" or text.isprintable():
                    yield segment
                else:
                    plain = "\n".join(harmless(part) for part in text.split("\n"))
                    yield Segment(plain, segment.style)

    return Harmless(stderr=stderr, highlight=False, markup=markup, emoji=False)
