"""What `package.module:callable` gives, asked of a short process: its code must not run in the one that draws."""

from __future__ import annotations

import json
import subprocess
import sys

from cvtui.errors import RequestError, process_error
from cvtui.recipe.datasets.data_facts import DataFacts

SECONDS = 300.0
_known: dict[tuple[str, str, float], DataFacts] = {}


def callable_facts(text: str, size: str, val_share: float) -> DataFacts:
    """Calls it in a process of its own (some seconds: torch is loaded there) and believes it from then on.

    RequestError, in one line, for whatever goes wrong in there.
    """
    key = (text, size, val_share)
    if key not in _known:
        _known[key] = _ask(text, size, val_share)
    return _known[key]


def _ask(text: str, size: str, val_share: float) -> DataFacts:
    words = [sys.executable, "-m", "cvtui.engine", "--facts", text, size, repr(val_share)]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise RequestError(f"data: {text} gave nothing in {SECONDS:g} s") from None
    try:
        found = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise RequestError(f"data: {text}: {process_error(done.stderr, done.returncode)[:300]}") from None
    if "error" in found:
        raise RequestError(found["error"], hint=found.get("hint", ""))
    pair = tuple(found["size"])
    return DataFacts(
        name=text,
        summary=f"{found['train'] + found['validation']:,} images of your own",
        size=pair if len(pair) == 3 else (pair[0],),
        classes=tuple(found["classes"]),
        train=found["train"],
        validation=found["validation"],
        train_counts=tuple(found["train_counts"]),
        validation_counts=tuple(found["validation_counts"]),
    )
