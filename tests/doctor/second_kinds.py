"""Checks of sentences on kinds of the fourth set: images, random numbers, shared layers, options, what is counted."""

from __future__ import annotations

import itertools
import math
import re

from tests.doctor.second_log import Said, SecondReader, near, need, number


def few_images(log: SecondReader, parts: Said, _said: Said) -> None:
    need([number(parts["different"]), number(parts["images"])] == log.facts["distinct_images"], "how many")
    need("evaluated" not in parts or number(parts["evaluated"]) == log.facts["evaluated"], "evaluated")


def images_change(log: SecondReader, parts: Said, _said: Said) -> None:
    factor, shift, share = log.facts["images_changed"][:3]
    near(parts["factor"], factor)
    near(parts["shift"], abs(shift))
    need((parts["sign"] == "-") == (shift < 0), "the sign")
    need("share" not in parts or abs(number(parts["share"]) - 100 * share) < 0.1, "the share")


def broadcast(log: SecondReader, parts: Said, _said: Said) -> None:
    sizes = [re.findall(r"\d+", parts[name].replace(",", "")) for name in ("first", "second")]
    need([[int(one) for one in row] for row in sizes] == log.facts["broadcast"], f"{log.facts['broadcast']}")


def same_random(log: SecondReader, _parts: Said, _said: Said) -> None:
    need(log.facts["same_random"] is True, "the states differ")


def shared_layer(log: SecondReader, parts: Said, _said: Said) -> None:
    places = log.facts["repeated_layers"]
    need("names" not in parts or parts["names"].startswith(places[0]), f"{places}")
    need("count" not in parts or number(parts["count"]) == len(places), f"{places}")


def set_back(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["step"]) == log.facts["set_back"], "the step")


def smoothed(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["share"], log.facts["label_smoothing"])
    need("left" not in parts or abs(number(parts["left"]) + number(parts["share"]) - 1) < 1e-3, "what is left")


def another_class(log: SecondReader, parts: Said, _said: Said) -> None:
    """Find the lowest loss of one image by trying answers."""
    weights, share = log.facts["class_weights"], log.facts["label_smoothing"]
    own, best = (int(number(parts[name])) for name in ("own", "best"))
    scores = [0.0] * len(weights)

    def cost(values: list[float]) -> float:
        total = math.log(sum(math.exp(value) for value in values))
        each = [weight * (total - value) for weight, value in zip(weights, values, strict=True)]
        return (1 - share) * each[own] + share * sum(each) / len(each)

    for size in (2.0, 0.5, 0.1, 0.02, 0.004):
        for _ in range(60):
            for place, by in itertools.product(range(len(scores)), (size, -size)):
                tried = [value + by * (number == place) for number, value in enumerate(scores)]
                scores = tried if cost(tried) < cost(scores) else scores
    answers = [math.exp(value) / sum(math.exp(one) for one in scores) for value in scores]
    need(max(range(len(answers)), key=answers.__getitem__) == best, f"{answers}")
    if "answer" in parts:
        need(abs(number(parts["answer"]) - 100 * answers[best]) < 1, f"{answers}")
        near(parts["share"], share)
        near(parts["least"], min(weights))
        near(parts["most"], max(weights))


def first_values_left(log: SecondReader, parts: Said, _said: Said) -> None:
    step, momentum = number(parts["step"]), number(parts["momentum"])
    need(abs(number(parts["left"]) - 100 * (1 - momentum) ** step) < 0.1, "what is left")
    if parts.get("trained"):
        need(log.facts["mode_losses"][-1][0] == step, "the step")
        near(parts["trained"], log.facts["mode_losses"][-1][1])
        near(parts["evaluated"], log.facts["mode_losses"][-1][2])
    elif parts.get("right"):
        last = next(one for one in log.epochs.values() if one["step"] == step)
        near(parts["right"], 100 * last["train_accuracy"])
        near(parts["wrong"], 100 * last["val_accuracy"])


def cut_within(log: SecondReader, parts: Said, _said: Said) -> None:
    epoch = int(number(parts["epoch"]))
    ends = {number_: one["step"] for number_, one in log.epochs.items()}
    inside = range(ends.get(epoch - 1, 0) + 1, ends[epoch])
    cuts = [step for step in inside if log.rate[step] < 0.6 * log.rate[step - 1]]
    if "count" in parts:
        need(number(parts["count"]) == len(cuts), f"{cuts}")
        return
    told = [int(step) for step in re.findall(r"\d+", parts["steps"].replace(",", " "))]
    need(told == cuts[: len(told)], f"{cuts}")
    near(parts["factor"], log.rate[told[0]] / log.rate[told[0] - 1])


def rough(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["times"], log.facts["byte_roughness"])


def eps_of_zero(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["eps"], log.facts["zero_eps"])
    if "step" in parts:
        step = int(number(parts["step"]))
        need(log.loss.get(step) is None or parts["what"] == "gradient", "the loss is finite there")


def betas(log: SecondReader, parts: Said, _said: Said) -> None:
    first, second = log.facts["betas"]
    near(parts["first"], first)
    near(parts["second"], second)
    if "steps" in parts:
        near(parts["steps"], 1 / (1 - first), 2)
        near(parts["squares"], 1 / (1 - second), 2)


def loss_counted(log: SecondReader, parts: Said, _said: Said) -> None:
    epochs = [one for one in log.epochs.values() if "epoch" not in parts or one["epoch"] == number(parts["epoch"])]
    told = [one for one in epochs if abs(one["val_loss"] - number(parts["loss"])) <= 0.01 * one["val_loss"]]
    need(bool(told), "no epoch has that loss")
    if "trained" in parts:
        near(parts["trained"], told[0]["train_loss"])


def uphill(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["along"], log.facts["first_update"])


def attacked(log: SecondReader, _parts: Said, _said: Said) -> None:
    need(log.facts["attacked"] is True and set(log.facts["accumulated"]) == {2}, "no two passes an update")


def one_class(log: SecondReader, parts: Said, _said: Said) -> None:
    counts = log.facts["batch_labels"]
    need("number" not in parts or counts[int(number(parts["number"]))] == sum(counts), f"{counts}")
    need("labels" not in parts or number(parts["labels"]) == sum(counts), f"{counts}")
    if parts.get("validated"):
        near(parts["validated"], 100 * log.epochs[max(log.epochs)]["val_accuracy"])


def blanks(log: SecondReader, parts: Said, _said: Said) -> None:
    need([number(parts["count"]), number(parts["images"])] == log.facts["blank_images"], "how many")


def never_stepped(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["rate"], max(log.rate.values()))
    near(parts["rate"], min(log.rate.values()))
    near(parts["base"], log.facts["initial_rate"])


def waves(log: SecondReader, parts: Said, _said: Said) -> None:
    highest = max(log.rate.values())
    places = [int(number(parts[name])) for name in ("a", "b") if name in parts]
    need(all(log.rate[place] < 0.01 * highest for place in places), "the rate is not nothing there")
    need("highest" not in parts or abs(number(parts["highest"]) - highest) < 0.01 * highest, "the highest")


def by_epoch(log: SecondReader, parts: Said, _said: Said) -> None:
    planned, made, steps = log.facts["scheduler_steps"], log.facts["scheduler_made"], len(log.loss)
    need((number(parts["planned"]), number(parts["made"]), number(parts["steps"])) == (planned, made, steps), "numbers")
    need(made <= len(log.epochs) and abs(planned - steps) <= max(len(log.epochs), 0.02 * steps), "not so many")
    need("epochs" not in parts or number(parts["epochs"]) == len(log.epochs), "epochs")
    need(parts.get("kind", log.facts["scheduler"]) == log.facts["scheduler"], "the class")


def drawn_anew(log: SecondReader, parts: Said, _said: Said) -> None:
    need([number(parts["changed"]), number(parts["tried"])] == log.facts["validation_changes"], "how many")


def moved_otherwise(log: SecondReader, parts: Said, _said: Said) -> None:
    need(log.facts["updates"] == 0 and log.facts["moved_otherwise"] is True, "weights")
    need(number(parts["steps"]) == log.facts["step"], "the steps")


def together(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["count"]) == log.facts["steps_together"][-1], "how many")


def plain_tensors(log: SecondReader, parts: Said, _said: Said) -> None:
    names = log.facts["plain_tensors"]
    need("names" not in parts or parts["names"].startswith(names[0]), f"{names}")
    need("count" not in parts or number(parts["count"]) == len(names), f"{names}")


def bounded(log: SecondReader, parts: Said, _said: Said) -> None:
    need(("tanh" in parts["what"]) == (log.facts["bounded_scores"] == "tanh"), "what they are")
    if "most" in parts:
        most = math.e / (math.e + (log.facts["outputs"] - 1) / math.e)
        near(parts["most"], most)
        near(parts["floor"], -math.log(most))


def heavy(log: SecondReader, parts: Said, _said: Said) -> None:
    weight, ones, zeros = log.facts["positive_weight"]
    near(parts["weight"], weight)
    need([number(parts["ones"]), number(parts["zeros"])] == [ones, zeros], "how many")
    if "times" in parts:
        near(parts["times"], weight * ones / zeros)


def bad_validation(log: SecondReader, parts: Said, _said: Said) -> None:
    bad = [epoch for epoch in log.epochs.values() if (epoch.get("not_finite") or {}).get("val_loss")]
    need("epoch" not in parts or bad[0]["epoch"] == number(parts["epoch"]), "the epoch")
    need("count" not in parts or len(bad) >= number(parts["count"]), "how many")


def turned_round(log: SecondReader, parts: Said, _said: Said) -> None:
    low, high = log.facts["target_sums"]
    near(parts["low"], low)
    near(parts["high"], high)
    need(high < 0, "not below 0")


def unlike_before(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["spread"], log.facts["norm_spread"])
    near(parts["shift"], log.facts["norm_shift"])
    need(log.facts["norm_frozen"] is True, "its statistics follow")


def silent(log: SecondReader, parts: Said, _said: Said) -> None:
    need([int(number(parts[name])) for name in ("silent", "images", "only")] == log.facts["silent_images"], "counts")
    if parts.get("told"):
        near(parts["told"], 100 * max(one["val_accuracy"] for one in log.epochs.values()))
        need((log.facts["outputs"] == 1) == bool(parts["one"]), "outputs")


def too_small(log: SecondReader, parts: Said, _said: Said) -> None:
    gains = sorted(one["std"] * one["fan_in"] ** 0.5 for one in log.facts["weights"] if one["std"] is not None)
    need(number(parts["count"]) == len(gains), "how many")
    near(parts["gain"], gains[len(gains) // 2], 2)


def squashed(log: SecondReader, parts: Said, _said: Said) -> None:
    made = log.facts["output_made"]
    need("made" not in parts or parts["made"] == ", ".join(made), "the chain")
    need("head" not in parts or parts["head"].lower() == made[0], "the last operation")
    if "share" in parts:
        near(parts["share"], 1 / (1 + math.exp(-1)))
        near(parts["least"], math.log(1 + math.exp(-1)))
    elif "ends" in parts:
        need(
            log.facts.get("loss_kind", "") == ("margin" * bool(parts["margin"])),
            "the loss",
        )
        need(bool(parts["margin"]) or log.facts.get("one_force") or "pulls" in log.facts, "one force")


def head_that_stays(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["count"]) == log.facts["foreign_still"], "how many")
    if "outputs" in parts:
        over = [row[1] for row in log.facts["softmax_over"] if row[0] == 1]
        need(number(parts["outputs"]) == log.facts["outputs"] not in over, "outputs")
        need(number(parts["scores"]) in over, f"{over}")


def softmax_of_softmax(log: SecondReader, parts: Said, _said: Said) -> None:
    classes = int(number(parts["classes"]))
    need(sum(row[1] == classes for row in log.facts["softmax_over"]) > 1, f"{log.facts['softmax_over']}")
    near(parts["most"], 1 / (1 + (classes - 1) / math.e))


def counts_nothing(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["cost"], log.facts["cross_entropy"])
    need(not any(log.loss.values()) and log.facts["output_gradient"] == 0, "it is not 0")


def shares_given(log: SecondReader, parts: Said, _said: Said) -> None:
    alike = all(abs(one - 1) < 1e-3 for one in log.facts["given_sums"]) and log.facts["given_range"][0] >= 0
    need(alike == bool(parts["shares"]), "whether they add up to 1")
    need(alike or any(abs(one) > 1e-3 for one in log.facts["given_log_sums"]), "they are log-probabilities")
    if "low" in parts:
        near(parts["low"], log.facts["given_range"][0])
        near(parts["high"], log.facts["given_range"][1])


def zero_norms(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["count"]) == log.facts["zero_norms"], "how many")
    need(log.facts["given_sums"][0] == log.facts["given_sums"][1], "images are told apart")
