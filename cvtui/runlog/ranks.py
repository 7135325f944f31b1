"""Step times of each process of a distributed job, `ranks/N.jsonl` of its run folder, and which rank is slow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING, Literal

import msgspec

from cvtui import door
from cvtui.runlog.record_limits import LARGEST, MOST_STEPS
from cvtui.runlog.tail import Tail

if TYPE_CHECKING:
    from pathlib import Path

    from cvtui.runlog.folder import RunFolder

SLOW = 0.05
"""Least share of the job's time that the others must lose to one rank before it is called slow."""
KEPT_STEPS = 1000
"""Newest steps of each rank that a reader of a growing run holds."""
NONE_SLOW = "No one rank keeps the others waiting."
UNKNOWN = "Which rank is slow isn't known: "
CLEARLY = 2.0
"""Times that the others lose to the next slow rank: below it no one rank is the cause."""


class RankStarted(msgspec.Struct, tag="rank", tag_field="type", frozen=True, kw_only=True, omit_defaults=True):
    """The first line of each process that writes here (a second one follows a restart)."""

    time: float
    rank: int
    """Number of the process, from 0."""
    world_size: int
    """How many processes train together."""
    host: str
    """Name of its machine."""
    pid: int
    """Number of the process on that machine."""
    device: str
    """Device that trains, such as `cpu` or `cuda:1`."""
    step: int = 0
    """Steps already recorded when it began: lines from there on replace those of the process before."""
    restart: int = 0
    """How often torchrun had restarted the job."""


class RankSteps(msgspec.Struct, tag="times", tag_field="type", frozen=True, kw_only=True, omit_defaults=True):
    """Seconds of some steps in a row, in parallel lists; entry i belongs to step `first` + i.

    They are the processor's view: on a GPU a kernel that was launched counts where the processor waits for it.
    """

    first: int
    data: list[float | None]
    """Between two steps, up to the forward pass: the wait for data. Null where something else was done in between (an
    evaluation, the end of an epoch)."""
    passes: list[float]
    """Forward and backward passes, with what they wait for other ranks."""
    own: list[float | None]
    """Of `passes`, what this rank computed itself: to the gradient of the first parameter, without what DDP sends
    before a forward pass; null where that gradient was not seen."""
    update: list[float]
    """The optimizer's step."""
    seconds: list[float]
    """The whole step, to the call of `run.step`; with `data`."""
    images: list[int]
    """Images in the step; 0 where not known."""
    forward: list[float] = []
    """Of `passes`, the forward pass; empty in older files."""
    memory: int = 0
    """Bytes: most that PyTorch held on the GPU so far, or of the process on a CPU."""

    def __post_init__(self) -> None:
        lists: tuple[Sequence[float | None], ...] = (
            self.data, self.passes, self.own, self.update, self.seconds, self.images,
        )  # fmt: skip
        if self.forward:
            lists = (*lists, self.forward)
        if len({len(one) for one in lists}) != 1 or not 0 <= self.first <= MOST_STEPS:
            raise ValueError("lists of different lengths")
        if not all(value is None or 0 <= value < LARGEST for one in lists for value in one):
            raise ValueError("a time that is none")


class WeightSum(msgspec.Struct, frozen=True):
    """All weights of one rank in two numbers, after `step` steps."""

    step: int
    sum: float
    norm: float


class RankChecks(msgspec.Struct, tag="checks", tag_field="type", frozen=True, kw_only=True, omit_defaults=True):
    """What the first steps of a process show of its weights and batches, to be compared with the other ranks'."""

    step: int
    """Steps that were done when these began."""
    wrapped: str = ""
    """What averages the gradients: `ddp` or `fsdp`, each rank alike; `images`, each image alike, in our training;
    empty where the model was given without any."""
    parameters: int = 0
    """Numbers in the model."""
    weights: list[WeightSum] = []
    """Before the first of the steps, and after the last."""
    inputs: list[float | None] = []
    """Sum over the first input of each forward pass; null where it is not finite."""
    labels: list[int] = []
    """Images of each class, where `run.step` was given labels that are class numbers."""
    losses: list[float | None] = []
    """Loss of each step; null where it is not finite."""

    def __post_init__(self) -> None:
        numbers = [*self.inputs, *self.losses, *(one for look in self.weights for one in (look.sum, look.norm))]
        if not all(one is None or abs(one) < LARGEST for one in numbers) or any(one < 0 for one in self.labels):
            raise ValueError("a number that is none")


_decoder = msgspec.json.Decoder(RankStarted | RankSteps | RankChecks)


@dataclass(frozen=True, slots=True)
class StepTime:
    """Seconds of one step on one rank, as RankSteps has them."""

    data: float | None
    passes: float
    own: float | None
    update: float
    seconds: float
    images: int
    forward: float | None = None

    @property
    def work(self) -> float | None:
        """Seconds in which this rank waited for no other one; None where that is not known."""
        return None if self.data is None or self.own is None else self.data + self.own + self.update


@dataclass(frozen=True, slots=True)
class StepShares:
    """Shares of a rank's time, 0..1, over the same steps: together they are the whole of it. None: not known."""

    data: float | None = None
    own: float | None = None
    others: float | None = None
    update: float | None = None
    rest: float | None = None
    """None of the others: what rank 0 writes (log, pictures, checkpoints), commands, the script's own code."""

    @property
    def work(self) -> float | None:
        """Return that of computing and updating."""
        return None if self.own is None or self.update is None else self.own + self.update


@dataclass
class Rank:
    """One rank's process and its steps by number."""

    started: RankStarted
    steps: dict[int, StepTime] = field(default_factory=dict)
    memory: int = 0
    checks: RankChecks | None = None
    before: tuple[int, int, float | None] | None = None
    """World size of the process before, the step at which this one took over, and images in a step before."""

    def median(self, of: Callable[[StepTime], float | None]) -> float | None:
        """Return the median of a time over all steps that have it."""
        known = [value for step in self.steps.values() if (value := of(step)) is not None]
        return median(known) if known else None

    def worst(self) -> tuple[int, float] | None:
        """Return (step, seconds) of the slowest step between two others; None without one."""
        known = [(step.seconds, number) for number, step in self.steps.items() if step.data is not None]
        return (max(known)[1], max(known)[0]) if known else None

    def shares(self) -> StepShares:
        """Return where the time of the steps between two others goes."""
        steps = [step for step in self.steps.values() if step.data is not None]
        known = [step for step in steps if step.own is not None]
        counted = known or steps
        whole = sum(step.seconds for step in counted)
        if not whole:
            return StepShares()
        data, passes = (sum(getattr(step, name) or 0.0 for step in counted) for name in ("data", "passes"))
        own, update = (sum(getattr(step, name) or 0.0 for step in counted) for name in ("own", "update"))
        return StepShares(
            data=data / whole,
            own=own / whole if known else None,
            others=max(0.0, passes - own) / whole if known else None,
            update=update / whole,
            rest=max(0.0, whole - data - passes - update) / whole,
        )

    def share(self, of: Callable[[StepTime], float | None]) -> float | None:
        """Return the share of a time in the whole of the steps that have it."""
        known = [(value, step.seconds) for step in self.steps.values() if (value := of(step)) is not None]
        whole = sum(seconds for _, seconds in known)
        return sum(value for value, _ in known) / whole if whole else None


@dataclass(frozen=True, slots=True)
class Straggler:
    """The rank that the others wait for."""

    rank: int
    lost: float
    """Share of the job's time that the others wait for it, 0..1."""
    why: Literal["data", "compute"]
    share: float
    """Share of its own time that it spends on that, 0..1."""
    others: float
    """Largest such share among the other ranks."""

    @property
    def sentence(self) -> str:
        what = "waits {:.0%} of its time for data" if self.why == "data" else "computes for {:.0%} of its time"
        return (
            f"rank {self.rank} {what.format(self.share)} (the others at most {self.others:.0%}); "
            f"they wait for it {self.lost:.0%} of the time"
        ).replace("%", " %")


def rank_file(folder: RunFolder, rank: int) -> Path:
    """Return where a rank's step times lie."""
    return folder.ranks / f"{rank}.jsonl"


def read_ranks(folder: RunFolder) -> list[Rank]:
    """Return the ranks of a run by number; [] of one that trained in a single process."""
    files = RankFiles(folder, kept=None)
    files.poll()
    return files.ranks


class RankFiles:
    """The ranks of a run that may go on; the newest `kept` steps of each."""

    def __init__(self, folder: RunFolder, kept: int | None = KEPT_STEPS) -> None:
        self._folder = folder.ranks
        self._kept = kept
        self._files: dict[str, _RankFile] = {}
        self.version = 0
        """Rises with every change."""

    @property
    def ranks(self) -> list[Rank]:
        """The ranks that have begun, by number."""
        found = (file.rank for file in self._files.values())
        return sorted((rank for rank in found if rank is not None), key=lambda rank: rank.started.rank)

    def poll(self) -> bool:
        """Read what is new. Return True if anything changed."""
        names = door.names(self._folder, ".jsonl")
        if len(names) != len(self._files):
            self._files |= {
                name: _RankFile(self._folder / name, self._kept) for name in names if name not in self._files
            }
        changed = [file.poll() for file in self._files.values()]
        self.version += any(changed)
        return any(changed)


class _RankFile:
    def __init__(self, path: Path, kept: int | None) -> None:
        self._tail = Tail(path)
        self._kept = kept
        self.rank: Rank | None = None

    def poll(self) -> bool:
        changed = False
        for _, line in self._tail.lines():
            if self._tail.restarted:
                self.rank, self._tail.restarted = None, False
            changed = True
            try:
                record = _decoder.decode(line)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                continue  # torn, broken or of a newer version
            self._take(record)
        return changed

    def _take(self, record: RankStarted | RankSteps | RankChecks) -> None:
        rank = self.rank
        if isinstance(record, RankStarted):
            kept = {} if rank is None else {number: one for number, one in rank.steps.items() if number < record.step}
            self.rank = Rank(record, kept)
            if rank is not None:
                images = rank.median(lambda step: step.images)
                self.rank.before = rank.started.world_size, record.step, images
        elif isinstance(record, RankChecks):
            if rank is not None:
                rank.checks = record
        elif rank is not None:
            forward: list[float | None] = [*record.forward] or [None] * len(record.data)
            columns = zip(
                record.data, record.passes, record.own, record.update, record.seconds, record.images, forward,
                strict=True,
            )  # fmt: skip
            rank.steps |= {record.first + index: StepTime(*values) for index, values in enumerate(columns)}
            rank.memory = record.memory
            if self._kept is not None:
                for number in list(islice(rank.steps, max(0, len(rank.steps) - self._kept))):
                    del rank.steps[number]


def straggler(ranks: Sequence[Rank]) -> Straggler | None:
    """Return the rank whose own work holds up the others; None where no one rank does.

    At each step that all ranks know, the one with the most work of its own costs the others its lead over the next.
    """
    if len(ranks) < 2:
        return None
    lost: dict[int, float] = defaultdict(float)
    whole = 0.0
    for number in set.intersection(*(set(rank.steps) for rank in ranks)):
        steps = [rank.steps[number] for rank in ranks]
        work = [step.work for step in steps]
        known = sorted((value, index) for index, value in enumerate(work) if value is not None)
        if len(known) < len(ranks):
            continue
        whole += max(step.seconds for step in steps)
        lost[known[-1][1]] += known[-1][0] - known[-2][0]
    if not lost or not whole:
        return None
    order = sorted(lost, key=lambda index: lost[index], reverse=True)
    first, second = order[0], lost[order[1]] if len(order) > 1 else 0.0
    if lost[first] < SLOW * whole or lost[first] < CLEARLY * second:
        return None
    return _reason(ranks, first, lost[first] / whole)


def verdict(ranks: Sequence[Rank]) -> str:
    """Say which rank is slow, that none is, or that it can't be known."""
    slow = straggler(ranks)
    if slow is not None:
        return slow.sentence
    if len(ranks) < ranks[0].started.world_size or len(ranks) < 2:
        return UNKNOWN + "not every rank has recorded its steps."
    shared = set.intersection(*(set(rank.steps) for rank in ranks))
    if not any(all(rank.steps[number].work is not None for rank in ranks) for number in shared):
        return UNKNOWN + "no step has its own work recorded on every rank."
    return NONE_SLOW


def _reason(ranks: Sequence[Rank], slow: int, lost: float) -> Straggler:
    waits = [rank.share(lambda step: step.data) or 0.0 for rank in ranks]
    computes = [rank.share(lambda step: None if step.own is None else step.own + step.update) or 0.0 for rank in ranks]

    def lead(shares: list[float]) -> float:
        return shares[slow] - max(share for index, share in enumerate(shares) if index != slow)

    why: Literal["data", "compute"] = "data" if lead(waits) >= lead(computes) else "compute"
    shares = waits if why == "data" else computes
    others = max(share for index, share in enumerate(shares) if index != slow)
    return Straggler(ranks[slow].started.rank, lost, why, shares[slow], others)
