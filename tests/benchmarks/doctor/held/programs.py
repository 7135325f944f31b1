"""All cases as programs: those that rules were mended by, and those that were not."""

from __future__ import annotations

from tests.benchmarks.doctor.held import data, heads, healthy, second, wiring  # noqa: F401  each registers its cases
from tests.benchmarks.doctor.held.case import CASES as CASES
from tests.benchmarks.doctor.held.case import program_of
from tests.benchmarks.doctor.real.program import Program

PROGRAMS = [program_of(name) for name in CASES if name.startswith("held-")]
HEALTHY = [program_of(name) for name in CASES if name.startswith("ok-own-")]


def set_of(program: Program) -> str:
    """Return "first" or "second"."""
    return CASES[program.loop].batch_of
