"""Checks of the evidence beside a sentence against the log; `parts` are those of both."""

from __future__ import annotations

import math
import re

from tests.doctor.second_log import INT, MATRIX, Said, SecondReader, near, need, number


def looks_ratio(log: SecondReader, parts: Said, said: Said) -> None:
    steps = [int(number(step)) for step in re.findall(INT, parts["looks"])]
    real = [log.row(step, said["layer"])["update_ratio"] for step in steps]
    near(parts["ratio"], math.exp(math.fsum(map(math.log, real)) / len(real)), 2)


def same_words(_log: SecondReader, _parts: Said, said: Said) -> None:
    need(said["evidence"] in said["sentence"], "it is not what the sentence says")


def look_ratio(log: SecondReader, parts: Said, said: Said) -> None:
    near(parts["x"], log.row(said["step"], said["layer"])["update_ratio"], 2)


def look_pinned(log: SecondReader, parts: Said, said: Said) -> None:
    near(parts["x"], log.row(said["step"], said["layer"])["pinned"])


def look_answers(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["x"], log.looks[int(number(parts["at"]))]["answers"], 2)


def first_to_last(log: SecondReader, parts: Said, said: Said) -> None:
    rows = [row for row in log.looks[said["step"]]["layers"] if row["kind"] in MATRIX]
    near(parts["x"], rows[0]["grad_norm"] / rows[-1]["grad_norm"], 2)


def first_share(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["x"], log.first_losses()[0] / log.entropy())


def pairs(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["x"]) == len(log.facts["linear_pairs"]), f"{log.facts['linear_pairs']}")


def is_bad(log: SecondReader, parts: Said, said: Said) -> None:
    need((log.loss if parts["what"] == "loss" else log.norm)[said["step"]] is None, "it was finite")


def _guess(log: SecondReader) -> float:
    cross_entropy = str(log.run["recipe"].get("loss", "cross-entropy")).startswith("cross-entropy")
    return log.entropy() if cross_entropy else log.first_losses()[0]


def loss_share(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["x"], log.mean(log.loss, int(number(parts["a"])), int(number(parts["b"]))) / _guess(log), 2)


def last_share(log: SecondReader, parts: Said, _said: Said) -> None:
    loss = log.mean(log.loss, int(number(parts["m"])) + 1, int(number(parts["b"])))
    near(parts["x"], loss)
    near(parts["y"], loss / _guess(log), 2)


def lowest_loss(log: SecondReader, parts: Said, _said: Said) -> None:
    epoch = log.epochs[int(number(parts["epoch"]))]
    near(parts["loss"], epoch["val_loss"])
    near(parts["lowest"], min(one["val_loss"] for one in log.epochs.values() if one["step"] <= epoch["step"]))


def gap(log: SecondReader, parts: Said, _said: Said) -> None:
    epoch = log.epochs[int(number(parts["epoch"]))]
    need(abs(number(parts["gap"]) - ((epoch["train_accuracy"] or 0) - (epoch["val_accuracy"] or 0))) < 6e-4, "the gap")
    near(parts["loss"], epoch["val_loss"] if epoch["val_loss"] is not None else 0.0)


def gradient(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["x"], log.mean(log.norm, int(number(parts["a"])), int(number(parts["b"]))))
