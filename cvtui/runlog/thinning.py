"""What a reader lets go of in a long run: the confusion matrices of all but some epochs. (The log keeps them.)"""

from __future__ import annotations

import msgspec

from cvtui.runlog.events import EpochDone

MOST = 200
"""Confusion matrices that are held at once, about."""
NEWEST = 50
"""Of the last so many epochs none is let go of."""


def thinned(epochs: list[EpochDone], held: int) -> int:
    """Takes away every second matrix of the older epochs (never one of a best epoch) once more than MOST are `held`;
    how many there are then. (`held` may be too large where a resume has taken epochs back: they are counted first.)"""
    if held > MOST:
        held = sum(bool(epoch.confusion) for epoch in epochs)
    if held <= MOST:
        return held
    keep = False
    for place in range(max(0, len(epochs) - NEWEST)):
        epoch = epochs[place]
        if epoch.confusion and not epoch.best:
            if not keep:
                epochs[place] = msgspec.structs.replace(epoch, confusion=[])
                held -= 1
            keep = not keep
    return held
