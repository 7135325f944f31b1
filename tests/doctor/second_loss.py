"""Checks of what is said of the loss, its head and the loop around them, against the facts of the log."""

from __future__ import annotations

from tests.doctor.second_log import Said, SecondReader, near, need, number


def one_wide(log: SecondReader, _parts: Said, _said: Said) -> None:
    facts = log.facts
    wide = [row[1] for row in facts.get("softmax_over", [])]
    need(1 in wide or facts["given_range"] == [1.0, 1.0], f"{wide}")
    # (The gradient of the share itself need not be 0, as a hinge's; that of all weights is.)
    need(not facts.get("output_gradient") or not any(log.norm[step] for step in sorted(log.norm)[:5]), "a gradient")


def over_batch(log: SecondReader, parts: Said, _said: Said) -> None:
    need([0, number(parts["batch"])] in [row[:2] for row in log.facts["softmax_over"]], "no such softmax")
    need(number(parts["batch"]) == log.facts["batch_size"], "the batch")


def one_for_many(log: SecondReader, parts: Said, _said: Said) -> None:
    facts = log.facts
    names = log.run["data"].get("classes") or []
    known = [
        len(names) - 1,
        (facts.get("classes") or 0) - 1,
        *facts.get("label_range", []),
        *facts.get("target_range", []),
    ]
    need(facts["outputs"] == 1 and number(parts["most"]) in known, f"{facts['outputs']} outputs, {known}")


def one_for(log: SecondReader, parts: Said, _said: Said) -> None:
    one_for_many(log, parts | {"most": str(number(parts["count"]) - 1)}, _said)


def wants(log: SecondReader, parts: Said, _said: Said) -> None:
    facts = log.facts
    need((parts["kind"], parts["what"]) == (facts["loss_kind"], facts["loss_wants"]), f"{facts['loss_kind']}")
    kinds = {"ReLU": "relu", "scores": "linear", "softmax": "softmax", "sigmoid": "sigmoid", "tanh": "tanh"}
    need(any(word in parts["given"] and facts["loss_given"][0].startswith(kind) for word, kind in kinds.items()),
         f"{facts['loss_given']}")  # fmt: skip
    if parts["low"]:
        near(parts["low"], facts["given_range"][0])
        near(parts["high"], facts["given_range"][1])


def sigmoids(log: SecondReader, parts: Said, _said: Said) -> None:
    need(log.facts["loss_given"][0] == "sigmoid", f"{log.facts['loss_given']}")
    if parts["low"]:
        near(parts["low"], log.facts["given_sums"][0])
        near(parts["high"], log.facts["given_sums"][1])
    if parts["count"]:
        need(number(parts["count"]) == log.facts["outputs"], "outputs")


def sigmoid_count(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["count"]) == log.facts["outputs"], "outputs")


def behind(log: SecondReader, parts: Said, _said: Said) -> None:
    need(parts["what"].lower().replace(" ", "-") in log.facts["loss_given"], f"{log.facts['loss_given']}")


def given(log: SecondReader, parts: Said, _said: Said) -> None:
    need(parts["chain"].split(", ") == log.facts["loss_given"][: parts["chain"].count(",") + 1], "the chain")


def kind(log: SecondReader, parts: Said, _said: Said) -> None:
    need(parts["kind"] == log.facts["loss_kind"], f"{log.facts['loss_kind']}")


def no_update(log: SecondReader, parts: Said, _said: Said) -> None:
    need(log.facts["updates"] == 0 and number(parts["steps"]) == log.facts["step"], "updates")


def emptied(log: SecondReader, _parts: Said, _said: Said) -> None:
    need(log.facts["emptied"] is True, "gradients were there")


def thrown_away(log: SecondReader, parts: Said, _said: Said) -> None:
    counts = log.facts["thrown_away"]
    need(set(counts) == {number(parts["others"])} and number(parts["steps"]) == counts[0] + 1, f"{counts}")


def mixed(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["apart"], 100 * log.facts["neighbours_matter"])


def moved(log: SecondReader, parts: Said, _said: Said) -> None:
    before, after = log.facts["moved_axes"]
    need(parts["before"] == " x ".join(f"{size:,}" for size in before), f"{before}")
    need(parts["after"] == " x ".join(f"{size:,}" for size in after), f"{after}")


def left_out_of_loss(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["first"]) == log.facts["left_out_classes"][0], "the class")
    need(number(parts["count"]) == log.facts["left_out_images"] > 0, "how many")


def divided_again(log: SecondReader, parts: Said, _said: Said) -> None:
    first, batch = log.first_losses()[0], number(parts["batch"])
    near(parts["first"], first, 4)
    near(parts["cross"], log.facts["cross_entropy"], 4)
    need(batch == number(parts["same"]) == number(parts["again"]) == log.asked("batch_size"), "the batch")
    need(abs(first * batch / log.facts["cross_entropy"] - 1) < 1e-3, "the share")


def target_sums(log: SecondReader, parts: Said, _said: Said) -> None:
    low, high = log.facts["target_sums"]
    near(parts["low"], low)
    near(parts["high"], high)
    need(parts["kind"] == log.facts["loss_kind"], "the loss")


def targets(log: SecondReader, parts: Said, _said: Said) -> None:
    low, high = log.facts["target_range"]
    need(low < 0 or high > 1, "the targets lie in 0..1")
    near(parts["low"], low)
    near(parts["high"], high)
    need(parts["kind"] == log.facts["loss_kind"], "the loss")


def several_of_softmax(log: SecondReader, _parts: Said, _said: Said) -> None:
    facts = log.facts
    need(facts["loss_given"][0] == "softmax" and facts["target_kind"] == "several a row", f"{facts['loss_given']}")


def unlisted(log: SecondReader, parts: Said, _said: Said) -> None:
    need(parts["name"] == log.facts["unlisted"][0], f"{log.facts['unlisted']}")


def unlisted_count(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["count"]) == len(log.facts["unlisted"]), f"{log.facts['unlisted']}")


def in_evaluation(log: SecondReader, parts: Said, said: Said) -> None:
    need(log.facts.get("training_mode") is False or log.facts["eval_step"] == said["step"], "the mode")
    if parts["step"]:
        need(number(parts["step"]) == said["step"], "the step")


def stale_casts(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["behind"]) == log.facts["stale_casts"] >= 3, "the updates")


def validated_in_training(log: SecondReader, _parts: Said, _said: Said) -> None:
    need(log.facts["validation_mode"] is True, "it was validated in evaluation mode")


def apart(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["apart"], 100 * log.facts["evaluations_differ"])


def apart_number(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["apart"], log.facts["evaluations_differ"])


def counted_wrongly(log: SecondReader, parts: Said, _said: Said) -> None:
    facts = log.facts
    names = {"the right": "factor of the images", "each of": "by output", "a softmax": "over the batch",
             "it is that": "rounded down", "an answer": "any of the batch", "the largest": "largest of one",
             "it is ": "factor of the share", "answers of N x 1 beside labels of N make N x N, so": "each with each",
             "answers of N": "each with each, mean"}  # fmt: skip
    need(
        next(name for words, name in names.items() if parts["how"].startswith(words)) == facts["accuracy_counted"],
        "how",
    )
    told, right = max(facts["accuracies"], key=lambda pair: abs(pair[0] - pair[1]))
    near(parts["told"], told)
    near(parts["right"], right)
    if parts["by"]:
        near(parts["by"], 1 / facts["accuracy_factor"])
    if parts["times"]:
        near(parts["times"], facts["accuracy_factor"])
    if parts["outputs"]:
        need(number(parts["outputs"]) == facts["outputs"], "the outputs")


def below_zero(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["lowest"], min(loss for loss in log.loss.values() if loss is not None), 3)
    need(log.facts["outputs"] == 1 and log.facts["loss_given"][0] == "sigmoid", "one sigmoid")


def of_scores(log: SecondReader, parts: Said, _said: Said) -> None:
    told, right = max(log.facts["accuracies"], key=lambda pair: abs(pair[0] - pair[1]))
    near(parts["told"], told)
    near(parts["right"], right)
    need(log.facts["loss_wants"] == "logits", "they may be shares")


def of_both(log: SecondReader, parts: Said, _said: Said) -> None:
    images, validated = number(parts["images"]), number(parts["validated"])
    need(number(parts["both"]) == images + validated, "together")
    for one in log.epochs.values():
        told = one["val_accuracy"]
        if told is not None and 0 < told < 1:
            need(abs(told * validated - round(told * validated)) > 1e-3 or told == 0.5, "it may be the validation's")


def counted_in_steps(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["steps"]) == len(log.facts["accuracies"]), "the steps")
    need(any(abs(told - number(parts["told"])) < 0.01 * abs(told) for told, _ in log.facts["accuracies"]), "told")


def undivided(log: SecondReader, parts: Said, _said: Said) -> None:
    counts = {number(parts[name]) for name in ("count", "same", "times")}
    need(counts == set(log.facts["accumulated"]), f"{log.facts['accumulated']}")


def undivided_scale(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["count"]) == log.facts["accumulated"][0], f"{log.facts['accumulated']}")
    near(parts["scale"], log.facts["loss_scale"])
