"""What `cvtui run` says on the terminal, beside what the script prints."""

from __future__ import annotations

import contextlib
import sys


def say(text: str) -> None:
    """Print a line on stderr, where there is one."""
    from cvtui.text import harmless

    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(harmless(f"cvtui: {text}"), file=sys.stderr)
