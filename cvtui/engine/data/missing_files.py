"""Images of files that could be read when a run began, and can't be any more."""

from __future__ import annotations

import time
from collections.abc import Sequence

from cvtui.engine.data.decode import shown
from cvtui.runlog.events import Log

MOST_GONE = 0.1
"""Of a part's images: when more can't be read any more, the run ends."""
NAMED = 3
"""Files that are named; the others are counted."""


class ImagesGone(Exception):
    """Too many of the images that were there when the run began can't be read any more; the message is one line."""


class MissingFiles:
    """Which images of a part can't be read any more: those whose latest try failed."""

    def __init__(self, count: int, words: str = "can't be read any more") -> None:
        self.count, self.words = count, words
        self._words: dict[str, str] = {}
        self._told: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._words)

    def note(self, paths: Sequence[str], wrong: dict[int, str]) -> None:
        """Of one batch. ImagesGone when they have become too many."""
        for place, path in enumerate(paths):
            if place in wrong:
                self._words[path] = wrong[place]
            else:
                self._words.pop(path, None)
        if wrong and len(self._words) > MOST_GONE * self.count:
            raise ImagesGone(
                f"{self._named(list(self._words))}: more than {MOST_GONE:.0%} of {self.count:,}; "
                "put them back, then `cvtui resume` continues"
            )

    def take(self) -> Log | None:
        """Return a record of what has been lost since the last call, or None."""
        new = [path for path in list(self._words) if path not in self._told]
        if not new:
            return None
        self._told.update(new)
        text = f"{self._named(new)}: others take their places in the batches"
        return Log(time=time.time(), text=text, level="warning")

    def _named(self, paths: list[str]) -> str:
        named = "; ".join(f"{shown(path)} ({self._words[path]})" for path in paths[:NAMED])
        more = f"; and {len(paths) - NAMED:,} more" if len(paths) > NAMED else ""
        s = "s" if len(paths) > 1 else ""
        return f"{len(paths):,} image{s} {self.words}: {named}{more}"
