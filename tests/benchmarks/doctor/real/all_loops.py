"""The loop of a program, by its name."""

from __future__ import annotations

from tests.benchmarks.doctor.held.programs import CASES
from tests.benchmarks.doctor.real.faulty_loops import FAULTY
from tests.benchmarks.doctor.real.healthy_losses import LOSSES
from tests.benchmarks.doctor.real.healthy_nets import NETS
from tests.benchmarks.doctor.real.loops import Loop
from tests.benchmarks.doctor.real.program import Program

LOOPS: dict[str, type[Loop]] = {"": Loop, **FAULTY, **LOSSES, **NETS}


def loop_of(program: Program) -> Loop:
    return (CASES.get(program.loop) or LOOPS[program.loop])(program)
