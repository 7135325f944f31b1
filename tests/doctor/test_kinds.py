"""Kinds of the fourth set: each sign on recorded facts, beside a healthy run that looks like it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch.nn import functional

from cvtui.doctor import Doctor, examine
from cvtui.engine.observe.loss_calls import LossCalls
from cvtui.engine.observe.loss_probe import of_the_outputs, target_facts
from cvtui.runlog.events import EpochDone, Facts, ModuleFact, Steps, WeightFact
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.writer import EventWriter
from tests.doctor.making import epoch, started

NORMS = [ModuleFact(name="0", kind="Conv2d"), ModuleFact(name="1", kind="BatchNorm2d", options={"momentum": 0.1})]
KNOWN = {"loss_kind": "cross-entropy", "loss_wants": "logits", "loss_sign": 1, "outputs": 10}
LABELS = {"batch_labels": [320], "batch_sizes": [32] * 10, "batch_classes": [1] * 10, "outputs": 10}
LARGE = [WeightFact(name="text.weight", layer="text", fan_in=16, fan_out=40, mean=0.0, std=1.0)]
"""As nn.Embedding draws them."""
FEW = {"batch_labels": [40] * 8, "batch_sizes": [32] * 10, "batch_classes": [8] * 10, "outputs": 10}


UNLIKE = {"input_mean": 0.8, "input_std": 1.0, "validation_mean": 0.0, "validation_std": 1.0, "validation_mode": False,
          "train": 500, "validation": 500, "batch_size": 500, "outputs": 10}  # fmt: skip
FLAT = {"input_mean": -1.98, "input_std": 0.133, "input_min": -2.1, "input_max": -1.8, "channel_std": 0.004,
        "first_layer_mean": -1.98, "first_layer_std": 0.133}  # fmt: skip
"""ImageNet's numbers for bytes, taken off pixels of 0..1: three greys."""
NEIGHBOURS = {"neighbours_train": 0.99, "neighbours_chance": 0.083, "neighbours_count": 120}


def named(
    known: dict[str, Any],
    epochs: tuple[EpochDone, ...] = (),
    rates: list[float] | None = None,
    accuracy: list[float] | None = None,
    loss: list[float] | None = None,
) -> list[str]:
    """Return what is said above a note of a loop of one's own."""
    doctor = Doctor()
    bare = msgspec.structs.replace(started(), data={}, total_steps=0, steps_per_epoch=0)
    doctor.take(bare)
    doctor.take(Facts(step=10, **known))
    lr = rates if rates is not None else [0.05] * 90
    told: list[float | None] = list(accuracy or [0.6] * len(lr))
    doctor.take(Steps(first=0, loss=list(loss or [1.0] * len(lr)), accuracy=told, grad_norm=[], lr=list(lr)))
    for one in epochs:
        doctor.take(one)
    said = [one for one in doctor.update() if one.severity != "note"]
    assert not doctor.failed
    return [one.id for one in said]


@pytest.mark.parametrize(
    ("fault", "sick", "sound"),
    [
        ("F60", {"distinct_images": [6, 480], "evaluated": 120, "batch_size": 32},
         {"distinct_images": [60, 480], "evaluated": 120, "batch_size": 32}),
        ("F61", {"images_changed": [4.5, -2.0, 1.0]}, {"images_changed": [1.0, 0.0, 1.0]}),
        ("F61", {"validation_changes": [3, 4]}, {"validation_changes": [0, 4]}),
        ("F62", {"broadcast": [[32, 1], [32]]}, {"broadcast": []}),
        ("F64", {"same_random": True}, {"same_random": False}),
        ("F65", {"repeated_layers": ["2", "3"]}, {"repeated_layers": []}),
        ("F66", {"set_back": 15, "first_update": -0.8}, {"set_back": 15, "first_update": 0.0}),
        ("F66", {"set_back": 15, "first_update": -0.8, "distinct_images": [480, 480]},
         {"set_back": 45, "first_update": -0.8, "distinct_images": [480, 1440]}),
        ("F10", {**KNOWN, "first_loss": 3.1, "weights": LARGE, "modules": [ModuleFact(name="text", kind="Linear")]},
         {**KNOWN, "first_loss": 3.1, "weights": LARGE, "modules": [ModuleFact(name="text", kind="Embedding")]}),
        ("F67", {"label_smoothing": 0.9}, {"label_smoothing": 0.2}),
        ("F67", {"label_smoothing": 0.1, "class_weights": [0.505, 50.0], "batch_labels": [99, 1]},
         {"label_smoothing": 0.1, "class_weights": [0.556, 5.0], "batch_labels": [90, 10]}),
        ("F28", {"byte_roughness": 2.4}, {"byte_roughness": 0.4}),
        ("F68", {"betas": [0.999, 0.9]}, {"betas": [0.95, 0.9]}),
        ("F17", {**KNOWN, "first_update": 0.7, "loss_scale": 1.0},
         {**KNOWN, "first_update": -0.7, "loss_scale": 1.0}),
        ("F17", {**KNOWN, "first_update": 0.7, "loss_scale": 1.0}, {**KNOWN, "first_update": 0.7}),
        ("F17", {"first_loss": -1.7, "cross_entropy": 1.7, "loss_sign": -1, "first_update": -0.7},
         {"first_loss": -1.7, "cross_entropy": 1.7, "loss_sign": -1, "first_update": 0.7}),
        ("F28", {"blank_images": [60, 320]}, {"blank_images": [3, 320]}),
        ("F42", {**KNOWN, "bounded_scores": "cosine"}, {**KNOWN, "loss_given": ["linear"]}),
        ("F44", {"updates": 0, "moved_otherwise": True}, {"updates": None}),
        ("F45", {"plain_tensors": ["weight"]}, {"plain_tensors": []}),
        ("F46", {"training_mode": False, "modules": NORMS},
         {"training_mode": False, "modules": NORMS, "frozen": ["0.weight", "1.weight", "1.bias"], "frozen_count": 3}),
        ("F46", {"updates_in_eval": [15, 4]}, {"updates_in_eval": []}),
        ("F11", {"input_mean": 77.0, "input_std": 95.0, "input_min": 0.0, "input_max": 255.0, "first_layer_mean": 77.0,
                 "first_layer_std": 95.0},
         {"input_mean": 77.0, "input_std": 95.0, "input_min": 0.0, "input_max": 255.0, "first_layer_mean": 0.1,
          "first_layer_std": 0.9}),
        ("F11", {"norm_spread": 0.21, "norm_shift": 1.0, "norm_frozen": True},
         {"norm_spread": 0.21, "norm_shift": 1.0, "norm_frozen": False}),
        ("F11", {"norm_spread": 1.1, "norm_shift": 4.0, "norm_frozen": True},
         {"norm_spread": 1.4, "norm_shift": 0.6, "norm_frozen": True}),
        ("F11", FLAT, {**FLAT, "first_layer_std": 1.0}),
        ("F57", {"across_images": ["encoder.layers.0.self_attn"]}, {"across_images": []}),
        ("F61", {"images_changed": [4.5, -2.0, 1.0, 3]}, {"images_changed": [1.0, 0.0, 1.0, 3]}),
        ("F59", {"positive_weight": [240.0, 11.0, 21.0]}, {"positive_weight": [3.0, 8.0, 24.0]}),
        ("F40", {**KNOWN, "target_sums": [-11.0, -10.0]}, {**KNOWN, "target_sums": [1.0, 1.0]}),
        ("F62", {"broadcast": [[32, 2], [32, 1]], "outputs": 1}, {"broadcast": [[32, 2], [32, 1]], "outputs": 2}),
        ("F34", {"modules": [ModuleFact(name="drop", kind="Dropout", options={"p": 0.8})]},
         {"modules": [ModuleFact(name="drop", kind="Dropout", options={"p": 0.6})]}),
        ("F41", {"outputs": 1, "label_range": [0, 9]},
         {"outputs": 1, "label_range": [0, 9], "loss_calls": ["cross_entropy"]}),
        ("F21", {**NEIGHBOURS, "neighbours_validation": 0.17}, {**NEIGHBOURS, "neighbours_validation": 0.4}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_sign_is_told_and_what_looks_like_it_is_not(fault: str, sick: dict[str, Any], sound: dict[str, Any]) -> None:
    assert named(sick)[:1] == [fault]
    assert fault not in named(sound)


def test_inputs_apart_are_a_fault_where_validation_is_worse() -> None:
    """An augmentation of training alone moves them too; what another net made is no training image."""
    worse, as_good = (epoch(1, 0.9, 0.5),), (epoch(1, 0.6, 0.7),)
    assert [named(UNLIKE, one) for one in (worse, as_good, ())] == [["F21"], [], []]
    assert named({**UNLIKE, "input_generated": True}, worse) == []


def test_of_one_class_alone_the_order_is_no_matter() -> None:
    """All right by the first epochs: no other class ever came. Sorted by class it is not."""
    right = tuple(epoch(number, 1.0, 1.0, 0.0, 0.0) for number in (1, 2))
    assert named(LABELS, right) == ["F24"]
    assert named(LABELS, tuple(epoch(number, 0.9, 0.2, 0.5, 3.0) for number in (1, 2)))[:1] == ["F12"]
    elsewhere = tuple(epoch(number, 1.0, 0.1, 0.0, 9.0) for number in (1, 2))  # (of 30 steps)
    assert named(LABELS, elsewhere, accuracy=[0.5] * 5 + [1.0] * 85)[:1] == ["F24"]
    assert named(LABELS, elsewhere, accuracy=[0.5] * 5 + [1.0] * 15 + [0.0] + [1.0] * 69)[:1] == ["F12"]


def test_outputs_of_no_class_are_no_cause_where_validation_has_the_others() -> None:
    """0 % right of images whose classes training never showed."""
    assert "F27" in named(FEW, (epoch(1, 0.6, 0.7),))
    said = named(FEW, tuple(epoch(number, 0.9, 0.0, 0.3, 7.0) for number in (1, 2)))
    assert "F21" in said
    assert "F27" not in said


def test_more_numbers_than_classes_under_a_loss_of_distances_are_an_embedding() -> None:
    """Triplets: 32 numbers an image, of 10 classes. One-hot rows of 32 places are scores all the same."""
    many = {"outputs": 32, "classes": 10, "train": 480, "label_counts": [48] * 10}
    squared = {**many, "loss_kind": "squared error", "loss_wants": "numbers"}
    assert "F27" in named(many)
    assert "F27" not in named(squared)
    assert "F27" in named({**squared, "target_kind": "one-hot"})


def test_one_batch_again_and_again() -> None:
    """In one epoch it is a test of the loop, in several that are validated it isn't; nor is a set that is one batch."""
    same = {"distinct_images": [32, 480], "evaluated": 120, "batch_size": 32}
    epochs = (epoch(1, 0.9, 0.5), epoch(2, 1.0, 0.6))
    assert named(same, epochs) == ["F60"]
    assert named(same, epochs[:1]) == []
    assert named({"distinct_images": [480, 480], "evaluated": 120, "batch_size": 480}, epochs) == []


def test_one_update_an_epoch_and_a_few_batches_together() -> None:
    """The first epoch has 30 steps; four batches a backward pass are meant."""
    assert named({"steps_together": [31, 30]}, (epoch(1, 0.3, 0.3),)) == ["F44"]
    assert named({"steps_together": [4, 4]}, (epoch(1, 0.3, 0.3),)) == []


@pytest.mark.parametrize(
    ("rate", "base", "fault"),
    [
        (lambda _: 0.0001, 0.05, ["F32"]),
        (lambda _: 0.05, 0.05, []),
        (lambda s: 0.05 * min(1.0, (s + 1) / 60), 0.05, []),
        (lambda s: 0.025 * (1 + math.cos(math.pi * s / 9)), 0.05, ["F32"]),
        (lambda s: 0.025 * (1 + math.cos(math.pi * (s % 20) / 20)), 0.05, []),
        (lambda s: 0.025 * (1 + math.cos(math.pi * s / 140)), 0.05, []),
        (lambda s: 0.05 * (1 - 0.999 * abs(1 - s % 20 / 10)), 0.05, []),
    ],
    ids=["never stepped", "no warm-up", "a warm-up", "a cosine of 9 steps", "restarts", "one cosine", "triangles"],
)
def test_schedules_in_other_units(rate: Any, base: float, fault: list[str]) -> None:
    rates = [rate(step) for step in range(140)]
    epochs = tuple(epoch(number, 0.6, 0.6) for number in (1, 2, 3))
    assert [one for one in named({"initial_rate": base}, epochs, rates) if one == "F32"] == fault


def test_a_validation_loss_that_is_nan_alone() -> None:
    """A masked row in evaluation; a loop that tells NaN for a loss it has not is none."""
    bad = [msgspec.structs.replace(epoch(n, 0.6, 0.2, 0.9), val_loss=None, not_finite={"val_loss": "nan"})
           for n in (1, 2)]  # fmt: skip
    assert named({"outputs": 6}, tuple(bad))[:1] == ["F03"]
    without = [msgspec.structs.replace(one, val_accuracy=None) for one in bad]
    assert named({}, tuple(without)) == []
    unknown = [msgspec.structs.replace(one, val_accuracy=0.9) for one in bad]
    assert named(KNOWN, tuple(unknown)) == []


def test_a_validation_loss_that_is_a_sum() -> None:
    """Six times a guess at 95 % right; overfitting is told by a lower accuracy."""
    known = {**KNOWN, "batch_labels": [30] * 10}
    assert named(known, tuple(epoch(n, 0.9, 0.95, 0.5, 6.0) for n in (1, 2, 3)))[:1] == ["F70"]
    assert "F70" not in named(known, tuple(epoch(n, 1.0, 0.9, 0.01, 2.5) for n in (1, 2, 3)))


def test_a_gradient_norm_that_is_missing_is_not_nan(tmp_path: Path) -> None:
    """Behind an optimizer that was made anew no update is seen; the log names the norms that were NaN."""
    said = {}
    for name, words in (("missing", {}), ("nan", {"grad_norm": {"nan": [2]}})):
        steps = Steps(first=0, loss=[1.0] * 4, lr=[0.1] * 4, grad_norm=[1.0, 0.9, None, None], not_finite=words)
        bare = msgspec.structs.replace(started(), data={}, total_steps=0, steps_per_epoch=0)
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        live = Doctor()
        with EventWriter(folder) as writer:
            for record in (bare, Facts(step=10), steps):
                live.take(record)
                writer.write(record)
        history = History(folder)
        history.poll()
        said[name] = [[(one.id, one.step) for one in found] for found in (live.update(), examine(history))]
    assert said == {"missing": [[], []], "nan": [[("F03", 2)], [("F03", 2)]]}


def test_a_kl_divergence_of_log_probabilities_is_given_shares() -> None:
    """log_target=True: the truth is the exponential of what is given."""
    scores, truth = (torch.randn(6, 5, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    scores.requires_grad_()
    given = functional.log_softmax(truth, 1)
    with LossCalls() as calls:
        functional.kl_div(functional.log_softmax(scores, 1), given, reduction="batchmean", log_target=True)
        functional.kl_div(functional.log_softmax(scores, 1), given, None, None, "batchmean", True)
        functional.kl_div(functional.log_softmax(scores, 1), given, reduction="batchmean")
    kinds = [target_facts(call.target)["target_kind"] for call in calls.calls if call.target is not None]
    assert kinds == ["shares", "shares", "numbers"]


def test_places_in_a_queue_are_no_classes() -> None:
    """MoCo's truth is always column 0 of one and a queue: more columns than the net has outputs."""
    output, table, truth = torch.randn(6, 5), torch.randn(6, 17, requires_grad=True), torch.zeros(6, dtype=torch.long)
    with LossCalls() as calls:
        functional.cross_entropy(table, truth)
    assert of_the_outputs(calls.calls, output) == []
    assert of_the_outputs(calls.calls, torch.randn(6, 17)) == calls.calls
    assert of_the_outputs(calls.calls, None) == calls.calls


def test_labels_are_foreign_where_the_nearest_of_a_batch_has_another_one_and_the_net_fails() -> None:
    """Images as near to one as to another, or a net that learns, say nothing."""
    known = {**KNOWN, "batch_labels": [32] * 10, "label_range": [0, 9], "outputs": 10}
    epochs = tuple(epoch(number, 0.1, 0.1, 2.3, 2.3) for number in range(1, 7))
    near, far = [0.106, 0.099, 0.54, 320.0], [0.106, 0.099, 0.8, 320.0]
    stuck, falls = [2.3] * 180, [2.3 - 0.01 * step for step in range(180)]

    def said(neighbours: list[float], loss: list[float]) -> list[str]:
        return named({**known, "batch_neighbours": neighbours}, epochs, [0.05] * 180, [0.1] * 180, loss)

    assert said(near, stuck)[0] == "F13"
    for quiet in (said(far, stuck), said([0.7, 0.099, 0.54, 320.0], stuck), said([], stuck), said(near, falls)):
        assert "F13" not in quiet


def test_a_rate_of_fine_tuning_is_too_low_where_the_loss_creeps_down() -> None:
    """A twentieth of what is usual, five epochs, the loss still near a guess and falling."""
    known = {**KNOWN, "batch_labels": [50] * 6, "label_range": [0, 5], "outputs": 6,
             "loss_value": "cross-entropy"}  # fmt: skip
    epochs = tuple(epoch(number, 0.3, 0.3, 1.77, 1.77) for number in range(1, 7))
    creeps = [1.79 - 4e-4 * step for step in range(200)]

    def said(loss: list[float], rate: float, seen: tuple[EpochDone, ...] = epochs) -> bool:
        return "F02" in named(known, seen, [rate] * 200, [0.3] * 200, loss)

    assert said(creeps, 1e-3)
    assert not said(creeps, 0.02)
    assert not said(creeps, 1e-3, epochs[:3])
    assert not said([1.79 - 2e-3 * step for step in range(200)], 1e-3)


def test_an_average_of_the_weights_that_lags_is_told_after_some_epochs() -> None:
    """Not one that keeps up, nor a saved state that stands still, nor a net that went another way."""
    epochs = tuple(epoch(number, 0.9, 0.3) for number in range(1, 7))
    assert named({"copy_follows": [0.014, 0.97]}, epochs) == ["F23"]
    for other in ([0.7, 0.97], [0.0, 0.0], [0.1, 0.2]):
        assert named({"copy_follows": other}, epochs) == []
    assert named({"copy_follows": [0.014, 0.97]}, epochs[:3]) == []
