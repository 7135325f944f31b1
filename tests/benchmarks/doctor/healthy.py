"""Healthy runs of all kinds: what is said of them is a false alarm (notes and states apart)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.benchmarks.doctor.cases import Case
from tests.benchmarks.doctor.faults import BASE, EPOCHS, shortened
from tests.benchmarks.doctor.nets import EXPRESSIONS

SEEDS = (2, 5)
"""An even one for choosing limits, an odd one for the report."""

GOOD: dict[str, dict[str, float]] = {
    "sgd": {"mlp": 0.1, "cnn": 0.1, "bn": 0.2, "tanh": 0.1, "deep": 0.1},
    "momentum": {"mlp": 0.03, "cnn": 0.03, "bn": 0.05, "tanh": 0.02, "deep": 0.02},
    "adam": {"mlp": 2e-3, "cnn": 3e-3, "bn": 5e-3, "tanh": 2e-3, "deep": 1e-3},
    "adamw": {"mlp": 2e-3, "cnn": 3e-3, "bn": 5e-3, "tanh": 2e-3, "deep": 1e-3},
}
"""Good rates of each rule for each family of nets on digits (batch 64): validation accuracy is at its best there, and
hardly less at a third and at three times of it."""
ON_SHAPES = {"sgd": 0.4, "momentum": 0.4, "adam": 1.0, "adamw": 1.0}
"""How many times that is a good rate on shapes, found in the same way."""

NETS = ("mlp", "cnn", "bn", "tanh-mlp", "tanh-cnn", "deep-mlp", "gelu-cnn", "res", "dropout", "bn-mlp", "bn-gap")


def _family(net: str) -> str:
    if net in ("bn", "res", "bn-mlp", "bn-gap"):
        return "bn"
    if net.startswith("tanh"):
        return "tanh"
    return "deep" if net.startswith("deep") else "mlp" if net == "mlp" else "cnn"


def _recipe(net: str, data: str, rule: str, factor: float = 1.0, batch: int = 64, **other: Any) -> dict[str, Any]:
    """A recipe whose rate is `factor` times a good one; larger batches get a larger rate by the root of the ratio, and
    as many steps as they can."""
    rate = GOOD[rule][_family(net)] * factor * (batch / 64) ** 0.5 * (ON_SHAPES[rule] if data == "shapes" else 1.0)
    epochs = max(1, round(EPOCHS[data] * min(max(batch / 64, 0.35), 4)))
    fields: dict[str, Any] = {"data": data, "net": EXPRESSIONS[net][data], "optimizer": rule, "batch_size": batch}
    if net.startswith("tanh"):
        fields["init"] = "xavier"
    return BASE | fields | {"lr": float(f"{rate:.3g}"), "epochs": epochs} | other


def _plans() -> Iterator[tuple[str, dict[str, Any]]]:
    """(what is special about it, recipe)."""
    for data in ("digits", "shapes"):
        for net in NETS:
            for rule in ("momentum", "adam"):
                yield f"{net} {rule}", _recipe(net, data, rule)
        for net in ("mlp", "cnn", "bn"):
            for rule in ("sgd", "adamw"):
                yield f"{net} {rule}", _recipe(net, data, rule, weight_decay=0.01 if rule == "adamw" else 0.0)
            for factor in (1 / 3, 3.0):
                yield f"{net} rate x{factor:.2g}", _recipe(net, data, "adam", factor)
                yield f"{net} momentum rate x{factor:.2g}", _recipe(net, data, "momentum", factor)
            for batch in (16, 32, 256, 512):
                yield f"{net} batch {batch}", _recipe(net, data, "momentum", 1.0, batch)
    for net in ("mlp", "cnn", "bn"):
        data = "digits"
        for init in ("xavier", "glorot", "lecun", "orthogonal", "lsuv"):
            yield f"{net} init {init}", _recipe(net, data, "momentum", init=init)
        for schedule in ("cosine", "step", "linear", "one-cycle"):
            yield f"{net} {schedule}", _recipe(net, data, "momentum", schedule=schedule)
        yield f"{net} warm-up", _recipe(net, data, "adam", 2.0, warmup="50", schedule="cosine")
        yield f"{net} short", _recipe(net, data, "adam", epochs=2)
        yield f"{net} long", _recipe(net, data, "momentum", epochs=40, schedule="cosine")
        yield f"{net} weight decay", _recipe(net, data, "momentum", weight_decay=5e-4)
        for preprocess in ("scale", "centre", "per-image"):
            yield f"{net} {preprocess}", _recipe(net, data, "adam", preprocess=preprocess)


LOOPS = [
    (f"{net} {optimizer}", net, data, {"optimizer": optimizer, "lr": lr, "weight_decay": decay})
    for net in ("mlp", "cnn", "bn", "tanh-mlp")
    for data in ("digits", "patches")
    for optimizer, lr, decay in (("momentum", 0.03, 0.0), ("adam", 2e-3, 0.0))
]
"""Hand-written loops under cvtui.watch."""


def cases(seeds: tuple[int, ...] = SEEDS) -> Iterator[Case]:
    for seed in seeds:
        for number, (words, fields) in enumerate(_plans()):
            yield Case(
                name=f"ok-{number:03d}-{seed}",
                fault="",
                kind="recipe",
                strength=words,
                net=words.split()[0],
                data=fields["data"],
                seed=seed,
                recipe=fields | {"seed": seed},
            )
        for number, (words, net, data, options) in enumerate(LOOPS):
            yield Case(
                name=f"ok-loop-{number:03d}-{seed}",
                fault="",
                kind="loop",
                strength=words,
                net=net,
                data=data,
                seed=seed,
                loop="Loop",
                options=options,
            )


def quick() -> list[Case]:
    """Twenty short ones, of all kinds, on digits."""
    some = [case for case in cases((5,)) if case.data == "digits"]
    return [shortened(case, 92) for case in some[:: len(some) // 20][:20]]
