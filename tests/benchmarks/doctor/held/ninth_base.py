"""The ninth set: whole programs, each a text of its own, as people write them.

A program runs as it stands, under what `cvtui run` puts on, with nothing given. `repair` is what its owner changes:
pairs of lines, the old one and the new one. `source` says where the mistake was read (the words and the code are ours),
or (`CLASSIC`, `PRACTICE`) that it is told again and again, from memory.
"""

from __future__ import annotations

import contextlib
import io
import random
import re
import runpy
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from tests.benchmarks.doctor.held.case import Case

STILL = ("F02", "F36", "F37", "F19", "F18")
TOO_FAST = ("F01", "F31", "F30")
CLASSIC = "a question that comes again and again, from memory"
PRACTICE = "a mistake that practitioners tell of, from memory"
ALL_STEPS = 10_000


class _Enough(Exception):
    """It has made as many steps as were asked for."""


class Script(Case, abstract=True):
    """A program of the ninth set."""

    batch_of = "ninth"
    symptoms: ClassVar[tuple[str, ...]] = STILL
    steps_of = ALL_STEPS
    repair: ClassVar[tuple[tuple[str, str], ...]] = ()

    def data(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        raise NotImplementedError("its text reads them")

    def net(self) -> nn.Module:
        raise NotImplementedError("its text builds it")

    def run(self) -> float:
        """Run it; return the accuracy that it prints last ("acc 0.93")."""
        text = self.text.lstrip()
        if not self.faulty:
            for old, new in self.repair:
                if text.count(old) != 1:
                    raise ValueError(f"{self.program.id}: {old!r} stands there {text.count(old)} times")
                text = text.replace(old, new)
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(1)
        printed = io.StringIO()
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(printed):
            Path("train.py").write_text(text, encoding="utf-8")
            with _only(self.program.steps), contextlib.suppress(_Enough):
                runpy.run_path("train.py", run_name="__main__")
        told = re.findall(r"acc (\d\.\d+|nan)", printed.getvalue())
        return float(told[-1]) if told else 0.0


@contextlib.contextmanager
def _only(steps: int) -> Any:
    """End the program after so many steps of its optimizer."""
    made = 0

    def count(*_: Any) -> None:
        nonlocal made
        made += 1
        if made >= steps:
            raise _Enough

    hook = register_optimizer_step_post_hook(count) if steps < ALL_STEPS else None
    try:
        yield
    finally:
        if hook is not None:
            hook.remove()
