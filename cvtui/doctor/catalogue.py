"""The table of all faults, read from catalogue.toml: names, limits with their sources, and what follows from what."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import msgspec

from cvtui.doctor.diagnosis import Kind, Severity
from cvtui.recipe.choices.optimizers import OPTIMIZERS


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of catalogue.toml; see the comment there."""

    id: str = ""
    order: int = 0
    """0 is the furthest upstream."""
    name: str
    kind: Kind
    severity: Severity
    what: str
    advice: str
    source: str
    causes: list[str] = []
    span: int = 0
    """Steps that its evidence takes: so much earlier it may have begun."""
    limits: dict[str, float] = {}


def _read() -> tuple[dict[str, Fault], dict[str, float], dict[str, float]]:
    tables = tomllib.loads(files("cvtui.doctor").joinpath("catalogue.toml").read_text(encoding="utf-8"))
    curves, cures = (msgspec.convert(tables.pop(name), dict[str, float]) for name in ("curves", "cures"))
    faults = msgspec.convert(tables, dict[str, Fault])
    return (
        {
            name: msgspec.structs.replace(fault, id=name, order=order)
            for order, (name, fault) in enumerate(faults.items())
        },
        curves,
        cures,
    )


FAULTS, CURVES, OFFERED = _read()
"""id -> fault, upstream first; the limits of the judge of curves; and those of cures that are offered."""

TYPICAL_RATES = {name: entry.usual_lr for name, entry in OPTIMIZERS.items()} | {
    "nadam": 1e-3, "radam": 1e-3, "adamax": 2e-3,
}  # fmt: skip
"""Rates that are usual for a batch of 64; the three stand only in loops of one's own (PyTorch's defaults)."""
ADAPTIVE = frozenset(name for name, entry in OPTIMIZERS.items() if entry.adaptive) | {"nadam", "radam", "adamax"}
"""Rules whose step does not follow the gradient's size."""
