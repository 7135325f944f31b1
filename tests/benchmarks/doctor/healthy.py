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
"""Factor on that for a good rate on shapes, found in the same way."""

NETS = ("mlp", "cnn", "bn", "tanh-mlp", "tanh-cnn", "deep-mlp", "gelu-cnn", "res", "dropout", "bn-mlp", "bn-gap")


def _family(net: str) -> str:
    if net in ("bn", "res", "bn-mlp", "bn-gap"):
        return "bn"
    if net.startswith("tanh"):
        return "tanh"
    return "deep" if net.startswith("deep") else "mlp" if net == "mlp" else "cnn"


def _recipe(net: str, data: str, rule: str, factor: float = 1.0, batch: int = 64, **other: Any) -> dict[str, Any]:
    """Return a recipe whose rate is `factor` times a good one.

    Larger batches get a larger rate by the root of the ratio, and as many steps as they can.
    """
    rate = GOOD[rule][_family(net)] * factor * (batch / 64) ** 0.5 * (ON_SHAPES[rule] if data == "shapes" else 1.0)
    epochs = max(1, round(EPOCHS[data] * min(max(batch / 64, 0.35), 4)))
    fields: dict[str, Any] = {"data": data, "net": EXPRESSIONS[net][data], "optimizer": rule, "batch_size": batch}
    if net.startswith("tanh"):
        fields["init"] = "xavier"
    return BASE | fields | {"lr": float(f"{rate:.3g}"), "epochs": epochs} | other


def _plans() -> Iterator[tuple[str, dict[str, Any]]]:
    """Pairs of a name, which says what is special, and a recipe."""
    for data in ("digits", "shapes"):
        for net in NETS:
            for rule in ("momentum", "adam"):
                yield f"{net} {rule}", _recipe(net, data, rule)
        for net in ("mlp", "cnn", "bn"):
            yield from _rates_and_batches(net, data)
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


def _rates_and_batches(net: str, data: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for rule in ("sgd", "adamw"):
        yield f"{net} {rule}", _recipe(net, data, rule, weight_decay=0.01 if rule == "adamw" else 0.0)
    for factor in (1 / 3, 3.0):
        yield f"{net} rate x{factor:.2g}", _recipe(net, data, "adam", factor)
        yield f"{net} momentum rate x{factor:.2g}", _recipe(net, data, "momentum", factor)
    for batch in (16, 32, 256, 512):
        yield f"{net} batch {batch}", _recipe(net, data, "momentum", 1.0, batch)


LOOPS = [
    (f"{net} {optimizer}", net, data, {"optimizer": optimizer, "lr": lr, "weight_decay": decay})
    for net in ("mlp", "cnn", "bn", "tanh-mlp")
    for data in ("digits", "patches")
    for optimizer, lr, decay in (("momentum", 0.03, 0.0), ("adam", 2e-3, 0.0))
]
"""Hand-written loops under cvtui.watch."""


SET = "tests.benchmarks.doctor.sets:"
ADAM = {"optimizer": "adam", "epochs": 15, "batch_size": 32}

HELD: list[tuple[str, dict[str, Any] | tuple[str, str, str, str]]] = [
    ("F15: softmax, −log, no labels told", ("Probabilities", "mlp", "digits", "unlabelled")),
    ("F15: softmax, −log, no labels told", ("Probabilities", "cnn", "patches", "unlabelled")),
    ("F15: softmax, −log, even at first", ("Probabilities", "mlp", "digits", "even")),
    ("F15: softmax, −log", ("Probabilities", "bn", "digits", "told")),
    ("F26: frozen on purpose", ("Frozen", "mlp", "digits", "frozen")),
    ("F26: frozen on purpose", ("Frozen", "cnn", "patches", "frozen")),
    ("F26: under no_grad on purpose", ("Frozen", "mlp", "digits", "no_grad")),
    ("F26: under no_grad on purpose", ("Frozen", "cnn", "patches", "no_grad")),
    ("F09: layer scale", ("LayerScale", "cnn", "digits", "")),
    ("F09: layer scale", ("LayerScale", "mlp", "patches", "")),
    ("F13: textures", {"data": f"{SET}textures", "net": "conv16f5-relu-pool-conv16-relu-gap-fc", "lr": 3e-3} | ADAM),
    ("F13: textures", {"data": f"{SET}textures", "net": "conv16f5-bn-relu-pool-conv16-bn-relu-gap-fc", "lr": 0.05,
                       "epochs": 15}),
    ("F21: points of a callable", {"data": f"{SET}points", "net": "fc32-relu-fc", "lr": 0.01} | ADAM),
    ("F21: points, batches of 4", {"data": f"{SET}points", "net": "fc32-relu-fc", "lr": 1e-3, "optimizer": "adam",
                                   "epochs": 5, "batch_size": 4}),
    ("F31: Adam on textures", {"data": f"{SET}textures", "net": "conv8f5-relu-pool-conv32-relu-fc128-relu-fc",
                               "lr": 0.01} | ADAM),
    ("F31: Adam on textures", {"data": f"{SET}textures", "net": "conv16f5-relu-pool-conv32-relu-pool-fc64-relu-fc",
                               "lr": 0.02} | ADAM),
    ("F37: a plateau, then 86 %", {"data": "circles", "net": "fc8-sigmoid-fc8-sigmoid-fc", "lr": 0.03, "epochs": 38,
                                   "batch_size": 32, "seed": 5}),
    ("F37: a plateau, then all", {"data": "xor", "net": "fc8-sigmoid-fc8-sigmoid-fc", "lr": 0.07, "epochs": 40,
                                  "batch_size": 32, "seed": 5}),
]  # fmt: skip
"""Healthy work that was alarmed at once, with the fault that it was taken for: a recipe, or (loop, net, data,
strength)."""


def held(seeds: tuple[int, ...] = SEEDS) -> Iterator[Case]:
    for seed in seeds:
        for number, (words, what) in enumerate(HELD):
            common: dict[str, Any] = {"name": f"ok-held-{number:02d}-{seed}", "fault": "", "strength": words}
            if isinstance(what, dict):
                own = {"net": what["net"], "data": what["data"], "recipe": BASE | {"seed": seed} | what}
                yield Case(kind="recipe", seed=seed, **common, **own)
            else:
                loop, net, data, strength = what
                yield Case(kind="loop", seed=seed, **common, loop=loop, net=net, data=data, value=strength)


def cases(seeds: tuple[int, ...] = SEEDS) -> Iterator[Case]:
    yield from held(seeds)
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
    some = [case for case in cases((5,)) if case.data == "digits" and "held" not in case.name]
    return [shortened(case, 92) for case in some[:: len(some) // 20][:20]]
