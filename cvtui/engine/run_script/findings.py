"""The doctor's last word of the runs of a script, on stderr: its stdout is its own."""

from __future__ import annotations

import sys
from pathlib import Path

from cvtui.doctor import examine
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.text import harmless

SEVERITIES = ("note", "warn", "stop")


def tell(folders: list[Path], ci: str) -> int:
    """Print one line a finding; return 1 where one is at least as severe as `ci`."""
    least = SEVERITIES.index(ci) if ci else len(SEVERITIES)
    worst = -1
    for path in folders:
        history = History(RunFolder(path))
        history.poll()
        found = examine(history)
        for one in found:
            worst = max(worst, SEVERITIES.index(one.severity))
            line = f"cvtui doctor {path.name}: {one.severity} {one.id} {one.name}: {one.sentence}"
            print(harmless(line), file=sys.stderr)
        if not found:
            print(harmless(f"cvtui doctor {path.name}: no findings ({history.steps_done:,} steps)"), file=sys.stderr)
    return int(worst >= least)
