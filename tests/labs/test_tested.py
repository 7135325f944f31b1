"""A lab's claim holds only if what it claims was measured: where nothing was learnt, nothing is said to hold."""

from __future__ import annotations

from typing import Any

import pytest

from tests.labs.conftest import Run

BAD: list[tuple[str, dict[str, Any]]] = [
    ("schedule", {"lr": 3.0, "warmup": 0.0, "schedules": "constant,cosine,exponential", "epochs": 3}),
    ("schedule", {"lr": 1e-6, "epochs": 1}),
    ("batch", {"lr": 1e-6, "epochs": 1, "draws": 4}),
    ("fc-vs-conv", {"lr": 10.0, "epochs": 1, "images": 64}),
    ("fc-vs-conv", {"lr": 1e-6, "epochs": 1, "images": 64}),
    ("linear", {"lr": 1e-6, "steps": 1, "seed": 1}),
    ("landscape", {"epochs": 1, "side": 5, "images": 16, "left": "(fc8-sigmoid)*4-fc", "right": "(fc8-sigmoid)*4-fc"}),
    ("invariance", {"steps": 1, "rows": 4, "shifts": 1}),
]


@pytest.mark.parametrize(("name", "knobs"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_what_learns_nothing_tests_nothing(run: Run, name: str, knobs: dict[str, Any]) -> None:
    result = run(name, **knobs)
    assert result.claim_holds is None, result.sentence
    assert "not tested" in result.sentence


def test_a_rate_that_ends_well_above_a_better_one_is_not_good(run: Run) -> None:
    """Adam: 0.1 ends at 88.6 % beside 94.7 % of 0.001."""
    result = run("lr", optimizer="adam", rates="0.001,0.1")
    assert result.numbers["shapes"] == ["good", "high"]


def test_the_lectures_four_shapes(run: Run) -> None:
    result = run("lr", steps=200)
    assert result.numbers["shapes"] == ["low", "good", "high", "very high"]
    assert result.claim_holds is True
