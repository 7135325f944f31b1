"""Words on the command line: made harmless, and marked with a caret."""

from __future__ import annotations

from cvtui.text import harmless

WIDEST = 100


def with_caret(source: str, column: int) -> str:
    """`source` with a `^` below its sign number `column` (from 0), cut around it where it is too long for a line."""
    from rich.cells import cell_len

    column = max(0, min(column, len(source)))
    start = max(0, column - WIDEST * 2 // 3) if len(source) > WIDEST else 0
    shown = harmless(source[start : start + WIDEST])
    before = "…" if start else ""
    after = "…" if start + WIDEST < len(source) else ""
    indent = cell_len(before + shown[: column - start])
    return f"  {before}{shown}{after}\n  {' ' * indent}^"
