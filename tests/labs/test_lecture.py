"""The lecture's 28 claims: each opens something that exists, with knobs that parse, and holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cvtui import settings
from cvtui.draw.text_figures import draw_all
from cvtui.errors import RequestError
from cvtui.labs.claims import CLAIMS, InCalc, InLab
from cvtui.labs.lecture import calculated, claim, held, keep_held, shown_by
from cvtui.labs.lookup import check, labs
from cvtui.tui.labs.lecture_page import TEXT
from tests.cli.running import within
from tests.labs.conftest import Run

IN_LABS = [one for one in CLAIMS if isinstance(one.opens, InLab)]
IN_CALC = [one for one in CLAIMS if isinstance(one.opens, InCalc)]


@pytest.fixture(autouse=True)
def _settings_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_the_claims_are_numbered_and_short() -> None:
    assert [one.number for one in CLAIMS] == list(range(1, 29))
    places = (one.opens.name if isinstance(one.opens, InLab) else "calc" for one in CLAIMS)
    # A line each on 80 columns: frame, padding and scroll bar, sign and number, then both; the gap is TEXT's last cell.
    assert max(len(one.text) for one in CLAIMS) < TEXT
    assert 5 + 5 + TEXT + max(map(len, places)) <= 80
    for one in CLAIMS:
        if one.question is not None:
            assert 2 <= len(one.question.answers) <= 4
            assert 0 <= one.question.right < len(one.question.answers)


def test_every_claim_opens_a_lab_with_knobs_that_parse() -> None:
    for one in IN_LABS:
        assert isinstance(one.opens, InLab)
        assert one.opens.name in labs()
        assert set(one.opens.knobs) <= set(check(one.opens.name, one.opens.knobs))
        assert one.number in shown_by(one.opens.name, one.opens.knobs)
        assert one.number in shown_by(one.opens.name, {**one.opens.knobs, "seed": 3})
    assert {one.opens.name for one in IN_LABS if isinstance(one.opens, InLab)} >= set(labs()) - {"landscape", "ladder"}


@pytest.mark.parametrize("one", IN_CALC, ids=lambda one: one.number)
def test_every_calculation_gives_the_lectures_numbers(one: object) -> None:
    opens = one.opens  # type: ignore[attr-defined]
    holds, found = calculated(opens)
    assert holds, found
    for fact in opens.expected:
        assert fact.partition("=")[2].rpartition("→")[2] in found


def test_a_fact_that_is_not_so_does_not_hold() -> None:
    wrong = InCalc(net="conv6f5p0", input="32x32x3", expected=("conv1.output=32x32x6",))
    assert calculated(wrong) == (False, "conv1 gives 28x28x6.")
    expected = ("setting=F3S3P0→2.33", "setting=F3S2P0→4")
    strides = InCalc(net="conv1f3s?p0", input="7x7x1", expected=expected)
    assert calculated(strides) == (False, "(7 − 3)/3 + 1 = 2.33 does not fit; (7 − 3)/2 + 1 = 3 fits.")


@pytest.mark.long
@pytest.mark.parametrize("one", IN_LABS, ids=lambda one: one.number)
def test_every_labs_verdict_holds(one: object, run: Run) -> None:
    opens = one.opens  # type: ignore[attr-defined]
    result = run(opens.name, **opens.knobs)
    assert result.claim_holds is True, result.sentence


def test_ticks_are_kept_beside_other_settings() -> None:
    assert held() == set()
    settings.keep(theme="light")
    keep_held({3})
    keep_held({1, 3})
    assert held() == {1, 3}
    assert settings.load()["theme"] == "light"
    settings.keep(lecture="nonsense")
    assert held() == set()


@pytest.mark.parametrize("text", ["0", "29", "x", "-1", "³", "9" * 30])
def test_no_such_claim(text: str) -> None:
    with pytest.raises(RequestError, match="allowed: 1 to 28"):
        claim(text)


def test_the_list_and_a_calculation_on_the_command_line(tmp_path: Path) -> None:
    listed = within("lecture", cwd=tmp_path)
    assert listed.returncode == 0
    assert "0 of 28 seen to hold" in listed.stdout
    shown = within("lecture", "6", cwd=tmp_path)
    assert shown.returncode == 0
    assert "cvtui calc conv10f5s1p2 --input 32x32x3" in shown.stdout
    assert "The claim holds: conv1 gives 32x32x10; conv1 has 760 parameters." in " ".join(shown.stdout.split())
    assert "Memory to train" not in shown.stdout
    entries = json.loads(within("lecture", "--json", cwd=tmp_path).stdout)
    assert [entry["number"] for entry in entries if entry["held"]] == [6]
    wrong = within("lecture", "29", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "there is no claim '29'; allowed: 1 to 28" in wrong.stderr


def test_a_labs_command_line_opens_it_with_its_knobs() -> None:
    optim = labs()["optim"]
    assert optim.command({}) == "cvtui lab optim"
    assert optim.command(check("optim", {"race": "off", "steps": "7"})) == "cvtui lab optim --steps 7 --race off"
    assert optim.command({"rules": "all"}).endswith("--rules all")


def test_pooling_by_hand(run: Run) -> None:
    result = run("pooling")
    assert result.numbers["max"] == [[6, 8], [3, 4]]
    assert result.numbers["average"] == [[3.25, 5.25], [2, 2]]
    assert result.numbers["sum"] == [[13, 21], [8, 8]]
    assert result.claim_holds is True
    plain = [line.plain.split() for line in draw_all(result.figures, 74, colour=False)]
    assert plain[1] == ["1a", "1a", "2b", "4b", "6a", "8b"]  # a letter for each window: NO_COLOR shows them too
    assert len(run("pooling", side=5).numbers["max"]) == 3  # rounded up
    assert run("pooling", side=6, window=3, stride=3).claim_holds is None
    stepped = run("pooling", side=5, window=1, stride=2).figures[0].groups  # type: ignore[union-attr]
    assert stepped[:3] == [[1, 0, 2, 0, 3], [0, 0, 0, 0, 0], [4, 0, 5, 0, 6]]  # what no window reads has no colour


def test_an_epoch_counts_every_image_once(run: Run) -> None:
    result = run("epoch", epochs=2, batch=100)
    assert result.numbers["iterations per epoch"] == 15  # 1,437 / 100, rounded up
    assert result.numbers["iterations"] == 30
    assert result.claim_holds is True


def test_warmup_says_nothing_of_a_rate_that_would_not_explode(run: Run) -> None:
    assert run("warmup", lr=0.01, steps=60, warmup=20).claim_holds is None


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1])
def test_each_cure_gains_and_batch_norm_alone_makes_up_for_the_start(run: Run, seed: int) -> None:
    result = run("ladder", seed=seed)
    assert result.claim_holds is True, result.sentence
    assert result.numbers["accuracy"][0] < 0.15
    assert result.numbers["accuracy"][-1] > 0.9


def test_a_dead_unit_is_counted_by_hand() -> None:
    from cvtui.labs.experiments.data import digits
    from cvtui.labs.experiments.ladder import Rung, build, dead_share

    data = digits()
    assert dead_share(build(Rung("all", 1.0, -1000.0, 0.1), 0), data) == 1.0
    model = build(Rung("some", 1.0, 0.0, 0.1), 0)
    assert dead_share(model, data) < 0.05
    with torch.no_grad():
        first = model[1]
        assert isinstance(first, torch.nn.Linear)
        first.bias[:32] = -1000.0
    assert dead_share(model, data) >= 32 / 256
