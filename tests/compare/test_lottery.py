"""What is made of a lottery's runs, and the command itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cvtui.calc import trace
from cvtui.calc.net.parser import parse
from cvtui.cli.commands.lottery import lottery
from cvtui.compare.lottery import PROMISE, LotteryRound, as_json, figure, judge_lottery, shares_left
from cvtui.errors import RequestError
from tests.cli.running import cvtui


def trial(number: int, kind: Any, left: float, accuracy: float | None) -> LotteryRound:
    return LotteryRound(number, kind, left, f"round-{number:02d}-{kind}", "finished", accuracy, 5, 0.1, 4)


def trials(ticket: float, reinit: float, mask: float, left: float = 0.2) -> list[LotteryRound]:
    return [
        trial(0, "dense", 1.0, 0.95),
        trial(1, "ticket", left, ticket),
        trial(1, "reinit", left, reinit),
        trial(1, "random-mask", left, mask),
    ]


@pytest.mark.parametrize(("found", "holds", "words"), [
    (trials(0.95, 0.90, 0.91), True, "20.0% of the weights reach 95.00%"),
    (trials(0.95, 0.949, 0.90), None, "drawn anew 94.90%"),
    (trials(0.80, 0.70, 0.70), False, "No ticket"),
    (trials(0.95, 0.90, 0.91, left=0.8), None, "Too few"),
    (trials(0.95, 0.90, 0.91)[:2], None, "without a control"),
    (trials(0.95, 0.90, 0.91)[:1], None, "nothing to compare"),
    ([trial(0, "dense", 1.0, None)], None, "nothing to compare"),
])  # fmt: skip
def test_does_the_promise_hold(found: list[LotteryRound], holds: bool | None, words: str) -> None:
    judged = judge_lottery(found, validation=1000)
    assert judged.holds is holds
    assert words in judged.sentence


def test_the_sparsest_ticket_that_is_as_good_is_the_best() -> None:
    found = [
        trial(0, "dense", 1.0, 0.9),
        trial(1, "ticket", 0.5, 0.95),
        trial(2, "ticket", 0.25, 0.9),
        trial(3, "ticket", 0.1, 0.5),
    ]
    best = judge_lottery(found, 1000).best
    assert best is not None
    assert best.round == 2


def test_shares_are_the_papers_powers() -> None:
    table = trace(parse("fc300-relu-fc100-relu-fc"), (28, 28, 1), 10)
    shares = shares_left(table, 0.2, "layer", 10)
    weights = (784 * 300, 300 * 100, 100 * 10)
    for number, share in enumerate(shares):
        exact = (0.8**number * (weights[0] + weights[1]) + 0.9**number * weights[2]) / sum(weights)
        assert share == pytest.approx(exact, abs=1e-4)
    assert shares_left(table, 0.2, "global", 1)[1] == pytest.approx(
        (0.8 * (weights[0] + weights[1]) + weights[2]) / sum(weights), abs=1e-5
    )


def test_the_figure_goes_from_the_dense_net_to_the_sparsest() -> None:
    drawn = {curve.name: curve for curve in figure(trials(0.94, 0.90, 0.91)).curves}
    assert drawn["ticket"].x == [0.0, 80.0]
    assert drawn["ticket"].y == [95.0, 94.0]
    assert drawn["drawn anew"].y == [95.0, 90.0]
    assert drawn["all weights"].dim


def test_the_result_as_json() -> None:
    found = trials(0.95, 0.90, 0.91)
    told = json.loads(json.dumps(as_json(found, judge_lottery(found, 1000))))
    assert told["promise"] == PROMISE
    assert told["holds"] is True
    assert told["best"] == "round-01-ticket"
    assert [run["sparsity"] for run in told["runs"]] == [0, 0.8, 0.8, 0.8]


@pytest.mark.parametrize(("words", "told"), [
    (["--rewind-steps", "999999"], "--rewind-steps"),
    (["--optimizer", "adan"], "adam"),
    (["--net", "conv8-relu-fc7"], "7"),
    (["--name", "a/b"], "slash"),
])  # fmt: skip
def test_wrong_requests_start_nothing(tmp_path: Path, words: list[str], told: str) -> None:
    with pytest.raises(RequestError) as caught:
        lottery.main(["--runs", str(tmp_path / "runs"), *words], standalone_mode=False)
    assert told in caught.value.message
    assert not (tmp_path / "runs").exists()


@pytest.mark.long
def test_the_command_on_digits(tmp_path: Path) -> None:
    words = ["--net", "fc64-relu-fc", "--epochs", "4", "--rounds", "2", "--prune", "0.5", "--threads", "1"]
    done = cvtui("lottery", *words, "--name", "draw", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    names = [run["name"] for run in told["runs"]]
    kinds = ("ticket", "reinit", "random-mask")
    assert names == ["round-00-dense", *(f"round-0{number}-{kind}" for number in (1, 2) for kind in kinds)]
    assert all((tmp_path / "runs" / "draw" / name / "checkpoints" / "last.pt").exists() for name in names)
    by_name = {run["name"]: run for run in told["runs"]}
    ticket, reinit = by_name["round-02-ticket"], by_name["round-02-reinit"]
    assert ticket["best_val_accuracy"] > reinit["best_val_accuracy"]
    shown = cvtui("lottery", *words[:-4], "--prune", "0.5", "--rounds", "1", "--control", "none", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "weights left" in shown.stdout
    assert "Frankle & Carbin" in shown.stdout
    wild = cvtui(
        "lottery", "--net", "fc8-relu-fc", "--lr", "1e30", "--on-nan", "stop(1)", "--epochs", "1", cwd=tmp_path
    )
    assert wild.returncode == 1
    assert "round-00-dense diverged" in wild.stderr
