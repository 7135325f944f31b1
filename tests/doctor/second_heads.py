"""Checks of sentences on kinds of the eighth set: losses of no formula, softmax and dropout inside, rates, counts."""

from __future__ import annotations

import math
import re

from tests.doctor.second_log import Said, SecondReader, near, need, number


def straight(log: SecondReader, parts: Said, _said: Said) -> None:
    up, down, none = log.facts["pulls"]
    need([number(parts["up"]), number(parts["down"])] == [up, down] and not none, f"{log.facts['pulls']}")
    if parts.get("lowest"):
        near(parts["lowest"], min(loss for loss in log.loss.values() if loss is not None))


def hinge(log: SecondReader, parts: Said, _said: Said) -> None:
    up, down, none = log.facts["pulls"]
    need([number(parts["up"]), number(parts["none"])] == [up, none] and not down, f"{log.facts['pulls']}")
    if parts.get("right"):
        near(parts["right"], 100 * [one["val_accuracy"] for one in log.epochs.values()][-1])


def one_target(log: SecondReader, parts: Said, _said: Said) -> None:
    need(log.facts["one_target_for_all"] is True and number(parts["outputs"]) == log.facts["outputs"], "the shares")


def dropouts(log: SecondReader, parts: Said, _said: Said) -> None:
    drops = [one["options"]["p"] for one in log.facts["modules"] if "Dropout" in one["kind"]]
    strong = [p for p in drops if p >= 0.3]
    need(number(parts["count"]) == len(strong), f"{drops}")
    if parts.get("left"):
        near(parts["left"], 100 * math.prod(1 - p for p in strong))
        near(parts["least"], min(strong))


def inside(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["width"]) == log.facts["softmax_inside"] > 1, "how wide")
    if parts.get("each"):
        near(parts["each"], 1 / log.facts["softmax_inside"], 2)


def noise(log: SecondReader, parts: Said, said: Said) -> None:
    near(parts["alike"], log.facts["neighbours_alike"], 2)
    need((said["severity"] == "note") == (log.facts.get("picture_values") is not True), "a note of random numbers")
    if parts.get("right"):
        near(parts["right"], 100 * max(one["val_accuracy"] for one in log.epochs.values()))


def by_updates(log: SecondReader, parts: Said, _said: Said) -> None:
    decay = log.rate[0] / log.rate[1] - 1
    near(parts["decay"], decay)
    for step in (5, 15):
        need(math.isclose(log.rate[step], log.rate[0] / (1 + decay * step), rel_tol=2e-3), f"step {step}")
    if parts.get("tenth"):
        need(1 + decay * number(parts["tenth"]) > 9.99 > 1 + decay * (number(parts["tenth"]) - 2), "a tenth")
        near(parts["rate"], log.rate[int(number(parts["step"]))], 2)


def anew(log: SecondReader, parts: Said, _said: Said) -> None:
    ends = [0, *(one["step"] for one in log.epochs.values())][: int(number(parts["count"])) + 1]
    need(len({round(log.rate[end], 9) for end in ends[:-1]}) == 1, "they begin otherwise")
    if parts.get("low"):
        near(parts["low"], log.rate[0])
        near(parts["high"], log.rate[ends[1] - 1])


def frozen_norms(log: SecondReader, parts: Said, _said: Said) -> None:
    at, trained, evaluated = log.facts["mode_losses"][-1]
    near(parts["trained"], trained)
    near(parts["evaluated"], evaluated)
    need(log.facts["fresh_norms"] == 0 and at == number(parts["step"]), "norms, step")


def cut(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["top"], 100 * log.facts["at_the_top"])
    if parts.get("alike"):
        near(parts["alike"], log.facts["neighbours_alike"], 2)


def wraps(log: SecondReader, parts: Said, _said: Said) -> None:
    trained, validated, ends = log.facts["jumps"]
    near(parts["trained"], 100 * trained)
    near(parts["validated"], 100 * validated)
    if parts.get("ends"):
        near(parts["ends"], 100 * ends)


def loss_too_low(log: SecondReader, parts: Said, _said: Said) -> None:
    bad = [one for one in log.epochs.values() if 0 < one["val_loss"] < 0.8 * (1 - one["val_accuracy"]) * math.log(2)]
    need(len(bad) > 1, "no such loss")
    near(parts["loss"], bad[0]["val_loss"])
    if parts.get("wrong"):
        near(parts["wrong"], 100 * (1 - bad[0]["val_accuracy"]))
        near(parts["least"], (1 - bad[0]["val_accuracy"]) * math.log(2))
        near(parts["trained"], bad[0]["train_loss"])


def of_training(log: SecondReader, parts: Said, _said: Said) -> None:
    images, validated = log.facts["distinct_images"][1], log.facts["evaluated"]
    need([number(parts["validated"]), number(parts["images"])] == [validated, images], "how many")
    told = [one["val_accuracy"] for one in log.epochs.values()]
    need(max(told) <= validated / images + 1e-3, f"{told}")
    if parts.get("count"):
        exact = sum(abs(one - validated / images) < 1e-4 for one in told)
        need(number(parts["count"]) == exact, f"{told}")
        near(re.sub(r"\.$", "", parts["ceiling"]), validated / images)


def in_turn(log: SecondReader, parts: Said, _said: Said) -> None:
    need(parts["names"].startswith(log.facts["across_images"][0]), f"{log.facts['across_images']}")


def channels_change(log: SecondReader, parts: Said, _said: Said) -> None:
    factor, shift, share, channels = log.facts["images_changed"]
    near(parts["factor"], factor)
    near(parts["shift"], abs(shift))
    need((parts["sign"] == "-") == (shift < 0) and number(parts["channels"]) == channels, "sign and channels")
    need(abs(number(parts["share"]) - 100 * share) < 0.1, "the share")


def beside(log: SecondReader, parts: Said, _said: Said) -> None:
    share, chance, near_by, count = log.facts["batch_neighbours"]
    need(near_by < 0.6, "they lie apart")
    for name, real in (("agree", share), ("by_chance", chance), ("share", 100 * share), ("chance", 100 * chance)):
        need(name not in parts or abs(number(parts[name]) - real) <= 0.006 * max(real, 1e-3), name)
    need("count" not in parts or number(parts["count"]) == count, "how many")


def creeps(log: SecondReader, parts: Said, said: Said) -> None:
    need(number(parts["epochs"]) <= len(log.epochs), "the epochs")
    near(parts["rate"], max(rate for step, rate in log.rate.items() if step <= said["step"]))
    need(parts["optimizer"] == log.facts["optimizer"] and number(parts["times"]) > 20, "the optimizer, its rate")
    late = [loss for step, loss in log.loss.items() if said["step"] - 60 < step <= said["step"] and loss is not None]
    need(abs(number(parts["loss"]) - sum(late) / len(late)) < 0.02 * number(parts["loss"]), "the loss")


def copy_lags(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["share"], 100 * log.facts["copy_follows"][0])
    need("epochs" not in parts or number(parts["epochs"]) == len(log.epochs), "the epochs")
