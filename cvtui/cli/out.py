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
