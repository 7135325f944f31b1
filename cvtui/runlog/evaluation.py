"""Evaluation of a trained model: its numbers as its process tells them, and as they are kept beside the run.

The process (`python -m cvtui.engine --evaluate`) reads a line of `EvaluateAsk` on stdin and tells `Progress`, then one
`Evaluation` a run, and for two runs a `Comparison`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from cvtui import door
from cvtui.own_python import own_module
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.mistakes import Progress
from cvtui.runlog.worker_process import threads_of, worker_environment, worker_threads

KEPT = {"validation": "evaluation.json", "test": "evaluation-test.json"}
"""Files beside the run, by what was evaluated; of other data nothing is kept."""
MOST_BYTES = 16 << 20
VERSION = "1.0"
Share = Annotated[float, msgspec.Meta(ge=-1e-9, le=1 + 1e-9)]  # a sum of shares may be 1.0000000000000002
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Positive = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
Interval = tuple[Share, Share]


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
    precision: Share | None
    recall: Share | None
    f1: Share | None
    support: Count
    """Images of the class."""
    predicted: Count
    """Images that were taken for it."""
    roc_auc: Share | None = None
    pr_auc: Share | None = None
    """Average precision."""


class ReliabilityBin(msgspec.Struct, frozen=True, kw_only=True):
    """Images whose highest probability lies in (low, high]."""

    low: Share
    high: Share
    images: Count
    confidence: Share
    accuracy: Share


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the images."""

    by: str
    """folder, size or brightness."""
    name: str
    images: Count
    accuracy: Share
    interval: Interval


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One image."""

    image: str
    number: Count
    truth: str
    said: str
    share: Share | None
    """Probability of `said`; null where it is not finite."""
    truth_share: Share | None
    margin: Share | None
    """Distance of the two highest probabilities."""
    file: bool = False
    """`image` is the path of a file with this image alone."""


class Evaluation(msgspec.Struct, tag_field="type", tag="evaluation", frozen=True, kw_only=True):
    """The numbers of one checkpoint on one set of images."""

    version: str = VERSION
    run: str
    checkpoint: str
    epoch: Count
    step: Count
    ema: bool
    time: Positive
    data: str
    """What was evaluated, in words."""
    split: str
    """validation, test or other."""
    images: Count
    unread: list[tuple[str, str]] = []
    """(image, why) of those that were left out."""
    trained_on: str = ""
    """Images that the run was trained on, in words; "" where its log has no beginning."""
    notes: list[str] = []
    tta: list[str] = []
    """Views whose probabilities were averaged; empty: the images as they are."""
    classes: list[str]
    right: Count
    accuracy: Share
    interval: Interval
    """95 % (Wilson)."""
    top_k: Count
    """5, or as many as there are classes."""
    top_k_accuracy: Share
    balanced_accuracy: Share
    precision: Share
    recall: Share
    f1: Share
    """Means over the classes that have images."""
    activation: str = "softmax"
    """What made probabilities of logits: softmax, or sigmoid (a yes or no for each class)."""
    several: bool = False
    """Pictures are in any number of classes: `right` and `accuracy` are of images all of whose answers are right
    (subset accuracy), `truth` and `said` of an image name all its classes; there are no top-k and no confusion."""
    hamming_loss: Share | None = None
    """With `several`: share of wrong answers to a yes or no for each class."""
    micro_f1: Share | None = None
    """With `several`: F1 of all these answers as one."""
    not_finite: Count = 0
    """Images with NaN or infinity among their logits: with any, there are no probabilities."""
    roc_auc: Share | None = None
    pr_auc: Share | None = None
    """Means over the classes, each against all others."""
    log_loss: Positive | None = None
    ece: Share | None = None
    """Expected calibration error."""
    bins: list[ReliabilityBin] = []
    temperature: Positive | None = None
    """Of the calibration, where there is one; with it:"""
    calibrated_ece: Share | None = None
    calibrated_log_loss: Positive | None = None
    calibrated_bins: list[ReliabilityBin] = []
    per_class: list[ClassScore]
    confusion: list[list[Count]]
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
    images: Count
    notes: list[str] = []
    both_right: Count
    only_first: Count
    only_second: Count
    both_wrong: Count
    p: Share
    """McNemar's exact test: the chance of a split this uneven, were both equally good."""
    differ: list[Difference] = []
    """Of at most 1,000 images."""


Told = Progress | Evaluation | Comparison
decode = msgspec.json.Decoder(Told).decode
"""A line of the process's stdout. msgspec.MsgspecError for anything else."""


def evaluate_command(folder: RunFolder) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of the process; beside a training it takes one thread."""
    threads = 1 if folder.alive() else worker_threads(threads_of(folder))
    return own_module("cvtui.engine", "--evaluate"), worker_environment(threads)


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
