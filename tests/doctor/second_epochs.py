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
    near(parts["best"], 100 * max(values))
    first = log.epochs[1]["step"]
    later = [right for step, right in log.right.items() if first // 2 - 10 <= step < first and right is not None]
    need(min(later) - 0.2 <= number(parts["unseen"]) / 100 <= max(later) + 0.2, "the first epoch")


def random_kept(log: SecondReader, parts: Said, _said: Said) -> None:
    facts = log.facts
    need(facts["fresh_norms"] > 0, "the norms were trained")
    names = facts["frozen"] if parts["how"].startswith("frozen") else facts["left_out"]
    need(parts["names"].split(",")[0].split(" ")[0] in names, f"{names[:3]}")


def without_gradient(log: SecondReader, parts: Said, _said: Said) -> None:
    facts = log.facts
    need(parts["names"].split(",")[0].split(" ")[0] in facts["no_gradient"], f"{facts['no_gradient']}")
    need(not facts.get("emptied"), "gradients had come")


def too_low(log: SecondReader, parts: Said, _said: Said) -> None:
    steps = range(int(number(parts["a"])), int(number(parts["b"])) + 1)
    loss = math.fsum(log.loss[step] or 0.0 for step in steps) / len(steps)
    near(parts["loss"], loss)
    near(parts["told"], 100 * math.fsum(log.right[step] or 0.0 for step in steps) / len(steps))
    near(parts["least"], 100 * (1 - loss / math.log(2)))
