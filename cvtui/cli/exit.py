"""Exit codes, and the one line that says why."""

from __future__ import annotations

import contextlib
import sys

EXIT_FAILED, EXIT_WRONG, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 1, 2, 130, 141


def say(message: str, hint: str = "") -> None:
    """Print one line on stderr. Control characters (they may come from file names) become U+FFFD."""
    from cvtui.text import harmless

    with contextlib.suppress(OSError):  # the terminal is gone
        print(harmless(f"cvtui: {message}" + (f"; {hint}" if hint else "")), file=sys.stderr)
