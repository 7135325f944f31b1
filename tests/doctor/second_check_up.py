"""Checks of the answers of the check-up before a run against the log."""

from __future__ import annotations

import math

from tests.doctor.second_log import MATRIX, Said, SecondReader, is_near, near, need, number


def by_one_batch(log: SecondReader, m: Said) -> None:
    facts = log.facts
    need(round(100 * facts.get("overfit_accuracy", 0.0)) == number(m["right"]), "the share that was right")
    need(number(m["images"]) == facts["overfit_images"] and number(m["steps"]) == facts["overfit_steps"], "counts")
    if m["loss"]:
        near(m["loss"], facts["overfit_loss"])
    else:
        need(facts.get("overfit_loss") is None, "the loss was finite")
    rates = {rate: share for rate, cost, share in facts.get("overfit_rates", []) if cost >= 0}
    if m["at"]:
        need(any(is_near(m["at"], rate, 6) and share >= 0.95 for rate, share in rates.items()), f"it was {rates}")
    if m["nor"]:
        need(
            rates is not None and len(facts["overfit_rates"]) == 3 and max(rates.values(), default=0) < 0.95, f"{rates}"
        )
    if m["nothing"]:
        near(m["nothing"], facts["zeroed_loss"])


def moves(log: SecondReader, m: Said) -> None:
    real = [row["update_ratio"] for look in log.looks.values() for row in look["layers"]
            if row["kind"] in MATRIX and row.get("update_ratio") is not None]  # fmt: skip
    near(m["low"], min(real), 2)
    near(m["high"], max(real), 2)
    need(bool(m["far"]) == (max(real) > 0.1), f"{max(real)} moves of a weight's size, and 0.1 is the limit")


def label_range(log: SecondReader, m: Said) -> None:
    need([number(m["a"]), number(m["b"])] == log.facts["label_range"], "the labels' range")
    need(
        number(m["classes"]) == len(log.run["data"]["classes"]) and number(m["out"]) == log.facts["outputs"], "classes"
    )


def balance(log: SecondReader, m: Said) -> None:
    counts = [count for count in log.facts["label_counts"] if count]
    assert m["b"] is not None
    need((number(m["a"] or m["b"]), number(m["b"])) == (min(counts), max(counts)), f"{counts}")
    need((m["a"] is None) == (min(counts) == max(counts)), f"{counts}")


def neighbours(log: SecondReader, m: Said) -> None:
    for part, key in (("a", "train"), ("b", "validation"), ("c", "chance")):
        need(abs(number(m[part]) - 100 * log.facts[f"neighbours_{key}"]) <= 0.51, key)


def normalised(log: SecondReader, m: Said) -> None:
    near(m["mean"], log.facts["input_mean"], 2)
    near(m["std"], log.facts["input_std"])


def mixed(log: SecondReader, m: Said) -> None:
    near(m["mean"], math.fsum(log.facts["batch_classes"]) / len(log.facts["batch_classes"]))
    need(number(m["size"]) == max(log.facts["batch_sizes"]), f"{log.facts['batch_sizes']}")


def first_loss(log: SecondReader, m: Said) -> None:
    need(any(is_near(m["loss"], loss, 4) for loss in log.first_losses()), f"{log.first_losses()}")
    if m["guess"]:
        near(m["guess"], log.entropy(), 4)


def gradients(log: SecondReader, m: Said) -> None:
    missing = log.facts.get("left_out_count", 0) + log.facts.get("no_gradient_count", 0)
    need((number(m["a"]), number(m["b"])) == (log.facts["parameters"] - missing, log.facts["parameters"]), "counts")
    if m["frozen"]:
        need(number(m["frozen"]) == log.facts["frozen_count"] and log.run["recipe"]["freeze"], "what is frozen")


def frozen_stays(log: SecondReader, m: Said) -> None:
    compared, changed = log.facts["frozen_compared"], log.facts.get("frozen_changed", [])
    need((number(m["same"]), number(m["all"])) == (compared - len(changed), compared), f"{changed} changed")


def rates(log: SecondReader, m: Said) -> None:
    rates = [rate for _, rate in log.facts["rates"]]
    near(m["a"], rates[0])
    near(m["b"], max(rates))
    near(m["c"], rates[-1], 2)


def counts(log: SecondReader, m: Said) -> None:
    for key in ("bad_count", "overlap"):
        if m.get(key):
            need(number(m[key]) == log.facts.get(key, 0), f"{key}: {log.facts.get(key)}")


def not_told(log: SecondReader, m: Said) -> None:
    """Nothing is said."""
