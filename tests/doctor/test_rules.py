"""Each rule on a run that has the fault and on runs that don't."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from cvtui.doctor import Doctor, catalogue
from cvtui.doctor.registry import RULES
from cvtui.runlog.events import LayersSampled, ModuleFact, Record, WeightFact
from tests.doctor.making import attended, epoch, facts, found, learning, modules, sample, started, story
from tests.doctor.test_rank_rules import OF_RANKS

GUESS = math.log(10)


def flat(step: int) -> float:
    """Return a loss that stays that of a guess."""
    return GUESS + 0.002 * math.sin(step)


def rising(step: int) -> float:
    return GUESS + 0.5 * step


def weights(std: float, mean: float = 0.0, fan_in: int = 64) -> list[WeightFact]:
    return [WeightFact(name=f"{name}.weight", layer=name, fan_in=fan_in, mean=mean, std=std) for name in "abc"]


def halving(step: int) -> Any:
    return sample(step, weight_norm=3.0 * 0.9 ** (step / 10))


def sigmoid(share: float) -> Callable[[int], Any]:
    own = {"kind": "sigmoid", "pinned": share}
    return lambda step: sample(step, relu1=own, relu2=own)


def faint(step: int) -> Any:
    return sample(step, conv1={"grad_norm": 1e-7}, fc2={"grad_norm": 0.5})


def dead(step: int) -> Any:
    return sample(step, fc1={"grad_zeros": 0.99}, relu2={"zeros": 0.999, "dead": 1.0})


def overfit(rows: int) -> tuple[Any, ...]:
    return tuple(epoch(n, 0.99 if n > 3 else 0.7, 0.6, val_loss=0.8 + 0.2 * n) for n in range(1, rows))


def own(**changes: Any) -> list[Record]:
    return story(known=facts(**changes))


def recipe(known: dict[str, Any] | None = None, **fields: Any) -> list[Record]:
    return story(run=started(own=False, **fields), known=facts(**(known or {})))


def predicted(init: str, shares: list[float], net: str = "[fc50-relu]*6-fc") -> list[Record]:
    """Make a run whose first batch spread by these numbers at its ReLUs."""
    run = started(own=False, init=init, net=net)
    spread = {f"relu{place}": share for place, share in enumerate(shares, 1)}
    run = msgspec.structs.replace(run, prediction={"activation_std": spread})
    return story(run=run, loss=learning if init == "xavier" else flat)


STRANGERS = {"neighbours_train": 0.11, "neighbours_validation": 0.09}
"""Images whose neighbours agree by chance alone."""
EVEN = {"rows_sum_to_one": True, "log_loss": GUESS, "doubled": GUESS}
"""A net that ends in softmax and begins with even answers: −log p and the softmax of p cost the same."""


def slow_start(step: int) -> float:
    """Return the loss of a plateau of 60 steps, as textures give; then it learns."""
    return flat(step) if step < 60 else learning(step - 60)


SICK: dict[str, Callable[[], list[Record]]] = {
    "F01": lambda: story(loss=rising, rate=lambda _: 2.0, look=lambda s: sample(s, update_ratio=0.4)),
    "F02": lambda: story(loss=flat, rate=lambda _: 1e-6, look=lambda s: sample(s, update_ratio=1e-6)),
    "F03": lambda: story(loss=lambda s: None if s == 57 else learning(s)),
    "F04": lambda: story(loss=flat, look=dead),
    "F05": lambda: story(loss=flat, look=sigmoid(0.7)),
    "F06": lambda: story(loss=flat, look=faint),
    "F07": lambda: story(loss=flat, grad=lambda s: 5000.0 if s > 40 else 1.0),
    "F08": lambda: story(known=facts(weights=weights(0.0)), loss=flat, accuracy=lambda _: 0.1, epochs=()),
    "F09": lambda: own(weights=weights(0.0, 0.02)),
    "F10": lambda: own(first_loss=6.0, cross_entropy=6.0, weights=weights(1.7)),
    "F11": lambda: own(input_mean=77.0, input_std=95.0, input_min=0.0, input_max=255.0),
    "F12": lambda: own(batch_classes=[1] * 10),
    "F13": lambda: story(known=facts(**STRANGERS), loss=flat, epochs=(epoch(1, 0.1, 0.1),)),
    "F14": lambda: own(neighbours_train=0.55, neighbours_validation=0.9),
    "F15": lambda: story(known=facts(rows_sum_to_one=True, log_loss=2.31), loss=lambda s: max(1.5, learning(s))),
    "F16": lambda: own(first_loss=64 * GUESS),
    "F17": lambda: story(known=facts(first_loss=-GUESS), loss=lambda s: -GUESS - s),
    "F18": lambda: story(epochs=overfit(10)),
    "F19": lambda: story(
        known=facts(modules=modules("Linear", "ReLU", "Linear", in_features=2, out_features=2)),
        loss=lambda s: max(1.8, learning(s)),
    ),
    "F20": lambda: own(overlap=10, overlap_pairs=[[3, 4]]),
    "F21": lambda: own(neighbours_validation=0.1),
    "F22": lambda: story(
        known=facts(batch_size=2, batch_sizes=[2] * 10, modules=modules("Conv2d", "BatchNorm2d", "ReLU", "Linear")),
        loss=flat,
        epochs=(epoch(1, 0.12, 0.1),),
    ),
    "F23": lambda: own(mode_losses=[[90, 0.5, 3.0], [120, 0.4, 3.5]], modules=modules("Conv2d", "BatchNorm2d")),
    "F24": lambda: own(label_counts=[910] + [10] * 9),
    "F25": lambda: own(stale_gradient=1.3),
    "F26": lambda: own(left_out=["a.weight", "a.bias"]),
    "F27": lambda: own(outputs=100),
    "F28": lambda: own(bad_count=3, bad_items=[1, 5, 9]),
    "F29": lambda: story(known=facts(weight_decay=0.5), loss=flat, look=halving),
    "F30": lambda: story(
        known=facts(batch_size=4, batch_sizes=[4] * 10),
        rate=lambda _: 0.1,
        loss=rising,
        look=lambda s: sample(s, update_ratio=0.4),
    ),
    "F31": lambda: story(loss=rising, rate=lambda _: 0.4, look=lambda s: sample(s, update_ratio=0.4)),
    "F32": lambda: story(rate=lambda s: 0.05 * 0.8**s),
    "F33": lambda: story(loss=flat, grad=lambda _: 1e-3),
    "F34": lambda: own(modules=modules("Linear", "Dropout", "Linear", p=0.9)),
    "F35": lambda: own(modules=modules("Linear", "Linear", "Linear"), linear_pairs=[["linear0", "linear1"]]),
    "F36": lambda: story(loss=flat),
    "F37": lambda: story(
        loss=lambda _: 0.7 * GUESS, look=lambda s: sample(s, answers=0.0), epochs=(epoch(1, 0.1, 0.1),)
    ),
    "F38": lambda: own(softmax_over=[[1, 1, 2, 64]], loss_given=["softmax", "linear"], outputs=1, output_gradient=0.0),
    "F39": lambda: own(
        loss_kind="cross-entropy of probabilities",
        loss_wants="probabilities",
        loss_given=["sigmoid", "linear"],
        given_range=[0.3, 0.7],
        given_sums=[4.5, 5.5],
    ),
    "F40": lambda: own(
        loss_kind="nll",
        loss_wants="log-probabilities",
        loss_given=["softmax", "linear"],
        given_range=[0.05, 0.2],
        given_sums=[1.0, 1.0],
        given_log_sums=[2.4, 2.4],
    ),
    "F41": lambda: own(outputs=1, loss_kind="binary cross-entropy", loss_given=["sigmoid", "linear"]),
    "F42": lambda: own(loss_kind="cross-entropy", loss_wants="logits", loss_given=["dropout", "linear"]),
    "F43": lambda: own(loss_kind="poisson", loss_wants="numbers", loss_given=["linear"], target_kind="one-hot"),
    "F44": lambda: own(updates=0, step=64),
    "F45": lambda: own(unlisted=["blocks[0]", "blocks[1]"], foreign_leaves=4),
    "F56": lambda: own(stale_casts=4),
    "F46": lambda: own(training_mode=False, modules=modules("Conv2d", "BatchNorm2d", "Linear")),
    "F47": lambda: own(evaluations_differ=0.8),
    "F57": lambda: own(neighbours_matter=0.8),
    "F58": lambda: own(moved_axes=[[32, 16, 16, 3], [32, 3, 16, 16]]),
    "F60": lambda: own(distinct_images=[6, 480], evaluated=120, batch_size=32),
    "F61": lambda: own(images_changed=[4.545, -2.045, 1.0]),
    "F62": lambda: own(broadcast=[[64, 1], [64]]),
    "F64": lambda: own(same_random=True),
    "F65": lambda: own(repeated_layers=["conv1", "fc1"]),
    "F66": lambda: own(set_back=15, first_update=-0.9),
    "F67": lambda: own(label_smoothing=0.9),
    "F68": lambda: own(betas=[0.999, 0.9]),
    "F70": lambda: story(epochs=tuple(epoch(number, 0.9, 0.95, 0.5, 6.0) for number in (1, 2, 3))),
    "F59": lambda: own(left_out_classes=[0], left_out_images=7),
    "F48": lambda: own(softmax_over=[[0, 64, 2, 64]], loss_given=["softmax", "linear"]),
    "F49": lambda: own(
        accuracy_counted="factor of the images",
        accuracy_factor=1 / 600,
        accuracies=[[0.0107, 0.1], [0.0213, 0.2], [0.032, 0.3]],
    ),
    "F50": lambda: own(accumulated=[4, 4], loss_scale=1.0),
    "L01": lambda: predicted("xavier", [0.6, 0.42, 0.3, 0.21, 0.15, 0.1]),
    "L02": lambda: predicted("normal(0.01)", [0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6]),
    "L03": lambda: own(input_min=0.0, input_mean=0.4, input_std=0.3),
    "L04": lambda: recipe(net="conv8-pool-pool-pool-conv8f3p1-relu-fc"),
    "L05": lambda: recipe(net="conv8f3s2p0-relu-fc"),
    "L06": lambda: recipe(net="conv8-relu-fc1000-relu-fc"),
    "L08": lambda: own(modules=modules("Linear", "ReLU", "Linear", in_features=1, out_features=1)),
    "L07": lambda: recipe(net="fc100-relu-fc"),
}

HEALTHY: dict[str, Callable[[], list[Record]]] = {
    "a head of one unit beside another": lambda: own(
        modules=[*modules("Linear", in_features=64, out_features=1), *modules("Linear", in_features=64, out_features=5)]
    ),
    "squeeze and excitation": lambda: own(
        modules=[
            *modules("Linear", in_features=16, out_features=1),
            *modules("ReLU", "Linear", in_features=1, out_features=16),
            *modules("Conv2d", in_channels=16, out_channels=16),
        ]
    ),
    "own loop": story,
    "recipe": lambda: recipe(),
    "large steps while it learns": lambda: story(look=lambda s: sample(s, update_ratio=0.2 if s < 15 else 0.02)),
    "small steps when all is learnt": lambda: story(look=lambda s: sample(s, update_ratio=1e-2 if s < 200 else 5e-5)),
    "a cosine": lambda: story(rate=lambda s: 0.025 * (1 + math.cos(math.pi * s / 300))),
    "a warm-up": lambda: story(rate=lambda s: 0.05 * min(1, (s + 1) / 50)),
    "log-probabilities": lambda: own(log_loss=GUESS),
    "probabilities and -log": lambda: own(rows_sum_to_one=True, log_loss=GUESS, cross_entropy=2.29),
    "a last layer of zeros": lambda: own(
        weights=[*weights(0.17), WeightFact(name="d.weight", layer="d", fan_in=64, mean=0.0, std=0.0)]
    ),
    "sparse gradients when all is learnt": lambda: story(
        look=lambda s: sample(s, fc1={"grad_zeros": 0.9}, relu2={"zeros": 0.95}) if s > 150 else sample(s)
    ),
    "ten thousand images of few classes": lambda: own(batch_classes=[9, 8, 10, 9, 7, 10, 9, 9, 10, 10]),
    "no gradient norms": lambda: story(grad=lambda _: None),
    "nothing known but the loss": lambda: story(known=facts(), look=lambda s: sample(s)),
    "clipped at one": lambda: story(grad=lambda _: 1.0),
    # The seven false alarms that users met.
    "softmax, then −log of it, without labels": lambda: own(**(EVEN | {"cross_entropy": None, "log_loss": None})),
    "softmax, then −log of it, even at first": lambda: own(**EVEN),
    "textures, whose neighbours agree by chance": lambda: story(known=facts(**STRANGERS), loss=slow_start),
    "points that lie raw in their sets": lambda: own(
        raw_moments=[[0.5, 0.29], [0.49, 0.29]], validation_mean=None, validation_std=None, validation_mode=None
    ),
    "four points a batch": lambda: own(
        input_shape=[2], batch_size=4, batch_sizes=[4] * 10, input_mean=0.62, input_std=0.55, validation_mean=0.0
    ),
    "Adam's first steps on a plateau": lambda: story(
        run=started(lr=0.01, optimizer="adam"),
        known=facts(optimizer="adam", momentum=0.9),
        rate=lambda _: 0.01,
        loss=slow_start,
        look=lambda s: sample(s, update_ratio={0: 0.35, 10: 0.29}.get(s, 0.02)),
    ),
    "one answer on a plateau": lambda: story(
        known=facts(label_counts=[500, 500], classes=2),
        loss=slow_start,
        look=lambda s: sample(s, answers=0.0 if s < 100 else 0.6),
        epochs=(epoch(9, 0.86, 0.86),),
    ),
    "a backbone frozen on purpose": lambda: own(frozen=["a.weight", "a.bias"]),
    "a backbone left out, under no_grad": lambda: own(left_out=["a.weight"], no_gradient=["a.bias", "a.weight"]),
    "fine-tuning in batches of four": lambda: story(
        known=facts(batch_size=4, batch_sizes=[4] * 10, modules=modules("Conv2d", "BatchNorm2d", "ReLU", "Linear")),
        run=started(lr=0.01, optimizer="sgd"),
        epochs=(epoch(1, 0.85, 0.93), epoch(2, 0.9, 0.98)),
    ),
    "two hundred steps of one image": lambda: story(
        known=facts(batch_size=1, batch_sizes=[1] * 10),
        run=msgspec.structs.replace(started(lr=8e-4), total_steps=0),
        rate=lambda _: 8e-4,
        loss=lambda s: flat(s) if s < 220 else learning(s - 220),
        look=lambda s: sample(s, answers=0.0 if s < 220 else 2.2),
        epochs=(),
    ),
    "the most negative likelihood": lambda: story(
        known=facts(first_loss=-0.1, loss_kind="nll", loss_given=["linear"], given_log_sums=[0.0, 0.0]),
        loss=lambda s: -0.1 - s / 300,
    ),
    "several labels an image": lambda: own(
        first_loss=0.695,
        cross_entropy=None,
        loss_kind="binary cross-entropy with logits",
        loss_terms=["binary cross-entropy"],
        loss_wants="logits",
        loss_given=["linear"],
        target_kind="several a row",
        target_range=[0.0, 1.0],
    ),
    "a net that was trained before": lambda: story(
        known=facts(first_loss=0.2, cross_entropy=0.2, loss_kind="cross-entropy", loss_given=["linear"]),
        loss=lambda s: 0.2 / (1 + s / 100),
        accuracy=lambda _: 0.95,
    ),
    "a net that was trained to its end before": lambda: story(
        known=facts(first_loss=0.2, cross_entropy=0.2, loss_kind="cross-entropy", loss_given=["linear"]),
        loss=lambda s: 0.2 + 0.01 * (s % 3),
    ),
    "accumulation that is divided": lambda: own(accumulated=[4, 4], loss_scale=0.25),
    "two batches added up": lambda: own(accumulated=[2, 2], loss_scale=1.0),
    "two losses of one batch": lambda: own(accumulated=[1, 1], loss_scale=1.0),
    "gradients added up by a scaler": lambda: own(accumulated=[4, 4], loss_scale=16384.0),
    "a head that alone is in the optimizer": lambda: own(
        parameters=8, left_out=["a.weight", "a.bias", "b.weight"], left_out_count=6, left_out_idle=0, holds_tail=True
    ),
    "one layer that begins at zero": lambda: own(weights=weights(0.0)[:1]),
    "a short run": lambda: story(steps=40, epochs=(epoch(1, 0.5, 0.5),)),
    "not yet ended": lambda: story(ended=False),
}


@pytest.mark.parametrize("fault", SICK)
def test_the_fault_is_found(fault: str) -> None:
    everything = found(SICK[fault]())
    assert fault in everything, f"found only {sorted(everything)}"
    one = everything[fault]
    assert one.sentence.endswith((".", "?"))
    assert one.step < 300
    assert one.advice
    assert 0 < one.sure <= 1


@pytest.mark.parametrize(
    ("size", "loss", "severity"),
    [
        (0.5, lambda s: {1: 9.0, 2: 8.0}.get(s, max(1.6, 3.5 - s / 10)), "warn"),  # it learns, and badly
        (0.5, lambda s: {1: 9.0, 2: 8.0}.get(s, max(0.3, 3.5 - s / 10)), "note"),  # it has got over it
        (0.5, lambda s: {1: 9.0}.get(s, learning(s)), ""),  # one step later all is well
        (0.5, learning, ""),
        (0.2, lambda s: {1: 9.0, 2: 8.0}.get(s, max(0.3, 3.5 - s / 10)), ""),
        (0.12, lambda _: GUESS + 0.02, "warn"),  # nothing is learnt
        (0.12, learning, ""),
        (0.04, lambda _: GUESS + 0.02, ""),
    ],
)
def test_a_first_step_that_is_too_large_is_seen_without_another_look(
    size: float, loss: Callable[[int], float], severity: str
) -> None:
    """Samples thin out by the clock: of a net with short steps the first may be all there is."""

    def look(step: int) -> LayersSampled:
        return sample(step, update_ratio=size)

    records = story(loss=loss, rate=lambda _: 0.4, look=look, accuracy=lambda _: 0.3, epochs=())
    first = [one for one in records if not isinstance(one, LayersSampled) or not one.step]
    one = found(first).get("F31")
    assert (one.severity if one else "") == severity
    if one is not None:
        assert one.step == 0
        assert f"step 0 moved the weights of conv1 by {100 * size:g} % of their size" in one.sentence


def test_gradients_are_judged_where_each_tenth_is_looked_at() -> None:
    """As in a short loop of one's own: norms that agree with the one before, and no word of ten steps or a mean."""
    assert "F33" not in found(story(grad=lambda step: None if step % 10 else 0.02 + 0.01 * math.sin(step)))
    told = found(story(loss=flat, grad=lambda step: None if step % 10 else 1e-3))["F33"].sentence
    assert "of those that were looked at, each nearly that of the one before" in told
    grown = found(story(loss=flat, grad=lambda step: None if step % 10 else 5000.0 if step > 40 else 1.0))
    assert "the gradient's norm was 5e+03 where it was looked at" in grown["F07"].sentence


def test_a_net_that_draws_its_images_may_draw_in_evaluation_too() -> None:
    """As a variational autoencoder does: its targets are numbers, not classes."""
    known = {"loss_kind": "binary cross-entropy", "loss_given": ["sigmoid", "linear"], "outputs": 256}
    assert found(own(evaluations_differ=0.8, target_kind="numbers", **known))["F47"].severity == "note"
    assert found(own(evaluations_differ=0.8, target_kind="one-hot", **known))["F47"].severity == "warn"


def test_a_batch_that_is_rounded_together_is_no_mixed_one() -> None:
    """Quantisation takes one scale for all images: a note; what mixes them moves answers far more, or pulls."""
    pairs = ((0.02, 0.0), (0.4, 0.0), (0.04, 0.05))
    told = [found(own(neighbours_matter=apart, neighbours_pull=pull))["F57"].severity for apart, pull in pairs]
    assert told == ["note", "stop", "stop"]


def test_weights_whose_norm_overflowed_did_not_shrink() -> None:
    """A norm beyond a float is null in the log; counted as 0 it was a decay that had taken all of the weights."""

    def overflows(step: int) -> Any:
        return sample(step, weight_norm=3.0 if step < 10 else None)

    assert "F29" not in found(story(known=facts(weight_decay=1e-3), loss=rising, look=overflows))


def test_what_begins_at_zero_and_learns_by_its_shortcuts_is_a_note() -> None:
    told = found(own(weights=weights(0.0)))["F08"]
    assert (told.severity, told.sentence.endswith("that part begins as nothing.")) == ("note", True)


def test_what_the_recipe_freezes_is_not_put_down_to_the_optimizer() -> None:
    known = facts(frozen=["a.weight", "a.bias"])
    asked = found(story(run=started(own=False, freeze="until:a"), known=known))["F26"]
    assert asked.advice == "The recipe's freeze is until:a: a fork with another one, or with none, trains more."
    assert "check requires_grad" in found(story(known=known))["F26"].advice


@pytest.mark.parametrize(("named", "severity"), [("bn.weight", "note"), ("fc.weight", "warn"), ("linear.bias", "warn")])
def test_a_norm_that_forward_leaves_out_is_a_note(named: str, severity: str) -> None:
    """A matrix may be of a forgotten layer; a vector of a layer that was called hangs by a cut graph."""
    matrices = [WeightFact(name=name, fan_in=8, mean=0.0, std=0.1) for name in ("linear.weight", "fc.weight")]
    called = [ModuleFact(name="linear", kind="Linear")]
    known = facts(no_gradient=[named], no_gradient_count=1, parameters=5, weights=matrices, modules=called)
    assert found(story(known=known))["F26"].severity == severity


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_raises_no_alarm(name: str) -> None:
    """At no step: an alarm that is taken back was one."""
    doctor = Doctor()
    for record in HEALTHY[name]():
        doctor.take(record)
        doctor.update()
        assert [one.sentence for one in doctor.all if one.severity != "note"] == []
    assert doctor.failed == {}


def test_every_fault_of_the_table_has_a_rule_and_a_sick_run() -> None:
    assert set(RULES) == set(catalogue) == {*SICK, *OF_RANKS}


@pytest.mark.parametrize("fault", sorted(set(SICK) - {"L03", "L04", "L05", "L06", "L07", "F18"}))
def test_one_fault_is_told_first_and_is_no_note(fault: str) -> None:
    roots = attended(SICK[fault]()).update()
    assert (roots[0].id, roots[0].severity == "note") == (fault, fault == "L01")


def test_a_stem_that_leaves_padding_alone_unread_is_no_fault() -> None:
    """(8 + 2·2 − 5)/2 + 1 is not whole, and yet each pixel is read; without padding one row is not."""
    assert "L05" not in found(recipe(net="conv8f5s2-relu-gap-fc"))
    assert "L05" in found(recipe(net="conv8f5s2p0-relu-gap-fc"))


def test_ended_well_one_answer_is_past_and_warns_no_more() -> None:
    """200 steps of one answer, then 86 % of two classes, which cost 0.62 of a guess."""
    everything = found(
        story(
            known=facts(label_counts=[500, 500], classes=2),
            loss=lambda s: math.log(2) if s < 200 else 0.43,
            look=lambda s: sample(s, answers=0.0 if s < 200 else 0.6),
            epochs=(epoch(9, 0.86, 0.86),),
        )
    )
    assert everything["F37"].severity == "note"
    assert "Then they were not." in everything["F37"].sentence
    assert {one.severity for one in everything.values()} == {"note"}


def test_labels_without_neighbours_warn_once_the_net_has_failed_too() -> None:
    early = found(story(known=facts(**STRANGERS), loss=flat, steps=60, ended=False, epochs=()))["F13"]
    late = found(SICK["F13"]())["F13"]
    assert (early.severity, late.severity) == ("note", "warn")
    assert early.value is not None
    assert early.threshold is not None
    assert early.value < early.threshold, "a number that is within its limit"


def test_softmax_twice_is_decided_by_the_first_loss_where_that_can_tell() -> None:
    p = {"rows_sum_to_one": True, "log_loss": 2.35, "cross_entropy": 2.30}
    stuck: dict[str, Any] = {"loss": lambda _: 2.29, "epochs": (epoch(1, 0.1, 0.1),)}
    assert "F15" in found(story(known=facts(**p, first_loss=2.30), **stuck))
    assert "F15" not in found(story(known=facts(**p, first_loss=2.35), **stuck))


@pytest.mark.parametrize(
    ("theirs", "images", "told"), [([0.0, 1.0], 500, False), ([0.6, 1.0], 500, True), ([0.0, 2.2], 500, True),
                                   ([0.6, 1.0], 8, False), ([0.0, 2.2], 8, False), ([77.0, 95.0], 8, True)]
)  # fmt: skip
def test_both_sets_are_compared_as_they_lie_until_the_model_has_seen_both(
    theirs: list[float], images: int, told: bool
) -> None:
    raw = {"raw_moments": [[0.0, 1.0], theirs], "train": images, "validation": images, "validation_mode": None}
    assert ("F21" in found(own(**raw))) is told
    assert "F21" not in found(own(**(raw | {"validation_mode": False}))), "what the model saw counts more"


@pytest.mark.parametrize(("step", "norm", "told"), [(8, True, False), (8, False, True), (30, True, True)])
def test_validation_counts_once_the_running_means_of_batch_norm_have_settled(step: int, norm: bool, told: bool) -> None:
    """After 8 steps they hold 43 % of what they began with (0.9^8), after 30 steps 4 %."""
    bad = msgspec.structs.replace(epoch(2, 0.9, 0.04, train_loss=0.2, val_loss=20.0), step=step)
    known = facts(modules=modules("Conv2d", *(["BatchNorm2d"] if norm else []), "ReLU", "Linear"))
    assert ("F21" in found(story(known=known, epochs=(bad,)))) is told


@pytest.mark.parametrize(("counts", "told"), [([], False), ([200, 20], False), ([110, 110], True)])
def test_a_low_first_loss_waits_for_the_count_of_the_labels(counts: list[int], told: bool) -> None:
    """Of 200 and 20 images knowing the shares alone costs 0.305: 0.51 is no better than a guess."""
    known = {"label_counts": counts, "classes": 2, "outputs": 2, "first_loss": 0.51, "cross_entropy": 0.51}
    assert ("F10" in found(recipe(known))) is told


@pytest.mark.parametrize(
    ("first", "outputs", "told"), [(1.2, 3.1, False), (1.2, 1.2, True), (8.0, 1.6, False), (8.0, 8.0, True)]
)
def test_a_first_loss_is_compared_with_a_guess_where_it_is_that_of_the_outputs(
    first: float, outputs: float, told: bool
) -> None:
    """1.2 for outputs that cost 3.1, of ten classes: half of it and a teacher's part; 8 for 1.6: a penalty on top."""
    known = facts(first_loss=first, cross_entropy=outputs, loss_terms=["cross-entropy"], loss_kind="cross-entropy")
    assert ("F10" in found(story(known=known, loss=lambda _: first, accuracy=lambda _: 0.1, epochs=()))) is told


def test_a_low_first_loss_that_is_lost_is_no_training_before() -> None:
    known = facts(first_loss=0.2, cross_entropy=0.2, loss_kind="cross-entropy", loss_given=["linear"])
    told = {
        name: found(story(known=known, loss=loss, accuracy=lambda _: 0.1, epochs=()))["F10"]
        for name, loss in (("stays", lambda _: 0.2), ("is lost", lambda s: min(2.3, 0.2 + s / 50)))
    }
    assert {name: one.severity for name, one in told.items()} == {"stays": "note", "is lost": "warn"}
    assert "if the net was trained before" in told["stays"].advice
    assert "he for ReLU" in told["is lost"].advice


def test_a_symptom_is_told_as_a_consequence() -> None:
    roots = attended(story(loss=flat, rate=lambda _: 1e-6, look=lambda s: sample(s, update_ratio=1e-6))).update()
    assert [root.id for root in roots] == ["F02"]
    assert "F36" in roots[0].consequences


def test_a_cure_changes_the_recipe_and_words_a_loop_of_ones_own() -> None:
    asked = story(
        run=started(own=False, lr=2.0), loss=rising, rate=lambda _: 2.0, look=lambda s: sample(s, update_ratio=0.4)
    )
    (first, *_) = attended(asked).update()
    assert first.id == "F01"
    assert 0 < first.cure["lr"] <= 0.2
    (first, *_) = attended(SICK["F01"]()).update()
    assert first.cure == {}
    assert first.as_json()["cure"] == first.advice


def test_numbers_are_in_the_sentence() -> None:
    one = found(SICK["F01"]())["F01"]
    assert "40 %" in one.sentence
    assert "6.7 %" in one.sentence
    assert one.layer in ("conv1", "fc1", "fc2")
    assert one.threshold == 0.1


def test_no_rate_is_blamed_for_a_loss_before_the_first_step() -> None:
    for first, test in ((0, ""), (9, "rate/10")):
        broken = story(run=started(own=False), loss=lambda step, first=first: None if step >= first else learning(step))  # type: ignore[misc]
        one = found(broken)["F03"]
        assert one.test == test
        assert ("no rate helps" in one.advice) == (first == 0)


def test_a_run_that_recovers_is_no_fault_in_the_end() -> None:
    def loss(step: int) -> float:
        return 3.0 * GUESS if step < 20 else learning(step)

    everything = found(story(loss=loss, look=lambda s: sample(s, update_ratio=0.4 if s < 20 else 5e-3)))
    assert {one.severity for one in everything.values()} <= {"note"}
