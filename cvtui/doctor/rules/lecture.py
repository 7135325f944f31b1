"""Rules of the lecture, from the recipe's net and its first batch: notes, but for a signal that dies out."""

from __future__ import annotations

import math

from cvtui.calc import Activation, Conv, Linear, Pool, Row, Table, trace
from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent, rule
from cvtui.errors import RequestError
from cvtui.runlog.kinds import ACTIVATIONS


def table(obs: Observations) -> Table | None:
    """Return the layer table of the recipe's net; None for a custom training loop."""
    if "table" not in obs.tables:
        obs.tables["table"] = _table(obs)
    found: Table | None = obs.tables["table"]
    return found


def _table(obs: Observations) -> Table | None:
    from cvtui.calc.net.parser import parse

    size = obs.run.data.get("input") if obs.run else None
    if obs.own_loop or not isinstance(size, list) or len(size) not in (1, 2, 3) or not obs.classes:
        return None
    try:
        return trace(parse(str(obs.recipe.get("net", ""))), tuple(size), obs.classes)
    except (RequestError, ValueError, TypeError):
        return None


def spread(obs: Observations) -> dict[str, float]:
    """Return the standard deviation of each watched layer's output on the first batch, in order."""
    found = obs.run.prediction.get("activation_std") if obs.run else None
    if isinstance(found, dict) and found:
        return {str(name): float(value) for name, value in found.items()}
    if obs.first_step == 0 and len(obs.layers) and obs.layers.steps[0] == 0:
        stds = obs.layers.of("std")[0]
        return {name: float(std) for name, std in zip(obs.layers.names, stds, strict=True) if math.isfinite(std)}
    return {}


def hidden(obs: Observations) -> list[tuple[str, float]]:
    """Return those of the hidden activations (of the weights' outputs where no activation is a module)."""
    kinds = _kinds(obs)
    stds = [(name, std) for name, std in spread(obs).items() if std == std]
    active = [(name, std) for name, std in stds if kinds.get(name, "") in ACTIVATIONS]
    return active or stds[:-1]


def _kinds(obs: Observations) -> dict[str, str]:
    found = table(obs)
    if found is not None:
        return {row.name: row.kind for row in found.rows}
    return dict(zip(obs.layers.names, obs.layers.kinds, strict=True))


@rule("L02", "facts", "layers")
def dies_out(obs: Observations) -> RuleResult | None:
    stds = hidden(obs)
    if len(stds) < 3 or obs.norms:
        return None
    (first, at_first), (last, at_last) = stds[0], stds[-1]
    if not at_first > 0 or at_last == 0 or at_last / at_first > limit("L02", "share"):
        return None  # exactly 0 is no faint signal, but dead units
    share = at_last / at_first
    step = share ** (1 / (len(stds) - 1))
    return RuleResult(
        f"The outputs of {first} spread by {at_first:.2g}, those of {last} by {at_last:.2g}: at each layer only "
        f"{percent(step)} of the signal is left on average, and its gradients shrink alike.",
        layer=last,
        value=share,
        threshold=limit("L02", "share"),
        evidence=f"spread of {last} / spread of {first} = {share:.2g}",
        cure={} if obs.own_loop else {"init": "he"},
        severity="note" if obs.recovered else None,
    )


@rule("L01", "facts")
def relu_after_xavier(obs: Observations) -> RuleResult | None:
    if not str(obs.recipe.get("init", "")).startswith("xavier") or obs.norms:
        return None
    kinds = _kinds(obs)
    stds = [(name, std) for name, std in spread(obs).items() if kinds.get(name) == "relu"]
    if len(stds) < limit("L01", "layers"):
        return None
    share = stds[-1][1] / stds[0][1] if stds[0][1] else 1.0
    if share > limit("L01", "share"):
        return None
    return RuleResult(
        f"xavier with ReLU: the spread falls from {stds[0][1]:.2g} at {stds[0][0]} to {stds[-1][1]:.2g} at "
        f"{stds[-1][0]}, since each ReLU halves the variance.",
        layer=stds[-1][0],
        value=share,
        threshold=limit("L01", "share"),
        evidence=f"spread of the last ReLU / of the first = {share:.2g}",
        cure={"init": "he"},
    )


@rule("L03", "facts")
def all_positive(obs: Observations) -> RuleResult | None:
    facts = obs.facts
    low, high = facts.input_min, facts.input_max
    if low is None or high is None or low < 0 or high <= 0 or len(facts.input_shape) < 1 or obs.norm_first:
        return None
    return RuleResult(
        f"No input of the first batch lies below 0 (from {low:.3g} to {high:.3g}): for each image the gradients of one "
        "unit's first weights all have one sign, so they zig-zag.",
        value=low,
        threshold=0.0,
        evidence=f"smallest input {low:.3g}",
        cure={} if obs.own_loop else {"preprocess": "standardise"},
    )


def _sides(row: Row) -> tuple[int, int] | None:
    return (row.input[0], row.input[1]) if len(row.input) == 3 else None


@rule("L04", "facts")
def shrinks_fast(obs: Observations) -> RuleResult | None:
    found = table(obs)
    for row in found.rows if found else ():
        sides, node = _sides(row), row.node
        if sides is None or not isinstance(node, Conv | Pool):
            continue
        sizes = [size for size in node.size if size is not None]
        if len(sizes) == 2 and (sizes[0] > sides[0] or sizes[1] > sides[1]) and max(sizes) > 1:
            return RuleResult(
                f"{row.name} looks at a {sides[0]}x{sides[1]} map through a {sizes[0]}x{sizes[1]} window: part of what "
                "it reads is always padding.",
                layer=row.name,
                value=min(sides),
                threshold=max(sizes),
                evidence=f"map {sides[0]}x{sides[1]}, window {sizes[0]}x{sizes[1]}",
            )
    return None


@rule("L05", "facts")
def does_not_fit(obs: Observations) -> RuleResult | None:
    found = table(obs)
    for row in found.rows if found else ():
        # Where padding alone is left over, as under a 5x5 stem of stride 2, every pixel is read.
        if isinstance(row.node, Conv) and "does not fit" in row.note and " of padding" not in row.note:
            return RuleResult(f"{row.name}: {row.note}.", layer=row.name, evidence=row.note.partition(":")[0])
    return None


@rule("L06", "facts")
def one_large_layer(obs: Observations) -> RuleResult | None:
    found = table(obs)
    if found is None or found.parameters < limit("L06", "parameters"):
        return None
    rows = [row for row in found.rows if isinstance(row.node, Linear)]
    if not rows or not any(isinstance(row.node, Conv) for row in found.rows):
        return None
    largest = max(rows, key=lambda row: row.parameters)
    share = largest.parameters / found.parameters
    if share <= limit("L06", "share"):
        return None
    return RuleResult(
        f"{largest.name} holds {largest.parameters:,} of the {found.parameters:,} parameters ({percent(share)}).",
        layer=largest.name,
        value=share,
        threshold=limit("L06", "share"),
        evidence=f"{largest.counting}",
    )


@rule("L07", "facts")
def sensitive_to_shifts(obs: Observations) -> RuleResult | None:
    found = table(obs)
    if found is None or len(found.input) != 3 or found.input[0] * found.input[1] <= 1:
        return None
    if any(isinstance(row.node, Conv) for row in found.rows) or not any(
        isinstance(row.node, Activation | Linear) for row in found.rows
    ):
        return None
    height, width, _ = found.input
    return RuleResult(
        f"The net has no convolution: each of the {height}x{width} places has weights of its own, and a shift by one "
        "pixel makes another image.",
        evidence="no convolution",
    )
