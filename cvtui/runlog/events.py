"""Records of a run's log, `events.jsonl`: one a line, told apart by `type`. The field list is the schema.

Numbers are finite or null; what a null was is said by `not_finite` beside it: `nan`, `inf` or `-inf`. A reader keeps
what it doesn't know and never fails on a newer minor version. `time` is Unix time in seconds; steps count from 0
(`step` of a record that follows training is the number of steps done), epochs from 1.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from cvtui.recipe.learning_rate import recorded_rate
from cvtui.runlog.facts import Facts as Facts
from cvtui.runlog.facts import ModuleFact as ModuleFact
from cvtui.runlog.facts import WeightFact as WeightFact
from cvtui.runlog.machine import Gpu as Gpu
from cvtui.runlog.machine import Machine as Machine
from cvtui.runlog.own_scalars import ScalarRow as ScalarRow
from cvtui.runlog.own_scalars import Scalars as Scalars
from cvtui.runlog.record import Record as Record
from cvtui.runlog.rows import GroupRates as GroupRates
from cvtui.runlog.rows import Histogram as Histogram
from cvtui.runlog.rows import Layer as Layer
from cvtui.runlog.rows import LayerStats as LayerStats
from cvtui.runlog.rows import RateGroup as RateGroup

FORMAT_VERSION = "1.0"


class RunStarted(Record, tag="run", frozen=True, kw_only=True):
    """The first record of each process that works on the folder (a second one follows a resume)."""

    version: str = FORMAT_VERSION
    time: float
    recipe: dict[str, Any]
    """Every field of the recipe with its value."""
    layers: list[Layer]
    parameters: int
    steps_per_epoch: int
    total_steps: int
    device: str
    arithmetic: dict[str, str] = {}
    """`convolutions` and `linear`: float32, tf32 (GPUs since Ampere), bfloat16; on CUDA `deterministic`: on or off."""
    threads: int
    libraries: dict[str, str]
    """python, torch, torchvision, cvtui: versions."""
    data: dict[str, Any]
    """`classes` (names), `train`, `validation` (image counts), `input` [H, W, C],
    per-channel `mean` and `std` of the pixels, `white`: its value in them, 255, 65535 or 1 (older logs lack it);
    `folder`, `data_dir`: absolute paths of what the recipe names."""
    step: int | None = None
    """Steps already done: the checkpoint's after a resume. Readers forget what was recorded after it."""
    parent: dict[str, Any] = {}
    """Of a forked run: `run` (the parent's name), `checkpoint`, `step` and `epoch` where it begins."""
    prediction: dict[str, Any] = {}
    """Expected values: `first_loss` (of zeros: ln C of a cross-entropy), `start_loss` (of the first batch, with the
    weights as drawn), `activation_std` {layer: std of the first batch}, `memory` (bytes)."""
    schedule: dict[str, Any] = {}
    """The schedule as this process begins: the full rate `lr` and its `name`, other than the recipe's where the rate
    was set by hand; `drops` of a plateau; `shift`: (step + shift) / steps_per_epoch is the epoch, where images were
    added or removed in mid-run."""
    rates: list[RateGroup] = []
    """Parts of the net with a rate of their own or frozen, the head's last; none where all train at `lr`."""
    ranks: dict[str, Any] = {}
    """Of several processes that train together (DDP): `world_size`, rank 0's `host`, `job` (torchrun's id, or who
    started it), `restart` (how often torchrun had restarted it), `block` (which `with cvtui.watch` of the script).
    Layer statistics are then rank 0's, under `cvtui.watch` losses and accuracies too; step times of each rank lie in
    `ranks/N.jsonl`."""
    kind: str = ""
    """What trains: `engine` (a recipe: the run can be resumed, forked, repeated), `watch` (a custom training loop,
    which only its script can repeat) or `lab`. Older logs lack it; readers derive it from `recipe`."""

    def __post_init__(self) -> None:
        if not self.kind:
            msgspec.structs.force_setattr(self, "kind", _kind_of_old(self.recipe))

    @property
    def lr(self) -> float | None:
        """The peak learning rate asked for; None where the record has none.

        The recipe's `lr` may stand for another batch size.
        """
        return recorded_rate(self.recipe)

    @property
    def shift(self) -> int:
        """(step + shift) / steps_per_epoch is the epoch: 0, unless images came or went in mid-run."""
        shift = self.schedule.get("shift")
        return shift if isinstance(shift, int) and abs(shift) < 1 << 40 else 0


def _kind_of_old(recipe: dict[str, Any]) -> str:
    if "lab" in recipe:
        return "lab"
    return "watch" if recipe.get("data") == "your own" else "engine"


class Steps(Record, tag="steps", frozen=True, kw_only=True):
    """Some steps in a row, in parallel lists; entry i belongs to step `first` + i."""

    first: int
    loss: list[float | None]
    """Mean training loss of the batch; null where it was not finite (NaN, where `not_finite` says nothing else)."""
    lr: list[float | None] = []
    """Learning rate of each step; left out where `rate` says all of it (and filled in by the decoder)."""
    rate: float | None = None
    """The learning rate of all these steps, where it is one: a constant rate takes no room in the log."""
    groups: list[GroupRates] = []
    """Of a custom loop with several parameter groups: the rates of all, the first of which is `lr`."""
    accuracy: list[float | None] = []
    """Accuracy of the batch, 0..1."""
    grad_norm: list[float | None] = []
    """2-norm over all parameters, before clipping. Of a custom loop with short steps: of each tenth at the least."""
    seconds: list[float | None] = []
    """Time since the run began, pauses not counted."""
    not_finite: dict[str, dict[str, list[int]]] = {}
    """What nulls were: {"loss": {"inf": [3]}, "grad_norm": {"nan": [3, 4]}}, by place in the list. A norm that is null
    and not named here was not there: no gradient was, or the step was one that a custom loop only noted."""

    def __post_init__(self) -> None:
        if self.rate is not None and not self.lr:
            msgspec.structs.force_setattr(self, "lr", [self.rate] * len(self.loss))

    def bad_norms(self) -> set[int]:
        """Return the steps whose gradient norm was NaN or infinite."""
        return {self.first + place for places in self.not_finite.get("grad_norm", {}).values() for place in places}


class EpochDone(Record, tag="epoch", frozen=True, kw_only=True):
    """The end of an epoch, with its training means and the validation after it."""

    epoch: int
    """From 1."""
    step: int
    """Steps done so far."""
    time: float
    train_loss: float | None
    """Mean over the epoch's batches, measured while the weights moved."""
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    seconds: float
    """Since the run began, pauses not counted."""
    images_per_second: float
    confusion: list[list[int]] = []
    """Validation: row the true class, column the predicted one."""
    best: bool = False
    """The best validation accuracy so far."""
    not_finite: dict[str, str] = {}
    """What nulls were: {"val_loss": "nan"}; one that is not named was not measured."""


class LayersSampled(Record, tag="layers", frozen=True, kw_only=True):
    """Statistics of each watched layer at one step: outputs, gradients, weights."""

    step: int
    layers: list[LayerStats]
    answers: float | None = None
    """Entropy, in nats, of the classes that the model answered with for this batch; 0: always the same one."""
    watch_cost: float | None = None
    """Share of the training time that watching has taken so far, 0..1."""
    unseen: dict[str, str] = {}
    """Why the output of a watched layer was not seen at this step, by its name."""


class PictureSaved(Record, tag="picture", frozen=True, kw_only=True):
    """An image grid that was written into `pictures/`."""

    step: int
    name: str
    path: str
    """Relative to the run folder."""
    note: str = ""
    columns: int = 1
    """Tiles in a row of the picture (they are one pixel apart)."""
    image: int | None = None
    """The validation image (from 0) whose feature maps these are; the picture "validation image" is that image itself,
    written after them."""
    layer: str = ""
    """Whose feature maps."""
    names: list[str] = []
    """Where the image of each tile lies (a path, `pictures.npz[17]`, a number): of samples and mistakes, and
    of the image itself."""
    truth: str = ""
    """Of the image itself: its true class."""
    said: str = ""
    share: float | None = None
    """Of the image itself: the probability of `said`."""


class CheckpointSaved(Record, tag="checkpoint", frozen=True, kw_only=True):
    """A checkpoint that was written, down to the disk."""

    step: int
    epoch: int
    path: str
    reason: Literal["last", "best", "asked", "epoch", "stop"]
    val_accuracy: float | None = None


class CommandApplied(Record, tag="command", frozen=True, kw_only=True):
    """A command that the training obeyed."""

    step: int
    time: float
    command: str
    """pause, resume, set_lr, save, stop or look; the schedule `plateau` lowers the rate by a set_lr too."""
    value: float | None = None
    words: str = ""
    """For the mark on the curves: "rate 0.01 → 0.001"."""


class Finding(Record, tag="finding", frozen=True, kw_only=True):
    """A fault that the doctor found, or the layer that a NaN came from."""

    step: int
    id: str
    severity: Literal["stop", "warn", "note"]
    sentence: str
    layer: str = ""
    files: list[str] = []
    """Images that it is about, by where they lie (some of them)."""
    evidence: str = ""
    name: str = ""
    """The fault in two or three words."""
    threshold: float | None = None
    """What the number in the evidence was compared with; null where there is none."""
    source: str = ""
    """Where the threshold comes from."""
    sure: float | None = None
    """0..1."""
    cure: dict[str, Any] = {}
    """Recipe fields with their new values; empty where no change of the recipe helps."""
    advice: str = ""
    """What to do, in words."""
    consequences: list[str] = []
    """Ids of what else was found and follows from this."""


class Log(Record, tag="log", frozen=True, kw_only=True):
    """A message of the training process."""

    time: float
    text: str
    level: Literal["info", "warning", "error"] = "info"
    step: int | None = None
    threads: int | None = None
    """CPU threads from here on, where it is their change that is told."""


class RunEnded(Record, tag="end", frozen=True, kw_only=True):
    """The end of the run; only `picture` records may follow, of feature maps computed later."""

    time: float
    step: int
    status: Literal["finished", "stopped", "diverged", "failed"]
    reason: str = ""
    missing: str = ""
    """What could not be written at the end, such as the last checkpoint (`reason` holds it too)."""
    watch_cost: float | None = None
    """Share of this process's training time that watching took, 0..1: samples of layers and pictures, to the end; of a
    custom loop also its calls and the hooks in its steps."""


AnyRecord = (
    RunStarted
    | Steps
    | EpochDone
    | LayersSampled
    | PictureSaved
    | CheckpointSaved
    | CommandApplied
    | Finding
    | Facts
    | Scalars
    | Machine
    | Log
    | RunEnded
)


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `commands.jsonl`: what was asked of a run while it ran."""

    command: Literal["pause", "resume", "set_lr", "save", "stop", "look"]
    time: float
    value: float | None = None
    """The new rate for `set_lr`; for `look` the number of a validation image, whose feature maps are to be made."""
    group: str = ""
    """For `set_lr`: the name of one parameter group of a custom loop; "": the first one's, and all others scaled."""
