"""What the labs' tests share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cvtui.labs.lookup import check
from cvtui.labs.report import LabResult, silent
from cvtui.labs.worker import run_lab

Run = Callable[..., LabResult]


@pytest.fixture
def run() -> Run:
    """Run a lab here, with knobs by keyword (underscores for hyphens) in place of its defaults."""

    def run(name: str, **knobs: object) -> LabResult:
        return run_lab(name, check(name, knobs), silent)

    return run
