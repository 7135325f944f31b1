"""Kinds of the eighth set: each sign on recorded facts, beside what looks like it; what is said is looked up."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvtui.engine.observe.label_gradient import labels_from
from cvtui.engine.observe.loss_graph import read_loss
from cvtui.engine.observe.straight_losses import (
    at_the_top,
    neighbours_alike,
    one_target_for_all,
    picture_values,
    pulls,
    softmax_inside,
)
from cvtui.engine.observe.wrapped_bytes import jumps
from cvtui.runlog.events import EpochDone, Facts, ModuleFact, Steps
from tests.doctor.making import attended, epoch, started
from tests.doctor.second_log import SecondReader
from tests.doctor.second_reader import faults

DROPS = [ModuleFact(name=str(number), kind="Dropout", options={"p": 0.5}) for number in range(6)]
NORM = ModuleFact(name="bn1", kind="BatchNorm2d", options={"momentum": 0.1, "eps": 1e-5})
FROZEN = {"modules": [NORM], "frozen": ["conv1.weight", "bn1.weight"], "frozen_count": 2, "parameters": 2,
          "fresh_norms": 0, "norm_frozen": False}  # fmt: skip
PLAIN = {"loss_value": "cross-entropy", "outputs": 6, "batch_labels": [55] * 6, "batch_size": 32}
STREWN = {**PLAIN, "neighbours_alike": 0.01, "picture_values": True}
COUNTED = {**PLAIN, "distinct_images": [480, 480], "evaluated": 120}


def said(known: dict[str, Any], epochs: tuple[EpochDone, ...], rates: list[float] | None = None) -> list[str]:
    """Return what is said above a note of a loop of one's own; nothing of it may be false."""
    lr: list[float | None] = [*rates] if rates is not None else [0.01] * 200
    bare = msgspec.structs.replace(started(), data={}, total_steps=0, steps_per_epoch=0)
    steps = Steps(first=0, loss=[1.5] * len(lr), accuracy=[0.2] * len(lr), grad_norm=[], lr=lr)
    records = [bare, Facts(step=10, **known), steps, *epochs]
    reader = SecondReader()
    for record in records:
        reader.feed(msgspec.json.encode(record))
    doctor = attended(records)
    own = [one for one in doctor.all if one.id not in ("F19", "F36")]
    assert [words for one in own for words in faults(reader, msgspec.to_builtins(one))] == []
    return [one.id for one in doctor.update() if one.severity != "note"]


def epochs(right: float, validated: float | list[float], cost: float = 1.5, loss: float = 1.5) -> tuple[EpochDone, ...]:
    values = validated if isinstance(validated, list) else [validated] * 4
    return tuple(epoch(number, right, value, cost, loss) for number, value in enumerate(values, 1))


BAD, GOOD = epochs(0.2, 0.17), epochs(0.9, 0.9)
THROUGH = epochs(0.9, [0.158, 0.2, 0.25, 0.25, 0.25], 0.7, 0.65)
CASES: list[tuple[str, dict[str, Any], tuple[EpochDone, ...], dict[str, Any], tuple[EpochDone, ...]]] = [
    ("F40", {"outputs": 1, "pulls": [13, 0, 19]}, epochs(0.5, 0.5), {"outputs": 1, "pulls": [13, 0, 19]}, GOOD),
    ("F40", {"loss_wants": "probabilities", "loss_given": ["tanh", "linear"], "loss_kind": "binary cross-entropy",
             "given_as_is": True, "given_range": [0.1, 0.7], "outputs": 1}, BAD,
     {"loss_wants": "probabilities", "loss_given": ["tanh", "linear"], "loss_kind": "binary cross-entropy",
      "given_as_is": False, "given_range": [0.1, 0.7], "outputs": 1}, BAD),
    ("F62", {"outputs": 2, "one_target_for_all": True}, BAD, {"outputs": 2}, BAD),
    ("F34", {"outputs": 6, "modules": DROPS}, BAD, {"outputs": 6, "modules": DROPS}, GOOD),
    ("F34", {"outputs": 6, "modules": DROPS}, BAD, {"outputs": 6, "modules": DROPS[:3]}, BAD),
    ("F06", {"outputs": 6, "softmax_inside": 64}, BAD, {"outputs": 6, "softmax_inside": 64}, GOOD),
    ("F13", STREWN, BAD, {**STREWN, "neighbours_alike": 0.2}, BAD),
    ("F13", STREWN, BAD, STREWN, GOOD),
    ("F13", STREWN, BAD, {**STREWN, "picture_values": False}, BAD),
    ("F23", {**FROZEN, "outputs": 6, "mode_losses": [[40, 0.1, 0.9]]}, epochs(1.0, 0.5),
     {**FROZEN, "outputs": 6, "mode_losses": [[40, 0.1, 0.11]]}, epochs(1.0, 0.5)),
    ("F24", {"outputs": 2, "batch_labels": [208, 16], "batch_sizes": [32] * 7}, epochs(0.93, 0.94),
     {"outputs": 2, "batch_labels": [208, 16], "batch_sizes": [32] * 7}, epochs(0.93, [0.93, 0.95, 0.96])),
    ("F28", {"outputs": 6, "at_the_top": 0.98, "neighbours_alike": 0.1}, BAD,
     {"outputs": 6, "at_the_top": 0.95, "neighbours_alike": 0.6}, BAD),
    ("F28", {"outputs": 6, "jumps": [0.067, 0.003, 0.02]}, BAD, {"outputs": 6, "jumps": [0.04, 0.003, 0.36]}, BAD),
    ("F70", PLAIN, epochs(0.3, [0.158, 0.2, 0.85], 1.74, 0.35), PLAIN, epochs(0.3, [0.158, 0.2, 0.85], 1.74, 1.2)),
    ("F49", COUNTED, THROUGH, COUNTED, epochs(0.9, [0.158, 0.2, 0.242, 0.25, 0.26], 0.7, 0.65)),
    ("F49", COUNTED, THROUGH, COUNTED, epochs(0.9, [0.158, 0.2, 0.25, 0.25, 0.25], 0.7, 1.8)),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CASES)), ids=[f"{row[0]}-{place}" for place, row in enumerate(CASES)])
def test_a_sign_is_told_and_what_looks_like_it_is_not(case: int) -> None:
    fault, sick, its, sound, others = CASES[case]
    assert fault in said(sick, its)
    assert fault not in said(sound, others)


@pytest.mark.parametrize(
    ("rate", "its", "fault"),
    [
        (lambda n: 0.05 / (1 + 0.5 * n), BAD, True),
        (lambda n: 0.05 / (1 + 0.5 * n), GOOD, False),
        (lambda n: 0.05 / (1 + 1e-3 * n), BAD, False),
        (lambda n: 0.001 * 1.1 ** (n % 30), BAD, True),
        (lambda n: 0.001 * 1.1 ** (15 - abs(15 - n % 30)), BAD, False),
        (lambda n: 0.001 * min(1.1**n, 20), BAD, False),
    ],
    ids=["a half an update", "it learns", "a thousandth", "made anew", "triangles", "one warm-up"],
)
def test_rates_that_are_counted_otherwise(rate: Any, its: tuple[EpochDone, ...], fault: bool) -> None:
    """An epoch has 30 steps."""
    assert ("F32" in said({"outputs": 6}, its, [rate(step) for step in range(120)])) == fault


# ---------------------------------------------------------------------- what the engine sees


def gradient_of(loss: Any, output: Tensor) -> Tensor:
    output = output.requires_grad_()
    loss(output).backward()
    assert output.grad is not None
    return output.grad


LABEL = (torch.arange(12) % 3 == 0).float()


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (lambda out: (1 - LABEL * out[:, 0]).clamp_min(0).mean(), [4, 0, 8]),
        (lambda out: torch.where(LABEL == 1, 1 - out[:, 0], out[:, 0]).mean(), [4, 8, 0]),
        (lambda out: F.mse_loss(out[:, 0], LABEL), []),
        (lambda out: F.binary_cross_entropy_with_logits(out[:, 0], LABEL), []),
    ],
    ids=["hinge of 0 and 1", "distance", "squares", "binary cross-entropy"],
)
def test_losses_that_pull_with_one_force(loss: Any, told: list[int]) -> None:
    output = torch.randn(12, 1, generator=torch.Generator().manual_seed(2)).mul_(0.3)
    gradient = gradient_of(loss, output)
    assert pulls(output.detach(), gradient) == told
    found = labels_from(output.detach(), gradient, 1)
    assert found is None if told else found is not None and found.tolist() == LABEL.tolist()


@pytest.mark.parametrize("own", [True, False])
def test_one_label_beside_two_shares(own: bool) -> None:
    shares = torch.randn(12, 2, generator=torch.Generator().manual_seed(3)).softmax(1)
    wanted = torch.stack([1 - LABEL, LABEL], 1) if own else LABEL[:, None]
    gradient = gradient_of(lambda p: -(wanted * p.log() + (1 - wanted) * (1 - p).log()).mean(), shares)
    assert one_target_for_all(shares.detach(), gradient) is not own


def test_a_softmax_between_linear_layers_and_one_of_attention() -> None:
    x = torch.randn(4, 6)
    net = nn.Sequential(nn.Linear(6, 5), nn.Softmax(1), nn.Linear(5, 3), nn.Softmax(1))
    assert softmax_inside(net(x).log().mean().grad_fn) == 5
    plain = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3), nn.Softmax(1))
    assert softmax_inside(plain(x).log().mean().grad_fn) == 0
    gate, body, head = nn.Linear(6, 5), nn.Linear(6, 5), nn.Linear(5, 3)
    assert softmax_inside(head(gate(x).softmax(1) * body(x)).sum().grad_fn) == 0


@pytest.mark.parametrize(("shift", "as_it_is"), [(lambda t: t, True), (lambda t: (t + 1) / 2, False)])
def test_a_tanh_as_it_is_and_one_that_is_moved_into_shares(shift: Any, as_it_is: bool) -> None:
    output = shift(nn.Linear(6, 1)(torch.randn(4, 6)).tanh())
    loss = -output.clamp(1e-7, 1 - 1e-7).log().mean()
    assert read_loss(loss.grad_fn, output.grad_fn, {}).as_it_is is as_it_is


def test_pixels_of_noise_of_a_gradient_and_of_a_wrapped_byte() -> None:
    random = torch.Generator().manual_seed(4)
    noise, ramp = torch.rand(8, 3, 16, 16, generator=random), torch.linspace(0, 1, 16).expand(8, 3, 16, 16)
    alike = [neighbours_alike(one) for one in (noise, ramp + 0.02 * noise, torch.zeros(8, 3, 16, 16))]
    assert alike[:2] == [pytest.approx(0, abs=0.05), pytest.approx(0.9, abs=0.1)]
    assert alike[2] is None
    bytes_ = (255 * noise.square()).floor()
    told = [
        picture_values(one) for one in (bytes_, (noise * 1.2).clamp_max(1), noise, (255 * noise).floor(), noise.half())
    ]
    assert told == [True, True, False, False, False]
    bell = torch.randn(8, 3, 16, 16, generator=random)
    assert [picture_values(one) for one in (bell, (50 * bell).round(), bell.bfloat16(), bell > 0)] == [False] * 3 + [
        None
    ]
    assert at_the_top((noise > 0.02).float()) == pytest.approx(0.98, abs=0.01)
    assert at_the_top(noise) is None
    wrapped = ((0.5 * ramp + 0.02 * noise) * 255 * 3).floor() % 256
    far, ends = jumps(wrapped).tolist()
    assert far > 0.02 > 3 * jumps(ramp)[0].item()
    assert ends < 0.1
    for none in (torch.rand(4, 10), 0.9 + 0.01 * noise[:1]):  # (one plain image: its noise is all its range)
        assert all(map(math.isnan, jumps(none).tolist()))
