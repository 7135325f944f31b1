"""Checks of sentences on signs of the first steps and the first epoch that need neither data nor labels given."""

from __future__ import annotations

import re

from tests.doctor.second_log import Said, SecondReader, near, need, number


def mirrored(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["turned"]) == log.facts["mirrored_seen"] > 0, "how many")
    need(number(parts["count"]) == log.facts["evaluated"], "of how many")
    need(not log.facts.get("evaluated_seen"), "they are training images as they are")


def one_image(log: SecondReader, parts: Said, _said: Said) -> None:
    different, images = log.facts["distinct_images"]
    need(number(parts["different"]) == different and number(parts["images"]) == images, "how many")


def random_frozen(log: SecondReader, parts: Said, _said: Said) -> None:
    need(parts["names"].partition(",")[0] == log.facts["frozen"][0], f"{log.facts['frozen']}")
    need(log.facts["fresh_norms"], "its batch norms were trained")


def body_left_out(log: SecondReader, parts: Said, _said: Said) -> None:
    need(parts["names"].partition(",")[0] == log.facts["left_out"][0], f"{log.facts['left_out']}")
    need(log.facts["holds_tail"] is True and log.facts.get("left_out_idle") == 0, "they get gradients")
    losses = [log.loss[step] for step in range(int(number(parts["begun"])), int(number(parts["step"])) + 1)]
    near(parts["loss"], sum(loss or 0.0 for loss in losses) / len(losses))


def trained_in_validation(log: SecondReader, parts: Said, said: Said) -> None:
    need([number(parts["step"]), number(parts["updates"])] == log.facts["updates_in_eval"], "the updates")
    need(said["step"] == number(parts["step"]), "the step")


def idle_norms(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["norms"]) == log.facts["idle_norms"], f"{log.facts['idle_norms']}")


def quick_norms(log: SecondReader, parts: Said, _said: Said) -> None:
    module = next(one for one in log.facts["modules"] if one["name"] == parts["layer"])
    need("BatchNorm" in module["kind"], module["kind"])
    near(parts["momentum"], module["options"]["momentum"], 2)


def penalty(log: SecondReader, parts: Said, _said: Said) -> None:
    need(log.facts["weights_in_loss"] is True, "no weights are in the loss")
    near(parts["first"], log.first_losses()[0])
    near(parts["cross"], log.facts["cross_entropy"])


def far_below(log: SecondReader, parts: Said, said: Said) -> None:
    near(parts["rate"], max(rate for step, rate in log.rate.items() if step <= said["step"]))
    need(parts["optimizer"] == log.facts["optimizer"], "the optimizer")
    usual = {"sgd": 0.05, "adam": 1e-3, "adamw": 1e-3}.get(parts["optimizer"])
    need(usual is None or number(parts["times"]) >= 33, "it is near what is usual")


def capped(log: SecondReader, parts: Said, _said: Said) -> None:
    size, share = log.facts["capped_gradient"]
    near(parts["size"], size)
    near(parts["share"], 100 * share)


def added_up(log: SecondReader, parts: Said, _said: Said) -> None:
    told = [epoch["val_accuracy"] for epoch in log.epochs.values()]
    near(parts["first"], told[0])
    need(number(parts["epochs"]) == len(told), "the epochs")
    need(re.sub(r"\D", "", parts["last"]) in (f"{100 * told[-1]:.3g}{told[-1]:.3g}").replace(".", ""), "the last")
