"""Ranks that torchrun has started meet in its key-value store and agree on which start of the job this is.

torchrun's store outlives a restart, and init_process_group reads it without a prefix for the restart (PyTorch 2.10,
2.14.1): a rank that comes first finds the addresses of dead processes ("connectFullMesh failed … Connection refused").
torchrun's restart count can't tell them apart either: where a rank fails, other machines may not count it. So rank 0
takes a number that no start had before, and each rank shows that it is alive by a word of its own.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from datetime import timedelta
from typing import Any, NamedTuple

from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from cvtui.engine.ranks.network import address_towards
from cvtui.engine.runtime.job_rank import JobRank
from cvtui.engine.train.control import Signals

LOOK_SECONDS = 0.01
"""Between two looks into the store."""
COUNT, NEWEST = "cvtui/attempts", "cvtui/newest"


class NotMet(Exception):
    """The ranks did not all come; the message says which."""


class Start(NamedTuple):
    """One start of the job's ranks."""

    store: Any
    """Key-value store that it has for itself."""
    number: int
    """From 0."""
    addresses: list[str]
    """Of the ranks above 0, as they look towards torchrun's store."""
    job: Any
    """Key-value store that all starts have in common."""


def agree(me: JobRank, seconds: float, signals: Signals) -> Start:
    """Return the start that all ranks belong to which are here now.

    Raises NotMet after `seconds`, StopRequested for a signal.
    """
    limit = timedelta(seconds=seconds)
    store, _, _ = next(rendezvous("env://", me.rank, me.world_size, timeout=limit))
    meet = _lead if me.rank == 0 else _follow
    number, words = meet(store, me, time.monotonic() + seconds, signals)
    return Start(PrefixStore(f"cvtui/{number}", store), number, [word.partition(" ")[2] for word in words], store)


def _lead(store: Any, me: JobRank, until: float, signals: Signals) -> tuple[int, list[str]]:
    """Take a number, wait for the words of all others, and repeat them."""
    number = store.add(COUNT, 1) - 1
    store.set(NEWEST, str(number))
    keys = {rank: _here(number, rank) for rank in range(1, me.world_size)}
    while keys and not store.check([*keys.values()]):
        signals.check()
        if time.monotonic() > until:
            missing = [rank for rank, key in keys.items() if not store.check([key])]
            who = f"rank {missing[0]}" if len(missing) == 1 else f"ranks {', '.join(map(str, missing))}"
            raise NotMet(f"{who} did not come")
        time.sleep(LOOK_SECONDS)
    words = [store.get(key).decode() for key in keys.values()]
    store.set(_go(number), json.dumps(words))
    return int(number), words


def _follow(store: Any, me: JobRank, until: float, signals: Signals) -> tuple[int, list[str]]:
    """Leave a word and the address under the newest number until rank 0 repeats it: one that is dead can't."""
    word = f"{secrets.token_hex(8)} {address_towards(os.environ['MASTER_ADDR'])}"
    shown = -1
    while time.monotonic() < until:
        signals.check()
        if store.check([NEWEST]):
            number = int(store.get(NEWEST))
            if number != shown:
                store.set(_here(number, me.rank), word)
                shown = number
            if store.check([_go(number)]):
                words: list[str] = json.loads(store.get(_go(number)))
                if words[me.rank - 1 : me.rank] == [word]:  # (a dead start may have had fewer ranks)
                    return number, words
        time.sleep(LOOK_SECONDS * max(1.0, me.world_size / 32))  # all ask one store
    raise NotMet("rank 0 did not come, or waits for another rank")


def _here(number: int, rank: int) -> str:
    return f"cvtui/{number}/here/{rank}"


def _go(number: int) -> str:
    return f"cvtui/{number}/go"
