"""What a reader of a long run forgets, so that its memory does not grow with the run."""

from __future__ import annotations

import msgspec

from cvtui.runlog import events

MOST_CONFUSIONS = 200
"""Confusion matrices that a reader holds at once, about: its memory does not grow with the epochs."""
NEWEST_CONFUSIONS = 50
"""Epochs, the latest ones, that keep their confusion matrix."""
MOST_MACHINES = 2000
"""Records of the machine that are held: of more, every second one of the older half goes."""


def drop_machines(machines: list[events.Machine]) -> None:
    """Drop every second one of the older half, once there are more than MOST_MACHINES."""
    if len(machines) > MOST_MACHINES:
        del machines[1 : MOST_MACHINES // 2 : 2]


def drop_confusions(epochs: list[events.EpochDone], held: int) -> int:
    """Drop every second confusion matrix of the older epochs once more than MOST_CONFUSIONS are `held`.

    A best epoch keeps its matrix. Return how many are held then. (`held` may be too large where a resume has taken
    epochs back: they are counted first.)
    """
    if held > MOST_CONFUSIONS:
        held = sum(bool(epoch.confusion) for epoch in epochs)
    if held <= MOST_CONFUSIONS:
        return held
    keep = False
    for index in range(max(0, len(epochs) - NEWEST_CONFUSIONS)):
        epoch = epochs[index]
        if epoch.confusion and not epoch.best:
            if not keep:
                epochs[index] = msgspec.structs.replace(epoch, confusion=[])
                held -= 1
            keep = not keep
    return held
