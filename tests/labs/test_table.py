"""The table of labs, the one checker of knobs, and every lab's figures on an 80-column terminal."""

from __future__ import annotations

import math
import re
from importlib import import_module
from typing import Any

import msgspec
import pytest

from cvtui.draw.figures import LabShown
from cvtui.draw.text_figures import draw_all
from cvtui.errors import RequestError
from cvtui.labs.experiments import toeplitz
from cvtui.labs.lookup import check, find, labs
from cvtui.labs.report import Stopped, silent
from cvtui.labs.spec import Knob
from cvtui.labs.worker import run_lab
from cvtui.tui.widgets.figures_view import number_lines

ISSUE = {
    "init", "linear", "fc-vs-conv", "equivariance", "invariance", "sharing", "toeplitz", "preprocess", "optim", "lr",
    "schedule", "batch", "landscape", "gradcheck", "pooling", "epoch", "warmup", "ladder",
}  # fmt: skip
PAGE = 74
"""Cells of a lab's figures on an 80-column terminal."""
CUT = re.compile(r"\S…")
NO_NUMBER = re.compile(r"\b(nan|inf|None)\b|e[+-]0")
"""What Python writes for what is no number, and its exponents: people read 2e-6."""
SMALL: dict[str, dict[str, object]] = {
    "init": {"width": 32, "depth": 8},
    "linear": {"steps": 5, "points": 40},
    "fc-vs-conv": {"data": "digits", "epochs": 1, "images": 64, "net": "conv2-relu-pool-fc"},
    "equivariance": {"steps": 0, "pictures": 1, "shifts": 2},
    "invariance": {"steps": 2, "rows": 4},
    "preprocess": {"data": "digits", "images": 4, "units": 4},
    "optim": {"steps": 10, "net-steps": 10},
    "lr": {"steps": 20},
    "schedule": {"epochs": 1},
    "batch": {"epochs": 1, "draws": 2},
    "ladder": {"steps": 20},
    "epoch": {"epochs": 1, "batch": 512},
    "warmup": {"steps": 20, "warmup": 5},
    "landscape": {"epochs": 1, "side": 5, "images": 16},
    "gradcheck": {"entries": 1},
}


@pytest.fixture(autouse=True)
def _small_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    """No matrix of five million entries: tests/labs/test_convolution.py times them all."""
    monkeypatch.setattr(toeplitz, "SIDES", (8, 12))


def test_the_eighteen_labs_are_there() -> None:
    assert set(labs()) == ISSUE
    for name, lab in labs().items():
        assert lab.name == name
        assert callable(import_module(f"cvtui.labs.experiments.{name.replace('-', '_')}").run)
        assert lab.claim.endswith(".")
        assert lab.notice.endswith(".")
        assert lab.page
        assert len({knob.name for knob in lab.all_knobs}) == len(lab.all_knobs)


@pytest.mark.parametrize("name", sorted(ISSUE))
def test_every_lab_runs_draws_within_80_columns_and_is_json(name: str) -> None:
    result = run_lab(name, check(name, SMALL.get(name, {})), silent)
    shown = LabShown(name=name, figures=list(result.figures), numbers=dict(result.numbers), sentence=result.sentence)
    line = msgspec.json.encode(shown)
    assert b"NaN" not in line
    assert len(line) < 200_000
    again = msgspec.json.decode(line, type=LabShown)
    shown_numbers = [text for pair in number_lines(again.numbers) for text in pair]
    assert not any(NO_NUMBER.search(text) for text in (again.sentence, *shown_numbers))
    for width in (40, PAGE, 80, 160):
        for colour in (True, False):
            lines = draw_all(again.figures, width, colour=colour)
            assert lines
            assert max(line.cell_len for line in lines) <= width
            assert width < PAGE or not [line.plain for line in lines if CUT.search(line.plain)]
            assert not [line.plain for line in lines if NO_NUMBER.search(line.plain)]
            if not colour:
                assert not any("#" in str(span.style) for line in lines for span in line.spans)
    assert all(_plain(value) for value in result.numbers.values())


def _plain(value: Any) -> bool:
    """Finite numbers, text, nothing, or lists and tables of them."""
    if isinstance(value, dict):
        return all(map(_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


@pytest.mark.parametrize("name", sorted(ISSUE))
def test_every_lab_can_be_stopped_wherever_it_reports(name: str) -> None:
    """Stopped at the first and at the fifth report; nothing catches it."""
    for allowed in (0, 4):
        left = allowed

        def stop(*_: object, **__: object) -> None:
            nonlocal left
            if left <= 0:
                raise Stopped
            left -= 1

        try:
            run_lab(name, check(name, SMALL.get(name, {})), stop)
        except Stopped:
            continue
        assert allowed > 0, f"{name} never reports"


@pytest.mark.parametrize("name", sorted(ISSUE))
def test_every_knob_refuses_in_one_clear_line(name: str) -> None:
    for knob in find(name).all_knobs:
        wrong = "" if knob.kind in ("choices", "floats") else "fc16-(" if knob.kind == "net" else "nonsense"
        with pytest.raises(RequestError) as caught:
            check(name, {knob.name: wrong})
        assert f"--{knob.name}" in caught.value.message
        assert "\n" not in caught.value.message
        assert len(caught.value.message) < 300


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e400", "0x10", "", "1" * 400])
def test_odd_numbers_are_refused(value: str) -> None:
    knob = Knob(name="lr", kind="float", default=0.1, low=0, high=10, doc="")
    with pytest.raises(RequestError, match=r"--lr: .* is not allowed; allowed: 0 to 10"):
        knob.check(value)


def test_the_nearest_lab_and_knob_are_named() -> None:
    with pytest.raises(RequestError, match="did you mean 'gradcheck'"):
        find("gradchek")
    with pytest.raises(RequestError, match="did you mean 'momentum'"):
        check("lr", {"optimizer": "momentun"})
    assert check("fc-vs-conv", {"match": "ACCURACY"})["match"] == "accuracy"
    assert check("optim", {"net_steps": "20"})["net-steps"] == 20
    assert check("toeplitz", {"flip": "on"})["flip"] is True
