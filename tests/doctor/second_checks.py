"""Checks of findings against the log, one a kind of sentence: of steps, samples of layers, rates."""

from __future__ import annotations

import math

from tests.doctor.second_log import MATRIX, Said, SecondReader, is_near, near, need, nice, number


def too_high(log: SecondReader, parts: Said, said: Said) -> None:
    by = int(number(parts["by"]))
    looks = log.moved_at(parts["moved"])
    need(said["step"] == min([by, *looks[-1:]]), f"its step is {said['step']}")
    if parts["gone"]:
        looked = sorted(step for step in log.looks if step <= by)[-2:]
        for step in looked:
            norms = [row["grad_norm"] for row in log.looks[step]["layers"] if row.get("grad_norm") is not None]
            need(not any(norms), f"the gradients of step {step} were {norms}")
    log.rise(parts["rise"], by)
    ratio = log.moved(parts["moved"])
    if parts.get("rate"):
        log.the_rate(parts["rate"], by)
    if parts.get("times"):
        times = 10.0 if math.isnan(ratio) else min(max(nice(ratio / 0.01), 3.0), 1000.0)
        need(number(parts["times"]) == times, f"{times:g} times by its own measure")
    if said["id"] == "F31":
        need(log.run["recipe"].get("warmup", "0") in ("0", "", "0ep"), "it was warmed up")


def batch_rate(log: SecondReader, parts: Said, _said: Said) -> None:
    recipe = log.run["recipe"]
    need(number(parts["batch"]) == log.asked("batch_size"), "another batch size")
    near(parts["rate"], max([recipe["lr"], *log.rate.values()]), what="rate")
    if parts["rise"] or parts["gone_rise"]:
        log.rise(parts["rise"] or parts["gone_rise"], int(number(parts["by"] or parts["gone_by"])))
    else:
        near(parts["share"], 100 * log.row(int(number(parts["look"])), parts["layer"])["update_ratio"])


def too_low(log: SecondReader, parts: Said, said: Said) -> None:
    step = int(number(parts["step"]))
    need(step == said["step"], "its step")
    ratio = log.row(step, parts["layer"])["update_ratio"]
    near(parts["share"], 100 * ratio, what="update ratio")
    need(number(parts["share"]) < number(parts["limit"]), f"{parts['share']} % is not less than {parts['limit']} %")
    moving = [row["update_ratio"] for row in log.looks[step]["layers"] if row.get("update_ratio")]
    need(sum(other < ratio for other in moving) <= len(moving) / 2 >= sum(other > ratio for other in moving) - 1,
         f"it is not the middle one of {sorted(moving)}")  # fmt: skip
    near(parts["limit"], 0.01)
    if parts["loss"]:
        _, _, last = log.told_mean(parts["loss"])
        need(step - 20 <= last <= step, "not the loss of that time")
        log.guess(parts["guess"])
    log.the_rate(parts["rate"], step)
    need(number(parts["times"]) == min(max(nice(3e-3 / ratio), 3.0), 1e6), "another factor by its own measure")


def not_finite(log: SecondReader, parts: Said, _said: Said) -> None:
    step = int(number(parts["step"]))
    column = log.loss if parts["what"] == "loss" else log.norm
    need(step in column and column[step] is None, f"the {parts['what']} of step {step} was {column.get(step)}")
    if parts["had"]:
        told, at = parts["had"], int(number(parts["at"]))
        near(told, log.loss[at], what=f"the loss of step {at}")
        need(all(log.loss.get(s) is None for s in range(at + 1, step)), "there was a later one")
    if parts["where"]:
        told = [one["sentence"] for one in log.findings if one["id"] == "not-finite"]
        need(any(parts["where"] in sentence for sentence in told), f"the trainer says {told}")


def first_bad(log: SecondReader, parts: Said, _said: Said) -> None:
    """Check the words of the trainer itself."""
    step, per_epoch = int(number(parts["step"])), log.run["steps_per_epoch"]
    epoch, place = divmod(step, per_epoch)
    need((number(parts["epoch"]), number(parts["batch"]), number(parts["of"])) == (epoch + 1, place + 1, per_epoch),
         f"step {step} is batch {place + 1} of epoch {epoch + 1}")  # fmt: skip
    since = number(parts.get("since") or "0")
    bad = [s for s in log.loss if s >= since and (log.loss[s] is None or log.norm[s] is None)]
    if bad:
        need(min(bad) == step, f"the first one was step {min(bad)}")
    if parts["layer"] and parts["layer"] != "loss":
        need(any(parts["layer"] == row["name"] for row in log.run["layers"]), f"no layer {parts['layer']}")


def exploded(log: SecondReader, parts: Said, _said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    norm = log.mean(log.norm, first, last)
    near(parts["norm"], norm, what="gradient norm")
    if parts["times"]:
        told = number(parts["times"])
        need(told > 20, f"{told} times is no spike")
        lasts = range(first - 11, first - 211, -10)
        earlier = [log.mean(log.norm, last - 9, last) for last in lasts if last - 9 in log.norm]
        usual = sorted(earlier)
        middle = (usual[(len(usual) - 1) // 2] + usual[len(usual) // 2]) / 2
        near(parts["times"], norm / middle, digits=2, what="times")
    else:
        need(number(parts["norm"]) > 10, "it lies within what is healthy")


def pinned(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["share"], 100 * log.row(int(number(parts["step"])), parts["layer"])["pinned"])


def dead(log: SecondReader, parts: Said, _said: Said) -> None:
    step = int(number(parts["step"]))
    if parts.get("relu"):
        near(parts["zeros"], 100 * log.row(step, parts["relu"])["zeros"], what="zeros")
    near(parts["mute"], 100 * log.row(step, parts["layer"])["grad_zeros"], what="gradients that are 0")
    if parts.get("born"):
        near(parts["born"], 100 * log.row(int(number(parts["start"])), parts["relu"])["zeros"], what="zeros at first")


def vanished(log: SecondReader, parts: Said, _said: Said) -> None:
    step = int(number(parts["step"]))
    near(parts["x"], log.row(step, parts["a"])["grad_norm"], 2)
    near(parts["y"], log.row(step, parts["b"])["grad_norm"], 2)
    layers = [row["name"] for row in log.looks[step]["layers"] if row["kind"] in MATRIX]
    need((layers[0], layers[-1], len(layers)) == (parts["a"], parts["b"], number(parts["count"])), f"layers {layers}")


def decays(log: SecondReader, parts: Said, _said: Said) -> None:
    recipe = log.run["recipe"]
    rate = next(rate for rate in (recipe["lr"], *log.rate.values()) if is_near(parts["rate"], rate))
    decay = log.asked("weight_decay")
    near(parts["decay"], decay)
    name = recipe["optimizer"].partition("(")[0]
    moving = name in ("momentum", "nesterov") or (recipe["data"] == "your own" and name == "sgd")
    inertia = (log.facts["momentum"] if "momentum" in log.facts else recipe["momentum"]) if moving else 0.0
    share = rate * decay / (1 - inertia)
    near(parts["share"], 100 * share, what="decay a step")
    if parts["half"]:
        need(abs(number(parts["half"]) - math.log(0.5) / math.log1p(-share)) <= 0.06, "the half-life")


def shrunk(log: SecondReader, parts: Said, _said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    sums = [math.fsum(row["weight_norm"] for row in log.looks[step]["layers"] if row["kind"] in MATRIX)
            for step in (first, last)]  # fmt: skip
    near(parts["share"], 100 * sums[1] / sums[0], what="of their size")
    log.rise(parts["rise"], last)
    log.guess(parts["guess"])
    near(parts["decay"], log.asked("weight_decay"))


def clipped(log: SecondReader, parts: Said, _said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    norms = [log.norm[step] for step in range(first, last + 1)]
    need(len(norms) >= 50, "50 steps")
    near(parts["limit"], log.run["recipe"]["clip"])
    need(all(norm is None or norm > log.run["recipe"]["clip"] for norm in norms), "some were not cut")
    near(parts["norm"], log.mean(log.norm, last + 1 - int(number(parts["last"])), last), what="norm before")


def seems_clipped(log: SecondReader, parts: Said, _said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    norms = [norm for step in range(first, last + 1) if (norm := log.norm[step]) is not None]
    near(parts["low"], min(norms))
    near(parts["high"], max(norms))


def nothing_learnt(log: SecondReader, parts: Said, said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    now = log.mean(log.loss, first, last)
    near(parts["loss"], now, what="loss")
    log.guess(parts["guess"])
    lowest = min((log.mean(log.loss, s - 9, s) for s in range(last + 1) if log.whole(s - 9, s)), default=now)
    if parts["lost"]:
        mean, _, until = log.told_mean(parts["lost"])
        need(mean < 0.95 * now and until <= last, "nothing was lost")
    elif "nothing had been learnt" in said["sentence"]:
        need(lowest > 0.8 * now, f"the loss had been {lowest:.3g}")


def one_class(log: SecondReader, parts: Said, _said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    need(last - first >= 40 and {first, last} <= set(log.looks), "looks at both ends, 40 steps apart")
    for step, look in log.looks.items():
        if first <= step <= last:
            need(look["answers"] < 0.1, f"at step {step} the answers' entropy was {look['answers']}")


def stands_still(log: SecondReader, parts: Said, _said: Said) -> None:
    names = parts["steps"].replace(" and ", ", ").split(", ")
    for step in names:
        row = log.row(int(number(step)), parts["layer"])
        need(row["update_ratio"] == 0 and row["grad_norm"] > 0, f"at step {step}: {row['update_ratio']}")


def underfits(log: SecondReader, parts: Said, _said: Said) -> None:
    a, m, b = (int(number(parts[key])) for key in "amb")
    near(parts["before"], log.mean(log.loss, a, m), what="the loss before")
    near(parts["last"], log.mean(log.loss, m + 1, b), what="the loss")
    log.guess(parts["guess"])
    if parts["train"]:
        epoch = log.epochs[max(log.epochs)]
        near(parts["train"], 100 * epoch["train_accuracy"])
        near(parts["val"], 100 * epoch["val_accuracy"])


def planned(log: SecondReader, parts: Said, _said: Said) -> None:
    plan = log.facts["rates"]
    near(parts["high"], max(rate for _, rate in plan), what="the highest planned rate")
    step, total = int(number(parts["step"])), int(number(parts["total"]))
    need(total == log.run["total_steps"], "the number of steps")
    need(all(rate < 0.01 * max(r for _, r in plan) for at, rate in plan if at >= step), "it comes back")


def shrinking(log: SecondReader, parts: Said, _said: Said) -> None:
    last = int(number(parts["last"]))
    factors = [log.rate[step] / log.rate[step - 1] for step in range(1, last + 1)]
    mean = math.fsum(factors) / len(factors)
    near(parts["factor"], mean)
    need(all(abs(factor - mean) < 1e-3 for factor in factors), f"the factors were {factors}")
    need(abs(number(parts["gone"]) - math.log(0.01) / math.log(mean)) <= 0.51, "a hundredth")


def fallen(log: SecondReader, parts: Said, _said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    near(parts["rate"], max(log.rate[step] for step in range(first, last + 1)), 2)
    near(parts["high"], max(rate for step, rate in log.rate.items() if step <= last))


def flipped(log: SecondReader, parts: Said, _said: Said) -> None:
    near(parts["loss"], log.loss[int(number(parts["step"]))])
    need(number(parts["loss"]) < 0, "it is not below 0")


def at_floor(log: SecondReader, parts: Said, _said: Said) -> None:
    a, b = int(number(parts["a"])), int(number(parts["b"]))
    near(parts["right"], 100 * log.mean(log.right, a, b))
    near(parts["loss"], log.mean(log.loss, a, b), 4)
    near(parts["floor"], math.log(1 + (log.facts["outputs"] - 1) / math.e), 4)
