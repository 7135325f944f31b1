"""The schedule against PyTorch's schedulers where they have the same one, and against the lecture's formulas."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvtui.recipe.choices.schedules import SCHEDULES, Schedule
from cvtui.recipe.choices.spec import parse_choice
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check

LR = 0.1
PER_EPOCH = 7
EPOCHS = 20
TOTAL = PER_EPOCH * EPOCHS


def make(text: str, **changes: object) -> Schedule:
    choice, values = parse_choice(text, SCHEDULES)
    settings: dict = {"lr": LR, "steps_per_epoch": PER_EPOCH, "epochs": EPOCHS} | changes
    return Schedule(name=choice.name, values=values, **settings)


def rates(schedule: Schedule) -> list[float]:
    return [schedule.lr_at(step) for step in range(schedule.total_steps)]


def pytorch_rates(build, steps: int) -> list[float]:
    """Return the rates of a PyTorch scheduler over `steps` steps; `build(optimizer)` makes it."""
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = build(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def shape_of(name: str, optimizer, total: int):
    """PyTorch's own scheduler for one of our names, over `total` of its steps."""
    from torch.optim import lr_scheduler as torchs

    match name:
        case "constant":
            return torchs.ConstantLR(optimizer, factor=1.0)
        case "cosine":
            return torchs.CosineAnnealingLR(optimizer, T_max=total)
        case "linear":
            return torchs.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=total)
        case _:
            return torchs.LambdaLR(optimizer, lambda t: 1 / math.sqrt(t + 1))


@pytest.mark.torch
@pytest.mark.parametrize("name", ["constant", "cosine", "linear", "inverse-sqrt"])
@pytest.mark.parametrize("warmup", [0, 1, 30])
def test_pytorch_gives_the_same_rates(name: str, warmup: int) -> None:
    from torch.optim.lr_scheduler import LinearLR, SequentialLR

    def build(optimizer):
        after = shape_of(name, optimizer, TOTAL - warmup)
        if not warmup:
            return after
        before = LinearLR(optimizer, start_factor=1 / (warmup + 1), end_factor=1.0, total_iters=warmup)
        return SequentialLR(optimizer, [before, after], milestones=[warmup])

    assert rates(make(name, warmup=warmup)) == pytest.approx(pytorch_rates(build, TOTAL), rel=1e-9, abs=1e-12)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")
@pytest.mark.parametrize(
    ("text", "milestones", "gamma"), [("step(3,6,9)", [3, 6, 9], 0.1), ("step(5,factor=0.5)", [5], 0.5)]
)
def test_listed_steps_are_pytorchs_multistep(text: str, milestones: list[int], gamma: float) -> None:
    from torch.optim.lr_scheduler import MultiStepLR

    def by_step(optimizer):
        return MultiStepLR(optimizer, [PER_EPOCH * epoch for epoch in milestones], gamma)

    expected = pytorch_rates(by_step, TOTAL)
    assert rates(make(text)) == pytest.approx(expected)
    assert rates(make(text, per="epoch")) == pytest.approx(expected)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")
@given(
    milestones=st.lists(st.integers(1, 60), min_size=1, max_size=12, unique=True).map(sorted),
    gamma=st.sampled_from([0.1, 0.2, 0.5, 1.0]),
)
def test_any_list_of_steps_is_pytorchs_multistep(milestones: list[int], gamma: float) -> None:
    from torch.optim.lr_scheduler import MultiStepLR

    expected = pytorch_rates(lambda optimizer: MultiStepLR(optimizer, milestones, gamma), EPOCHS)
    ours = make(f"step({', '.join(map(str, milestones))}, factor={gamma})", per="epoch")
    assert rates(ours)[::PER_EPOCH] == pytest.approx(expected)


def test_the_rate_goes_with_the_batch_where_the_recipe_says_so() -> None:
    """Goyal 2017: batch x N, rate x N; the lecture's 0.1 at 256 images is 3.2 at 8,192."""
    assert rate_of(lr=0.1, batch_size=64, scale_lr=256) == pytest.approx(0.1 * 64 / 256)
    assert rate_of(lr=0.1, batch_size=1437, scale_lr=32) == pytest.approx(0.1 * 1437 / 32)
    assert rate_of(lr=0.1, batch_size=64, scale_lr=0) == rate_of(lr=0.1, batch_size=64, scale_lr=64) == 0.1
    words = check(Recipe(lr=0.1, batch_size=64, scale_lr=256, warmup="0", schedule="constant")).schedule.describe()
    assert words.startswith("stays at 0.025 to the end")


def rate_of(**changes: object) -> float:
    return check(Recipe(schedule="constant", **changes)).schedule.lr_at(0)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_per_epoch_the_rate_of_an_epoch_is_that_of_its_first_step(name: str) -> None:
    schedule = make(name, per="epoch", warmup=3, warmup_per="epoch")
    found = rates(schedule)
    assert all(found[step] == found[step - step % PER_EPOCH] for step in range(TOTAL))


def test_drops_lower_the_rate_from_their_step_on_and_can_be_saved_as_plain_values() -> None:
    import msgspec

    schedule = make("plateau(0.5)", drops=(30, 70))
    assert [schedule.lr_at(step) / LR for step in (0, 29, 30, 69, 70, TOTAL)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    again = Schedule(**msgspec.to_builtins(schedule))
    assert rates(again) == rates(schedule)
    assert schedule.moved_to(80, 0.2).lr_at(80) == pytest.approx(0.2)


@pytest.mark.torch
def test_exponential_one_cycle_and_restarts_are_pytorchs() -> None:
    from torch.optim import lr_scheduler as torchs

    by_epoch = make("exponential(0.9)", per="epoch")
    of_epochs = pytorch_rates(lambda optimizer: torchs.ExponentialLR(optimizer, 0.9), EPOCHS)
    assert rates(by_epoch)[::PER_EPOCH] == pytest.approx(of_epochs)
    assert rates(make("exponential(0.9)"))[::PER_EPOCH] == pytest.approx(of_epochs)

    def one_cycle(optimizer):
        return torchs.OneCycleLR(optimizer, LR, total_steps=TOTAL, cycle_momentum=False)

    assert rates(make("one-cycle")) == pytest.approx(pytorch_rates(one_cycle, TOTAL), rel=1e-9)

    def restarts(optimizer):
        return torchs.CosineAnnealingWarmRestarts(optimizer, T_0=3 * PER_EPOCH, T_mult=2)

    expected = pytorch_rates(restarts, TOTAL)
    assert rates(make("cosine-restarts(3, 2)")) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_the_range_test_climbs_evenly_in_the_logarithm() -> None:
    found = rates(make("range-test(decades=4)"))
    assert found[0] == pytest.approx(LR * 1e-4)
    ratios = [after / before for before, after in pairwise(found)]
    assert ratios == pytest.approx([10 ** (4 / TOTAL)] * (TOTAL - 1))


def test_the_lectures_steps_in_a_run_of_100_epochs() -> None:
    listed, plain = make("step(30,60,90)", epochs=100), make("step", epochs=100)
    for epoch, times in [(0, 0), (29, 0), (30, 1), (59, 1), (60, 2), (89, 2), (90, 3), (99, 3)]:
        first, last = epoch * PER_EPOCH, epoch * PER_EPOCH + PER_EPOCH - 1
        for step in (first, last):
            assert listed.lr_at(step) == pytest.approx(LR * 0.1**times)
            assert plain.lr_at(step) == pytest.approx(LR * 0.1**times)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("constant", lambda _t, _total: LR),
        ("cosine", lambda t, total: LR / 2 * (1 + math.cos(math.pi * t / total))),
        ("linear", lambda t, total: LR * (1 - t / total)),
        ("inverse-sqrt", lambda t, _: LR / math.sqrt(t + 1)),
    ],
)
def test_the_lectures_formulas_per_iteration_and_per_epoch(name: str, formula) -> None:
    assert rates(make(name)) == pytest.approx([formula(t, TOTAL) for t in range(TOTAL)])
    per_epoch = [formula(epoch, EPOCHS) for epoch in range(EPOCHS) for _ in range(PER_EPOCH)]
    assert rates(make(name, per="epoch")) == pytest.approx(per_epoch)


def test_cosine_and_linear_end_at_0_and_pass_half_in_the_middle() -> None:
    for name in ("cosine", "linear"):
        schedule = make(name)
        assert schedule.lr_at(TOTAL) == schedule.lr_at(10 * TOTAL) == 0
        assert schedule.lr_at(TOTAL // 2) == pytest.approx(LR / 2)


def test_warmup_in_epochs_is_the_same_as_in_their_steps() -> None:
    assert rates(make("cosine", warmup=2, warmup_per="epoch")) == rates(make("cosine", warmup=2 * PER_EPOCH))


def test_per_epoch_the_warmup_climbs_once_an_epoch() -> None:
    schedule = make("linear", warmup=3, warmup_per="epoch", per="epoch")
    expected = [LR / 4, LR / 2, LR * 3 / 4] + [LR * (1 - t / (EPOCHS - 3)) for t in range(EPOCHS - 3)]
    assert rates(schedule) == pytest.approx([rate for rate in expected for _ in range(PER_EPOCH)])


@given(
    name=st.sampled_from(sorted(SCHEDULES)),
    per_epoch=st.integers(1, 50),
    epochs=st.integers(1, 40),
    per=st.sampled_from(["iteration", "epoch"]),
    warmup_per=st.sampled_from(["iteration", "epoch"]),
    share=st.floats(0, 0.99),
)
def test_every_schedule_climbs_then_falls_and_stays_between_0_and_the_rate(
    name: str, per_epoch: int, epochs: int, per: str, warmup_per: str, share: float
) -> None:
    length = epochs if warmup_per == "epoch" else epochs * per_epoch
    schedule = make(
        name, steps_per_epoch=per_epoch, epochs=epochs, per=per, warmup_per=warmup_per, warmup=int(share * length)
    )
    found = rates(schedule)
    warm = schedule.warmup_steps
    assert all(0 < rate <= LR * (1 + 1e-12) for rate in found), "no step is wasted at rate 0"
    assert all(after >= before for before, after in pairwise(found[:warm]))
    if name in ("one-cycle", "cosine-restarts", "range-test"):  # these climb again
        return
    assert all(after <= before for before, after in pairwise(found[warm:]))
    if name != "step":  # steps count from the run's start and may fall during the warm-up
        assert found[warm] == pytest.approx(LR)


def test_a_rate_set_by_hand_scales_what_is_ahead() -> None:
    schedule = make("cosine")
    moved = schedule.moved_to(40, 0.02)
    assert moved.lr_at(40) == pytest.approx(0.02)
    factor = 0.02 / schedule.lr_at(40)
    assert moved.lr_at(90) == pytest.approx(schedule.lr_at(90) * factor)
    assert schedule.moved_to(TOTAL, 0.02).lr_at(TOTAL + 5) == 0.02, "where nothing is left to scale, it stays"


def test_the_curve_has_the_first_and_the_last_step() -> None:
    schedule = make("linear", steps_per_epoch=1000, epochs=50)
    curve = schedule.curve(200)
    assert len(curve) == 200
    assert curve[0] == (0, LR)
    assert curve[-1] == (49_999, schedule.lr_at(49_999))
    assert make("linear", epochs=1, steps_per_epoch=1).curve() == [(0, LR)]


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (
            make("cosine", warmup=500, steps_per_epoch=345, epochs=10),
            "warms up for 500 steps to 0.1, then falls along a cosine to 0 at step 3,450",
        ),
        (make("constant"), "stays at 0.1 to the end at step 140"),
        (make("linear", per="epoch"), "falls from 0.1 in a straight line to 0 at step 140; it moves once an epoch"),
        (
            make("linear", warmup=1, warmup_per="epoch"),
            "warms up for 1 epoch to 0.1, then falls in a straight line to 0 at step 140",
        ),
        (make("step"), "starts at 0.1 and is multiplied by 0.1 at 30, 60 and 90 % of the run, to 0.0001"),
        (make("step(5,15)"), "starts at 0.1 and is multiplied by 0.1 after 5 and 15 epochs, to 0.001"),
        (
            make("step(5,50)"),
            "starts at 0.1 and is multiplied by 0.1 after 5 epochs, to 0.01 (50 lie after the run's end)",
        ),
        (
            make("plateau(0.1, 5)"),
            "stays at 0.1 and is multiplied by 0.1 whenever the validation loss has not fallen for more than 5 epochs: "
            "when that will be, only the run can tell",
        ),
        (make("inverse-sqrt"), "falls from 0.1 with 1/sqrt(t) to 0.00845 at step 140"),
    ],
)  # fmt: skip
def test_it_says_in_plain_words_what_it_will_do(schedule: Schedule, words: str) -> None:
    assert schedule.describe() == words
