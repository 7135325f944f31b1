"""Checks of what is said of labels, evaluated images and the first epoch, against the steps and facts of the log."""

from __future__ import annotations

import math

from tests.doctor.second_log import Said, SecondReader, near, need, number


def labels_seen(log: SecondReader, parts: Said, _said: Said) -> None:
    facts = log.facts
    counts = facts["batch_labels"]
    places = [place for place, count in enumerate(counts) if count]
    need(number(parts["out"]) == facts["outputs"] and number(parts["count"]) == sum(counts), f"{counts}")
    need(number(parts["batches"]) == len(facts["batch_sizes"]), "the batches")
    need((number(parts["first"]), number(parts["last"])) == (places[0], places[-1]), f"{places}")
    if parts["left"]:
        need(number(parts["left"]) == facts["outputs"] - len(places), "those left")


def never_right(log: SecondReader, parts: Said, _said: Said) -> None:
    last = list(log.epochs.values())[-int(number(parts["count"])) :]
    near(parts["train"], 100 * max(epoch["train_accuracy"] for epoch in last))
    near(parts["val"], 100 * min(epoch["val_accuracy"] for epoch in last))
    need(log.facts["repeated"] > 0.9, "they come changed")


def below_unseen(log: SecondReader, parts: Said, _said: Said) -> None:
    values = [epoch["val_accuracy"] for epoch in log.epochs.values() if epoch.get("val_accuracy") is not None]
    need(number(parts["count"]) == len(values), f"{len(values)} evaluations")
    near(parts["best"], 100 * max(values[len(values) // 2 :]))
    first = log.epochs[1]["step"]
    later = [right for step, right in log.right.items() if first // 2 - 10 <= step < first and right is not None]
    need(min(later) - 0.2 <= number(parts["unseen"]) / 100 <= max(later) + 0.2, "the first epoch")


def random_kept(log: SecondReader, parts: Said, _said: Said) -> None:
    facts = log.facts
    need(facts["fresh_norms"] > 0, "the norms were trained")
    names = facts["left_out"]
    need(parts["names"].split(",")[0].split(" ")[0] in names, f"{names[:3]}")


def without_gradient(log: SecondReader, parts: Said, _said: Said) -> None:
    facts = log.facts
    need(parts["names"].split(",")[0].split(" ")[0] in facts["no_gradient"], f"{facts['no_gradient']}")
    need(not facts.get("emptied"), "gradients had come")


def below_its_loss(log: SecondReader, parts: Said, _said: Said) -> None:
    steps = range(int(number(parts["a"])), int(number(parts["b"])) + 1)
    loss = math.fsum(log.loss[step] or 0.0 for step in steps) / len(steps)
    near(parts["loss"], loss)
    near(parts["told"], 100 * math.fsum(log.right[step] or 0.0 for step in steps) / len(steps))
    near(parts["least"], 100 * (1 - loss / math.log(2)))


def no_rate(log: SecondReader, parts: Said, _said: Said) -> None:
    need(all(log.rate[step] == 0 for step in range(int(number(parts["step"])) + 1)), "a rate above 0")


def unlike_its_loss(log: SecondReader, parts: Said, _said: Said) -> None:
    last = list(log.epochs.values())[-int(number(parts["count"])) :]
    need(all(one["val_loss"] > 0.3 * one["train_loss"] for one in last), "the validation loss is far below training's")
    near(parts["loss"], last[-1]["val_loss"])
    near(parts["cost"], last[-1]["train_loss"])
    near(parts["told"], 100 * last[-1]["val_accuracy"])
    near(parts["right"], 100 * last[-1]["train_accuracy"])


def doubled_beside(log: SecondReader, parts: Said, _said: Said) -> None:
    classes = number(parts["classes"])
    need(sum(row[1] == classes for row in log.facts["softmax_over"]) > 1, "one softmax")
    near(parts["floor"], math.log(1 + (classes - 1) / math.e))


def bare_log(log: SecondReader, parts: Said, _said: Said) -> None:
    need(log.facts["bare_log"] is True, "something is put in between")
    column = log.loss if parts["what"] == "loss" else log.norm
    need(not is_finite(column[int(number(parts["step"]))]), "it is finite")
    near(parts["had"], log.loss[int(number(parts["at"]))] or 0.0)


def is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
