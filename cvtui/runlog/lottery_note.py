"""Lottery rounds (Frankle & Carbin 2019): whose weights are pruned, and where a round begins.

<name>/ticket.json   this note: written before the run starts, obeyed by its engine
<name>/mask.pt       which weights are kept, written by its engine (not in round 0)
<name>/rewind.pt     of round 0 alone: the weights that all later rounds go back to
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec

from cvtui import door
from cvtui.errors import RequestError
from cvtui.runlog.folder import RunFolder

NOTE, MASK, REWIND = "ticket.json", "mask.pt", "rewind.pt"

Kind: TypeAlias = Literal["dense", "ticket", "reinit", "random-mask"]
Scope: TypeAlias = Literal["layer", "global"]


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """One round of a lottery: whose weights are pruned, by how much, and where they are rewound to."""

    round: Annotated[int, msgspec.Meta(ge=0)]
    kind: Kind
    """dense: round 0, all weights. ticket: the mask, and the weights of round 0's beginning. reinit: the same mask,
    newly drawn weights. random-mask: as many weights of each layer, but any; those of round 0's beginning."""
    prune: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.2
    """Share of the weights left that goes in each round."""
    scope: Scope = "layer"
    rewind_steps: Annotated[int, msgspec.Meta(ge=0)] = 0
    """How many steps after its beginning round 0's weights are kept."""
    parent: str = ""
    """Folder, beside this one, of the run whose trained weights are pruned."""
    origin: str = ""
    """Folder, beside this one, of round 0."""


def ticket_of(folder: RunFolder) -> Ticket | None:
    """Return the run's ticket; None for a run that is no part of a lottery. RequestError when unreadable."""
    path = folder.path / NOTE
    try:
        return msgspec.json.decode(door.read(path), type=Ticket)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        raise RequestError(f"{NOTE} of {folder.name!r} can't be read: {' '.join(str(error).split())}") from None


def write_ticket(folder: RunFolder, ticket: Ticket) -> None:
    """Write the ticket into a fresh folder. RequestError when the disk refuses."""
    try:
        door.write(folder.path / NOTE, msgspec.json.encode(ticket))
    except OSError as error:
        raise RequestError(f"can't write {str(folder.path / NOTE)!r}: {error.strerror}") from None


def beside(folder: RunFolder, name: str) -> Path:
    """Return the folder of that name beside this one; RequestError for a name that leads elsewhere."""
    if not name or Path(name).name != name:
        raise RequestError(f"{NOTE} of {folder.name!r}: {name!r} is no folder beside it")
    return folder.path.parent / name


def left_after(alive: Mapping[str, int], prune: float, scope: Scope) -> dict[str, int]:
    """Count the weights of each prunable layer that are left when a share `prune` goes.

    Layers come in order, the classifier last. layer: each loses that share, the classifier half of it (as in the
    paper). global: the sum of all but the classifier loses it, and which layers they come from depends on their sizes;
    then the answer has that sum under "" and the classifier as it was. At least one weight stays everywhere.
    """
    last = list(alive)[-1] if len(alive) > 1 else None
    if scope == "layer":
        return {name: _left(count, prune / 2 if name == last else prune) for name, count in alive.items()}
    total = sum(count for name, count in alive.items() if name != last)
    return {"": _left(total, prune), **({last: alive[last]} if last is not None else {})}


def _left(count: int, prune: float) -> int:
    return max(1, count - round(count * prune)) if count else 0
