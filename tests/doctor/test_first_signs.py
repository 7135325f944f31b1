"""Signs of the first steps and epochs that need neither data nor labels given: each loop with the fault and without."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cvtui.doctor import Doctor
from cvtui.engine.observe.both_modes import repeats_differ
from cvtui.engine.observe.first_answers import counted
from cvtui.engine.observe.loss_graph import read_loss
from cvtui.runlog.events import EpochDone, Facts, Steps
from tests.doctor.making import epoch
from tests.doctor.watched_loops.asked import (
    BlackAndWhite,
    EachWithEach,
    Functional,
    HalfAdam,
    HalfOfAScore,
    MeterOfBoth,
    MeterOfEach,
    OneSigmoidForAll,
    PlateauOfBatches,
    PlateauOfEpochs,
    SlowMeans,
    SmoothedRare,
    SmoothedWeighted,
    TakenOffAsFloats,
    UnusedAuxiliary,
    Wrapped,
)
from tests.doctor.watched_loops.heads import (
    ClassLeftOut,
    FromOneOn,
    Important,
    LargestOfOne,
    MinusOne,
    NamedLogits,
    NamedScores,
    OneOutput,
    ReluScores,
    SeveralOfASoftmax,
    SeveralUnderCross,
    SharesUnderCross,
    SquaredHinge,
    TooManyOutputs,
    Unlabelled,
    WeightlessClass,
)
from tests.doctor.watched_loops.images import (
    BothEvaluated,
    BrighterInTraining,
    Copied,
    FewImages,
    Mirrored,
    NeverReset,
    OneForAll,
    Rare,
    RareWeighted,
    TurnedAtRandom,
    Wrong,
)
from tests.doctor.watched_loops.layouts import (
    Permuted,
    PlacesAsClasses,
    PlacesThatVote,
    PlanesAsRows,
    StoredLast,
    Viewed,
)
from tests.doctor.watched_loops.loop import Loop, Sound
from tests.doctor.watched_loops.nets import (
    Faint,
    FaintHead,
    FixedFirst,
    KerasMomentum,
    LastOfAll,
    LoadedBody,
    MadeInForward,
    MeanTeacher,
    NormsInEval,
    OverTheImages,
    OverTheRows,
    RandomBody,
    RandomFrozen,
    ScaledInForward,
    UsualMomentum,
)
from tests.doctor.watched_loops.outside import (
    BranchAtZero,
    FocalOfScores,
    FocalOfSoftmax,
    HeadOfItsOwnOptimizer,
    HeadOutside,
    HeadOutsideTrained,
    LogSharesUnderKl,
    NormsAtZero,
    SharesUnderKl,
    WeighedByNothing,
)
from tests.doctor.watched_loops.schedules import (
    CosineByEpoch,
    CosineOfEpochs,
    CycleByBatch,
    CycleByEpoch,
    WarmedCosine,
)
from tests.doctor.watched_loops.squashed import (
    HalfACrossEntropy,
    RawUnderHinge,
    RawUnderKl,
    RawUnderMargin,
    ReluUnderMargin,
    SigmoidUnderHinge,
    SigmoidUnderMargin,
    SoftmaxOfOneByHand,
    TanhTimesTen,
    TanhUnderLogits,
    WholeCrossEntropy,
)
from tests.doctor.watched_loops.threads import (
    AnyOfTheBatch,
    AskedFirst,
    AskedWithin,
    EmptyRows,
    JudgedInTraining,
    OneBesideRows,
    ScoresOfRows,
    TwoHeads,
    TwoHeadsTwice,
    UnsureLeftOut,
)
from tests.doctor.watched_loops.updates import (
    Accumulated,
    Attacked,
    ByClosure,
    CutGently,
    CutToSigns,
    DividedByParts,
    DividedTwice,
    Emptied,
    GentlyPenalised,
    GradientsInValidation,
    OnceAnEpoch,
    OnceAnEpochTold,
    Penalised,
    SetToZero,
    Sharpened,
    StepsInValidation,
)


@pytest.mark.parametrize(
    ("kind", "fault", "words"),
    [
        (Emptied, "F44", "zero_grad() stands between"),
        (SetToZero, "F44", "zero_grad() stands between"),
        (OnceAnEpoch, "F44", "one update in 10 batches"),
        (OnceAnEpochTold, "F44", "one update in 10 batches"),
        (MadeInForward, "F45", "constructed in forward()"),
        (OverTheImages, "F57", "takes the images of the batch for the places"),
        (TooManyOutputs, "F27", "16 outputs are of no class"),
        (FromOneOn, "F27", "class 0 never comes"),
        (ReluScores, "F42", "a ReLU"),
        (MinusOne, "F40", "is given -1 to 1"),
        (LargestOfOne, "F49", "always number 0"),
        (SeveralOfASoftmax, "F40", "several labels at once"),
        (SeveralUnderCross, "F40", "rows that add up to 0 to 3"),
        (Viewed, "F58", "16 x 2 x 2 x 3 is viewed as 16 x 3 x 2 x 2"),
        (PlacesAsClasses, "F58", "16 x 4 x 2 x 2 is viewed as 64 x 4"),
        (ClassLeftOut, "F59", "images of class 0"),
        (WeightlessClass, "F59", "images of class 1"),
        (DividedTwice, "F16", "divided by the batch once more"),
        (NamedLogits, "F41", "one number for each image"),
        (OneForAll, "F13", "hold 1 different one"),
        (Mirrored, "F20", "30 of the 60 images"),
        (RandomFrozen, "F26", "are frozen (requires_grad is False), and the net is as it was drawn"),
        (NormsInEval, "F46", "1 of the batch norms"),
        (KerasMomentum, "F23", "Keras counts the other way round"),
        (Penalised, "F29", "a sum over the weights"),
        (CutToSigns, "F33", "cut value by value"),
        (NeverReset, "F49", "Is the count set back to 0?"),
        (Copied, "F20", "30 of the 60 images"),
        (Wrong, "F14", "come unchanged each time"),
        (Rare, "F24", "one class"),
        (RandomBody, "F26", "as it was drawn"),
        (AnyOfTheBatch, "F49", "any image of the batch"),
        (EmptyRows, "F59", "of class 1; validation"),
        (OneBesideRows, "F62", "2 places of a one-hot row"),
        (TwoHeadsTwice, "F15", "given 4 probabilities an image"),
        (EachWithEach, "F49", "beside labels of N"),
        (MeterOfBoth, "F49", "a share of 220 images"),
        (SmoothedRare, "F67", "lowest where class 3 is answered"),
        (Wrapped, "F28", "the same bytes turned by 128"),
        (HalfAdam, "F03", "eps is 1e-08, which is 0"),
        (OneSigmoidForAll, "F41", "There are labels above 1"),
        (SlowMeans, "F23", "of their first values"),
        (PlateauOfBatches, "F32", "all within epoch"),
        (Faint, "F10", "Of 4 layers half begin with weights that spread 0.0051/sqrt(inputs)"),
        (SigmoidUnderMargin, "F42", "between 0 and 1, and the loss is one of margins"),
        (SigmoidUnderHinge, "F42", "as a hinge does"),
        (ReluUnderMargin, "F42", "a ReLU"),
        (TanhUnderLogits, "F42", "no share can be above 0.731"),
        (RawUnderKl, "F40", "no logarithms of shares"),
        (SoftmaxOfOneByHand, "F38", "over a single output"),
        (HalfACrossEntropy, "F59", "(1 - y) log(1 - p)"),
        (CycleByEpoch, "F32", "OneCycleLR was made for 40 steps"),
        (CosineByEpoch, "F32", "has made 3 in 4 epochs"),
        (HeadOutside, "F45", "a head outside of it makes 4 scores"),
        (FocalOfSoftmax, "F15", "what a softmax has made already"),
        (WeighedByNothing, "F59", "no image counts in it"),
        (SharesUnderKl, "F40", "wants log-probabilities first"),
        (NormsAtZero, "F08", "answered alike"),
        (JudgedInTraining, "F23", "validated in training mode"),
        (StepsInValidation, "F46", "Before step 10 the optimiser made 1 update of"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_fault_is_named_first(kind: Callable[[], Loop], fault: str, words: str, tmp_path: Path) -> None:
    found = kind().run(tmp_path)
    assert next(iter(found), "nothing") == fault, {one.id: one.sentence for one in found.values()}
    assert words in found[fault].sentence


@pytest.mark.parametrize(
    "kind", [Sound, Accumulated, OverTheRows, OneOutput, SquaredHinge, BothEvaluated, RareWeighted, LoadedBody,
             SharesUnderCross, Permuted, PlacesThatVote, DividedByParts, NamedScores, UsualMomentum, GentlyPenalised,
             CutGently, PlanesAsRows, StoredLast, Unlabelled, Important, FewImages, TurnedAtRandom, FixedFirst,
             LastOfAll, MeanTeacher, UnsureLeftOut, ScoresOfRows, TwoHeads, MeterOfEach, SmoothedWeighted,
             TakenOffAsFloats, BlackAndWhite, UnusedAuxiliary, Functional, PlateauOfEpochs,
             HalfOfAScore, HeadOutsideTrained, HeadOfItsOwnOptimizer, FocalOfScores, LogSharesUnderKl, BranchAtZero,
             GradientsInValidation, ScaledInForward, BrighterInTraining, CycleByBatch, CosineOfEpochs, WarmedCosine,
             Sharpened, ByClosure, Attacked, RawUnderMargin, RawUnderHinge, TanhTimesTen, WholeCrossEntropy,
             FaintHead, AskedFirst, AskedWithin],
    ids=lambda value: value.__name__,
)  # fmt: skip
def test_a_sound_loop_is_left_in_peace(kind: Callable[[], Loop], tmp_path: Path) -> None:
    found: dict[str, Any] = kind().run(tmp_path)
    assert {one.id: one.sentence for one in found.values()} == {}


@pytest.mark.parametrize(("told", "loss", "impossible"), [(0.5, 0.05, True), (0.9, 0.05, False), (0.5, 0.5, False)])
def test_an_accuracy_that_the_loss_rules_out(told: float, loss: float, impossible: bool) -> None:
    """At a cross-entropy of 0.05 no more than 0.05 / ln 2 = 7.2 % can be wrong; at 0.5 72 %."""
    doctor = Doctor()
    doctor.take(Facts(loss_value="cross-entropy"))
    doctor.take(Steps(first=0, loss=[loss] * 60, accuracy=[told] * 60, grad_norm=[], lr=[0.1] * 60))
    doctor.update()
    assert [one.id for one in doctor.all if one.id == "F49"] == ["F49"] * impossible


def test_one_number_is_compared_without_a_warning() -> None:
    """Of a net with one output and a batch of one: PyTorch warns of the deviation of a single number."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert repeats_differ(nn.Linear(3, 1), torch.ones(1, 3)) == 0


@pytest.mark.parametrize(("times", "counted_as"), [(1.0, "half of a score"), (0.0, "")])
def test_scores_that_are_compared_with_a_half(times: float, counted_as: str) -> None:
    """Of shares a half is right, of raw scores 0: it is noted that the other was taken."""
    labels, found = torch.tensor([1, 1, 0, 0]), []
    for score in (0.2, 0.3, 0.4):
        output = torch.tensor([[score], [0.9], [-2.0 * times], [0.1 - 0.2 * times]])
        found.append((((output[:, 0] > 0.5).long() == labels).float().mean().item(), output, labels))
    assert counted(found).get("accuracy_counted", "") == counted_as


def epochs_of(val: float, val_loss: float, train_loss: float) -> list[EpochDone]:
    return [epoch(number, 0.95, val, train_loss, val_loss) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("value", "told", "faults"),
    [
        ("cross-entropy", (0.2, 0.1, 0.1), {"F49"}),  # 0.1 / ln 2: no more than one in seven is wrong
        ("cross-entropy", (0.8, 0.1, 0.1), set()),
        ("cross-entropy", (0.2, 0.01, 0.1), set()),  # it may be the loss that is divided once more
        ("", (0.0, 0.11, 0.1), {"F49"}),
        ("", (0.0, 3.0, 0.1), set()),
    ],
)
def test_a_validation_accuracy_that_its_loss_rules_out(
    value: str, told: tuple[float, float, float], faults: set[str]
) -> None:
    doctor = Doctor()
    doctor.take(Facts(loss_value=value, outputs=10))
    doctor.take(Steps(first=0, loss=[told[2]] * 90, accuracy=[0.95] * 90, grad_norm=[], lr=[0.1] * 90))
    for one in epochs_of(*told):
        doctor.take(one)
    doctor.update()
    assert {one.id for one in doctor.all if one.id == "F49"} == faults


@pytest.mark.parametrize(
    ("made", "bare"),
    [
        (lambda x, y: F.nll_loss(x.softmax(1).log(), y), True),
        (lambda x, y: -(F.one_hot(y, 3) * x.softmax(1).log()).sum(1).mean(), True),
        (lambda x, y: -x.softmax(1).gather(1, y[:, None]).log().mean(), True),
        (lambda x, y: F.nll_loss((x.softmax(1) + 1e-7).log(), y), False),
        (lambda x, y: -x.softmax(1).clamp_min(1e-7).gather(1, y[:, None]).log().mean(), False),
        (lambda x, y: F.cross_entropy(x, y), False),
    ],
)
def test_a_logarithm_of_a_share_as_it_is(made: Any, bare: bool) -> None:
    x = nn.Linear(2, 3)(torch.ones(4, 2))
    read = read_loss(made(x, torch.tensor([0, 1, 2, 0])).grad_fn, x.grad_fn, {})
    assert read.bare_log is bare


@pytest.mark.parametrize(("bare", "before"), [(True, 0.3), (False, 0.3), (True, 2.3)])
def test_a_loss_without_a_number(bare: bool, before: float) -> None:
    """A net that was learning, with a bare logarithm: this is why; else it is told that it happened."""
    doctor = Doctor()
    doctor.take(Facts(bare_log=bare, outputs=10))
    loss: list[float | None] = [2.3, *[before] * 58, math.nan]
    doctor.take(Steps(first=0, loss=loss, accuracy=[0.5] * 60, grad_norm=[], lr=[0.1] * 60))
    doctor.update()
    sentence = next(one.sentence for one in doctor.all if one.id == "F03")
    assert ("logarithm of a softmax" in sentence) is (bare and before < 1)


@pytest.mark.parametrize(
    ("rates", "faults"),
    [
        ([0.0] * 60, ["F02"]),
        ([0.0] * 10 + [0.1] * 50, []),
        ([0.1] * 10 + [0.0] * 190, ["F32"]),
        ([0.1] * 190 + [0.0] * 10, []),
        ([0.1 * (1 - step / 200) for step in range(200)], []),
    ],
    ids=["never", "warmed up", "gone at 10 of 200", "gone at the end", "a line to 0"],
)
def test_rates_that_are_nothing(rates: list[float], faults: list[str]) -> None:
    """Of a loop whose length is not known a schedule's end is no fault, a schedule that is over at once is."""
    doctor = Doctor()
    doctor.take(Facts(outputs=10, first_loss=2.3, cross_entropy=2.3))
    for first in range(0, len(rates), 10):
        piece = rates[first : first + 10]
        doctor.take(Steps(first=first, loss=[2.3] * 10, accuracy=[0.1] * 10, grad_norm=[1.0] * 10, lr=list(piece)))
        doctor.update()
    assert sorted(one.id for one in doctor.all if one.id in ("F02", "F32")) == faults


@pytest.mark.parametrize(
    ("highest", "fault"), [(2e-5, "F02"), (1e-3, "F36")], ids=["a warm-up that doesn't end", "the usual rate"]
)
def test_a_rate_that_never_came_near_what_is_usual(highest: float, fault: str) -> None:
    """Adam's is 1e-3; 2e-5 is a fiftieth."""
    doctor, steps = Doctor(), 200
    doctor.take(
        Facts(optimizer="adam", outputs=10, batch_size=32, loss_terms=["cross-entropy"], label_counts=[60] * 10)
    )
    rates: list[float | None] = [highest * (step + 1) / steps for step in range(steps)]
    doctor.take(Steps(first=0, loss=[2.3] * steps, accuracy=[0.1] * steps, grad_norm=[0.1] * steps, lr=rates))
    assert [one.id for one in doctor.update() if one.severity != "note"][:1] == [fault]
