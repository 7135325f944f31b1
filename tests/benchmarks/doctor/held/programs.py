"""All cases as programs."""

from __future__ import annotations

from tests.benchmarks.doctor.held import (  # noqa: F401  each registers its cases
    data,
    eighth_data,
    eighth_heads,
    eighth_training,
    fifth_counts,
    fifth_heads,
    fifth_healthy,
    fifth_loop,
    fifth_splits,
    fourth_data,
    fourth_healthy,
    fourth_loop,
    fourth_loss,
    fourth_model,
    hands_goals,
    hands_steps,
    hands_ways,
    heads,
    healthy,
    ninth_folders,
    ninth_heads,
    ninth_loops,
    ninth_models,
    ninth_nets,
    ninth_sampling,
    ninth_splits,
    ninth_tuning,
    second,
    seventh_data,
    seventh_heads,
    seventh_loop,
    sixth_data,
    sixth_heads,
    sixth_healthy,
    sixth_loop,
    third_data,
    third_heads,
    third_healthy,
    third_rates,
    third_wiring,
    wiring,
)
from tests.benchmarks.doctor.held.case import CASES as CASES
from tests.benchmarks.doctor.held.case import program_of
from tests.benchmarks.doctor.real.program import Program

PROGRAMS = [program_of(name) for name in CASES if name.startswith("held-")]
SETS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
HEALTHY = [program_of(name) for name in CASES if name.startswith("ok-own-")]


def set_of(program: Program) -> str:
    """Return "first" to "ninth", or "hands": healthy runs alone."""
    return CASES[program.loop].batch_of
