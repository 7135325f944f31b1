"""Evaluation of a trained model: its numbers as its process tells them, and as they are kept beside the run.

The process (`python -m cvtui.engine --evaluate`) reads a line of `EvaluateAsk` on stdin and tells `Progress`, then one
`Evaluation` a run, and for two runs a `Comparison`.
"""

from __future__ import annotations

import sys

import msgspec

from cvtui import door
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.mistakes import Progress
from cvtui.runlog.worker_process import threads_of, worker_environment, worker_threads

KEPT = {"validation": "evaluation.json", "test": "evaluation-test.json"}
"""Files beside the run, by what was evaluated; of other data nothing is kept."""
MOST_BYTES = 16 << 20
VERSION = "1.0"


class EvaluateAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be evaluated, and how."""

    run: str
    """A run's folder."""
    other: str = ""
    """Another run's, to be compared with on the same images."""
    checkpoint: str = ""
    data: str = ""
    """Other labelled images; empty: the run's own."""
    split: str = ""
    """val or test; empty: val, and of other data without halves all."""
    tta: bool = False
    calibrate: bool = False
    device: str = ""


class ClassScore(msgspec.Struct, frozen=True, kw_only=True):
    """One class against all others; null where there is nothing to divide by."""

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    """Images of the class."""
    predicted: int
    """Images that were taken for it."""
    roc_auc: float | None = None
    pr_auc: float | None = None
    """Average precision."""


class ReliabilityBin(msgspec.Struct, frozen=True, kw_only=True):
    """Images whose highest probability lies in (low, high]."""

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the images."""

    by: str
    """folder, size or brightness."""
    name: str
    images: int
    accuracy: float
    interval: list[float]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One image."""

    image: str
    number: int
    truth: str
    said: str
    share: float | None
    """Probability of `said`; null where it is not finite."""
    truth_share: float | None
    margin: float | None
    """Distance of the two highest probabilities."""
    file: bool = False
    """`image` is the path of a file with this image alone."""


class Evaluation(msgspec.Struct, tag_field="type", tag="evaluation", frozen=True, kw_only=True):
    """The numbers of one checkpoint on one set of images."""

    version: str = VERSION
    run: str
    checkpoint: str
    epoch: int
    step: int
    ema: bool
    time: float
    data: str
    """What was evaluated, in words."""
    split: str
    """validation, test or other."""
    images: int
    unread: list[tuple[str, str]] = []
    """(image, why) of those that were left out."""
    notes: list[str] = []
    tta: list[str] = []
    """Views whose probabilities were averaged; empty: the images as they are."""
    classes: list[str]
    right: int
    accuracy: float
    interval: list[float]
    """95 % (Wilson)."""
    top_k: int
    """5, or as many as there are classes."""
    top_k_accuracy: float
    balanced_accuracy: float
    precision: float
    recall: float
    f1: float
    """Means over the classes that have images."""
    not_finite: int = 0
    """Images with NaN or infinity among their logits: with any, there are no probabilities."""
    roc_auc: float | None = None
    pr_auc: float | None = None
    """Means over the classes, each against all others."""
    log_loss: float | None = None
    ece: float | None = None
    """Expected calibration error."""
    bins: list[ReliabilityBin] = []
    temperature: float | None = None
    """Of the calibration, where there is one; with it:"""
    calibrated_ece: float | None = None
    calibrated_log_loss: float | None = None
    calibrated_bins: list[ReliabilityBin] = []
    per_class: list[ClassScore]
    confusion: list[list[int]]
    """Row the true class, column the predicted one; empty for more than 100 classes."""
    slices: list[Slice] = []
    worst: list[Case] = []
    """Mistakes, the surest first."""
    uncertain: list[Case] = []
    """The two likeliest classes closest together first."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """An image that exactly one of two runs gets right."""

    image: str
    truth: str
    first: str
    second: str
    """What each run says."""
    first_right: bool


class Comparison(msgspec.Struct, tag_field="type", tag="comparison", frozen=True, kw_only=True):
    """Two runs on the same images."""

    first: str
    second: str
    images: int
    notes: list[str] = []
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p: float
    """McNemar's exact test: the chance of a split this uneven, were both equally good."""
    differ: list[Difference] = []
    """Of at most 1,000 images."""


Told = Progress | Evaluation | Comparison
decode = msgspec.json.Decoder(Told).decode
"""A line of the process's stdout. msgspec.MsgspecError for anything else."""


def evaluate_command(folder: RunFolder) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of the process; beside a training it takes one thread."""
    threads = 1 if folder.alive() else worker_threads(threads_of(folder))
    return [sys.executable, "-m", "cvtui.engine", "--evaluate"], worker_environment(threads)


def write_evaluation(folder: RunFolder, found: Evaluation) -> None:
    """Keep an evaluation of the run's own images beside it. OSError where the disk refuses."""
    if found.split in KEPT:
        door.write(folder.path / KEPT[found.split], msgspec.json.encode(found) + b"\n")


def read_evaluation(folder: RunFolder, split: str = "validation") -> Evaluation | None:
    """Return the last evaluation that was kept; None without one that can be read."""
    try:
        return msgspec.json.decode(door.read(folder.path / KEPT[split], MOST_BYTES), type=Evaluation)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
