"""The same of sentences about data, net, epochs and the first batch."""

from __future__ import annotations

import math
import re

from tests.doctor.second_log import MATRIX, NUM, Said, SecondReader, is_near, near, need, number


def sorted_classes(log: SecondReader, parts: Said, _said: Said) -> None:
    count = int(number(parts["count"]))
    classes, sizes = log.facts["batch_classes"][:count], log.facts["batch_sizes"][:count]
    near(parts["seen"], math.fsum(classes) / count, 2)
    shares = [images / sum(log.facts["label_counts"]) for images in log.facts["label_counts"]]
    near(parts["mixed"], math.fsum(1 - (1 - share) ** size for share in shares for size in sizes) / count, 2)


def negative(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["loss"], log.facts["first_loss"])
    near(parts["cost"], log.facts["cross_entropy"])
    need(abs(log.facts["first_loss"] + log.facts["cross_entropy"]) < 1e-3 * log.facts["cross_entropy"], "not exactly")


def left_over(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["share"], log.facts["stale_gradient"], 2)


def _listed(log: SecondReader, fact: str, told: str) -> int:
    """Check the count of a fact; each name that is told must be one of them, and their number told right."""
    count = int(log.facts.get(f"{fact}_count", len(log.facts[fact])))
    names = re.sub(r" and (\d+) more$", "", told).replace(" and ", ", ").split(", ")
    more = re.search(r" and (\d+) more$", told)
    need(set(names) <= set(log.facts[fact]), f"others are {fact}")
    need(len(names) + (int(more[1]) if more else 0) == count, f"{count} are {fact}")
    return count


def kept(log: SecondReader, parts: Said, _said: Said) -> None:
    _listed(log, "frozen" if parts["how"].startswith("frozen") else "left_out", parts["names"])
    if parts["how"].startswith("not in"):
        need(log.facts["holds_tail"], "it holds layers before them")
    elif not parts["how"].startswith("frozen"):
        need(set(log.facts["left_out"]) <= set(log.facts["no_gradient"]), "some of them get a gradient")
    elif parts["until"] or log.run["recipe"].get("unfreeze_at"):
        need(parts["until"] == f"{log.run['recipe']['unfreeze_at']:,}", "they thaw at another epoch")


def share_kept(log: SecondReader, parts: Said, said: Said) -> None:
    frozen = "requires_grad" in said["sentence"]
    fact = "frozen" if frozen else "left_out"
    count = log.facts.get(f"{fact}_count", len(log.facts[fact]))
    near(parts["share"], 100 * count / (log.facts["parameters"] + (count if frozen else 0)))


def left_out(log: SecondReader, parts: Said, said: Said) -> None:
    missing = log.facts.get("left_out_count", len(log.facts["left_out"]))
    if parts["names"]:
        _listed(log, "left_out", parts["names"])
    else:
        need(missing == log.facts["parameters"], f"{missing} of {log.facts['parameters']}")
    need(("another model" in said["sentence"]) == bool(log.facts.get("foreign")), "another model")


def parameters_missing(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["x"]) == log.facts.get("left_out_count", len(log.facts["left_out"])), "how many")
    need(number(parts["all"]) == log.facts["parameters"], "of how many")


def outputs(log: SecondReader, parts: Said, _said: Said) -> None:
    need((number(parts["out"]), number(parts["classes"])) == (log.facts["outputs"], log.facts["classes"]), "counts")
    if parts["first"]:
        near(parts["first"], log.facts["first_loss"])
        need(abs(log.facts["first_loss"] / math.log(log.facts["outputs"]) - 1) < 0.05, "not about that")


def bad_images(log: SecondReader, parts: Said, _said: Said) -> None:
    need((number(parts["bad"]), number(parts["train"])) == (log.facts["bad_count"], log.facts["train"]), "counts")


def facts(log: SecondReader, parts: Said, _said: Said) -> None:
    """Each named part is the fact of that name."""
    for key in parts:
        if len(key) > 1:
            near(parts[key], log.facts[key], what=key)


def overfits(log: SecondReader, parts: Said, said: Said) -> None:
    since = int(number(parts["since"]))
    epoch = log.epochs[since + 2]
    need(epoch["step"] == said["step"], "its step")
    near(parts["train"], 100 * (epoch["train_accuracy"] or 0))
    near(parts["val"], 100 * (epoch["val_accuracy"] or 0))
    best = max(log.epochs.values(), key=lambda e: (e["val_accuracy"] or 0, -e["epoch"]))
    need(best["epoch"] == number(parts["best"]), f"the best epoch is {best['epoch']}")
    near(parts["top"], 100 * best["val_accuracy"])


def overfits_by_loss(log: SecondReader, parts: Said, said: Said) -> None:
    epoch = log.epochs[int(number(parts["since"])) + 2]
    need(epoch["step"] == said["step"], "its step")
    need(epoch["train_accuracy"] is None or epoch["val_accuracy"] is None, "accuracies tell more")
    near(parts["train"], epoch["train_loss"])
    near(parts["val"], epoch["val_loss"])
    best = min((one for one in log.epochs.values() if one["step"] <= epoch["step"]), key=lambda e: e["val_loss"])
    need(best["epoch"] == number(parts["best"]), f"the best epoch is {best['epoch']}")
    near(parts["top"], best["val_loss"])


def epoch_differs(log: SecondReader, parts: Said, _said: Said) -> None:
    epoch = log.epochs[int(number(parts["epoch"]))]
    for half, prefix in (("train", "train"), ("val", "val")):
        for kind, scale in (("accuracy", 100.0), ("loss", 1.0)):
            told = re.search(rf"{kind} of ({NUM})", parts[half])
            real = epoch[f"{prefix}_{kind}"]
            need((told is None) == (real is None), f"{prefix} {kind}: {real}")
            if told:
                near(told[1], scale * real, what=f"{prefix} {kind}")
    near(parts["even"], 100 / len(log.run["data"]["classes"]))


def begins(log: SecondReader, parts: Said, said: Said) -> None:
    need(any(is_near(parts["first"], loss) for loss in log.first_losses()), f"first loss {log.first_losses()}")
    near(parts["guess"], log.entropy())
    need(("unlearn" in said["sentence"]) == (number(parts["first"]) > number(parts["guess"])), "worse or better")
    if parts["layer"]:
        weight = next(w for w in log.facts["weights"] if w["layer"] == parts["layer"])
        near(parts["gain"], weight["std"] * math.sqrt(weight["fan_in"]))


def summed(log: SecondReader, parts: Said, _said: Said) -> None:
    first = log.first_losses()[0]
    near(parts["first"], first, 4)
    near(parts["times"], first / log.facts.get("cross_entropy", log.entropy()))
    need(number(parts["batch"]) == number(parts["again"]) == log.asked("batch_size"), "batch")


def imbalanced(log: SecondReader, parts: Said, _said: Said) -> None:
    counts = [count for count in log.facts["batch_labels" if parts["batches"] else "label_counts"] if count]
    shares = [count / sum(counts) for count in counts]
    near(parts["share"], 100 * max(shares))
    near(parts["even"], math.exp(-math.fsum(share * math.log(share) for share in shares)), 2)
    need(not parts["batches"] or number(parts["batches"]) == len(log.facts["batch_sizes"]), "the batches")
    need(number(parts["classes"]) == len(counts), "classes")


def noisy(log: SecondReader, parts: Said, _said: Said) -> None:
    train, val = log.facts["neighbours_train"], log.facts["neighbours_validation"]
    near(parts["val"], 100 * val)
    near(parts["train"], 100 * train)
    near(parts["wrong"], 100 * min(1.0, (val - train) / val))


def strangers(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["train"], 100 * max(log.facts["neighbours_train"], log.facts.get("neighbours_validation") or 0.0))
    near(parts["chance"], 100 * log.facts["neighbours_chance"])


def labels_differ(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["train"], 100 * log.facts["neighbours_train"])
    near(parts["chance"], 100 * log.facts["neighbours_chance"])
    near(parts["val"], 100 * log.facts["neighbours_validation"])


def by_heart(log: SecondReader, parts: Said, _said: Said) -> None:
    epoch = log.epochs[int(number(parts["epoch"]))]
    near(parts["train"], 100 * epoch["train_accuracy"])
    near(parts["val"], 100 * epoch["val_accuracy"])


def modes(log: SecondReader, parts: Said, _said: Said) -> None:
    pair = next(pair for pair in log.facts["mode_losses"] if pair[0] == number(parts["step"]))
    near(parts["train"], pair[1])
    near(parts["val"], pair[2])


def row_of_linears(log: SecondReader, parts: Said, _said: Said) -> None:
    need([parts["a"], parts["b"]] in log.facts["linear_pairs"], f"{log.facts['linear_pairs']}")


def drops(log: SecondReader, parts: Said, _said: Said) -> None:
    module = next(m for m in log.facts["modules"] if m["name"] == parts["name"])
    near(parts["share"], 100 * module["options"]["p"])


def tiny(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["batch"]) == log.asked("batch_size"), "batch size")
    if parts.get("train"):
        train, times = number(parts["train"]), number(parts["times"])
        need(train == log.run["data"]["train"] == times * number(parts["batch"]) + 1, "the sum")


def stds(log: SecondReader) -> dict[str, float]:
    told = log.run.get("prediction", {}).get("activation_std")
    return dict(told) if told else {row["name"]: row["std"] for row in log.looks[0]["layers"]}


def fades(log: SecondReader, parts: Said, _said: Said) -> None:
    spread = stds(log)
    near(parts["x"], spread[parts["a"]], 2)
    near(parts["y"], spread[parts["b"]], 2)
    if parts.get("share"):
        active = [name for name in spread if not name.startswith(MATRIX)]
        chain = active or list(spread)[:-1]
        need((chain[0], chain[-1]) == (parts["a"], parts["b"]), f"the activations are {chain}")
        near(parts["share"], 100 * (spread[parts["b"]] / spread[parts["a"]]) ** (1 / (len(chain) - 1)))


def largest(log: SecondReader, parts: Said, _said: Said) -> None:
    row = next(row for row in log.run["layers"] if row["name"] == parts["name"])
    need(number(parts["count"]) == row["parameters"], f"{row['parameters']}")
    need(number(parts["all"]) == log.run["parameters"], f"{log.run['parameters']}")
    near(parts["share"], 100 * row["parameters"] / log.run["parameters"])


def fits_not(log: SecondReader, parts: Said, _said: Said) -> None:
    n, p, f, s, there = (number(parts[key] or "0") for key in ("n", "p", "f", "s", "there"))
    near(parts["there"], (n + 2 * p - f) / s + 1)
    need(there % 1, "it fits")
    for row in log.run["layers"]:
        if row["name"] == parts["name"]:
            need(math.floor(there) in row["output"][:2], f"its output is {row['output']}")


def no_convolution(log: SecondReader, parts: Said, _said: Said) -> None:
    need("conv" not in log.run["recipe"]["net"], "there is one")
    need([number(parts["h"]), number(parts["w"])] == log.run["data"]["input"][:2], f"{log.run['data']['input']}")


def weights_are(log: SecondReader, parts: Said, said: Said) -> None:
    zeros = "are 0 everywhere" in said["sentence"]
    alike = [w["layer"] for w in log.facts["weights"] if w["std"] == 0 and (w["mean"] == 0) == zeros]
    names = re.sub(r" and \d+ more$", "", parts["names"]).replace(" and ", ", ").split(", ")
    need(set(names) <= set(alike), f"{alike}")


def positive(log: SecondReader, parts: Said, _said: Said) -> None:
    need(log.facts["input_min"] >= 0, f"{log.facts['input_min']}")
    near(parts["low"], log.facts["input_min"])
    near(parts["high"], log.facts["input_max"])


def as_it_is(log: SecondReader, parts: Said, said: Said) -> None:
    """Accept a sentence without a number."""


def of_ranks(_log: SecondReader, _parts: Said, _said: Said) -> None:
    """Refuse what a log alone can't tell: it takes the files of the ranks (test_rank_rules.py)."""
    need(False, "nothing of it is in the log")


def grown_fork(log: SecondReader, parts: Said, _said: Said) -> None:
    recipe = log.run["recipe"]
    near(parts["new"], recipe["batch_size"] * recipe.get("accumulate", 1), 9, "images a step")
    near(parts["rate"], log.run.get("lr", recipe["lr"]))
    need(number(parts["new"]) >= 1.5 * number(parts["old"]), "it did not grow")


def doubled(log: SecondReader, parts: Said, _said: Said) -> None:
    need(number(parts["classes"]) == log.facts["outputs"], "classes")
    near(parts["floor"], math.log(1 + (log.facts["outputs"] - 1) / math.e), 4)
