"""Step times of ranks: which one is slow, worked by hand; damaged files; the command."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from cvtui.cli.commands.ranks import ranks as command
from cvtui.errors import RequestError
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.ranks import UNKNOWN, RankFiles, RankStarted, rank_file, read_ranks, straggler, verdict
from cvtui.runlog.tail import append_line
from tests.runlog.rank_making import run_of, times


def test_the_rank_that_waits_for_data_is_slow_and_not_the_one_that_waits_for_it(tmp_path: Path) -> None:
    quick = times(0, [None, 0.0, 0.0, 0.0], [0.4] * 4, 1.0)  # 0.5 of passes are the wait for the other
    slow = times(0, [None, 0.5, 0.5, 0.5], [0.4] * 4, 1.0)
    found = straggler(read_ranks(run_of(tmp_path, [quick], [slow])))
    assert found is not None
    assert (found.rank, found.why) == (1, "data")
    # own work 1.0 against 0.5 in each of the three steps of 1.0 whose wait is known
    assert (found.lost, found.share, found.others) == pytest.approx((0.5, 0.5, 0.0))
    assert found.sentence == (
        "rank 1 waits 50 % of its time for data (the others at most 0 %); they wait for it 50 % of the time"
    )


def test_the_rank_that_computes_longer_is_slow(tmp_path: Path) -> None:
    ranks = [[times(0, [0.0] * 3, [own] * 3, 1.0)] for own in (0.9, 0.5, 0.6)]
    found = straggler(read_ranks(run_of(tmp_path, *ranks)))
    assert found is not None
    assert (found.rank, found.why) == (0, "compute")
    assert found.lost == pytest.approx(0.3)


@pytest.mark.parametrize("own", [(0.5, 0.52), (0.5, 0.5)])
def test_none_is_slow_where_all_work_alike(tmp_path: Path, own: tuple[float, float]) -> None:
    assert straggler(read_ranks(run_of(tmp_path, *[[times(0, [0.0] * 3, [one] * 3, 1.0)] for one in own]))) is None


def test_none_is_slow_where_each_is_in_turn(tmp_path: Path) -> None:
    turns = [[0.3, 0.8, 0.3, 0.8], [0.8, 0.3, 0.8, 0.3]]
    assert straggler(read_ranks(run_of(tmp_path, *[[times(0, [0.0] * 4, own, 1.0)] for own in turns]))) is None


def test_steps_after_a_restart_replace_those_before_and_broken_lines_spoil_themselves(tmp_path: Path) -> None:
    folder = run_of(tmp_path, [times(0, [0.0] * 4, [0.4] * 4, 1.0)])
    path = rank_file(folder, 0)
    again = RankStarted(time=2.0, rank=0, world_size=1, host="h", pid=99, device="cpu", step=2, restart=1)
    wrong = b'{"type":"times","first":0,"data":[1],"passes":[],"own":[],"update":[],"seconds":[],"images":[]}'
    for line in (b"torn {", wrong, b'{"type":"new"}', msgspec.json.encode(again)):
        append_line(path, line)
    append_line(path, msgspec.json.encode(times(2, [0.0], [0.4], 7.0)))
    (rank,) = read_ranks(folder)
    assert (sorted(rank.steps), rank.started.pid, rank.worst()) == ([0, 1, 2], 99, (2, 7.0))


def test_a_growing_file_is_read_on_and_holds_the_newest_steps(tmp_path: Path) -> None:
    folder = run_of(tmp_path, [times(0, [0.0] * 3, [0.4] * 3, 1.0)])
    files = RankFiles(folder, kept=4)
    assert files.poll()
    assert not files.poll()
    append_line(rank_file(folder, 0), msgspec.json.encode(times(3, [0.0] * 3, [0.4] * 3, 2.0)))
    assert files.poll()
    (rank,) = files.ranks
    assert (list(rank.steps), rank.worst()) == ([2, 3, 4, 5], (5, 2.0))  # of equal ones the newest
    assert files.version == 2
    assert len(read_ranks(folder)[0].steps) == 6


def test_it_is_told_where_nobody_can_know_who_is_slow(tmp_path: Path) -> None:
    equal, unseen = (
        times(0, [0.0] * 3, [0.4] * 3, 1.0),
        msgspec.structs.replace(times(0, [0.0] * 3, [0.4] * 3, 1.0), own=[None] * 3),
    )
    told = {}
    for name, ranks in {"equal": [[equal], [equal]], "unseen": [[equal], [unseen]], "none": [[equal], []]}.items():
        (tmp_path / name).mkdir()
        told[name] = verdict(read_ranks(run_of(tmp_path / name, *ranks)))
    assert told["equal"] == "No one rank keeps the others waiting."
    assert told["unseen"] == told["none"] == UNKNOWN + "no step has its own work recorded on every rank."
    (rank, *_) = read_ranks(run_of(tmp_path, [equal], [equal]))
    assert verdict([rank]) == UNKNOWN + "not every rank has recorded its steps."


def test_the_command_prints_each_rank_and_json(tmp_path: Path) -> None:
    run_of(tmp_path, [times(0, [0.0, 0.0], [0.4] * 2, 1.0)], [times(0, [0.5, 0.5], [0.4] * 2, 1.0)])
    shown = CliRunner().invoke(command, ["r", "--runs", str(tmp_path)]).output
    assert "1,000.0 ms" in shown
    assert "rank 1 waits 50 % of its time for data" in shown
    told = json.loads(CliRunner().invoke(command, ["r", "--runs", str(tmp_path), "--json"]).output)
    assert [one["data_share"] for one in told["ranks"]] == [0.0, 0.5]
    assert (told["straggler"]["rank"], told["ranks"][1]["others_share"]) == (1, pytest.approx(0.0))


def test_the_shares_of_a_row_are_the_whole_step_also_where_rank_0_writes_the_log(tmp_path: Path) -> None:
    """By hand: 0.1 data, 0.4 own, 0.2 others, 0.1 update of each second; 0.2 are in no other column."""
    step = times(0, [None, 0.1, 0.1], [0.4] * 3, 1.0)
    step = msgspec.structs.replace(step, passes=[0.6] * 3, seconds=[9.0, 1.0, 1.0])
    unseen = msgspec.structs.replace(step, own=[None] * 3)
    folder = run_of(tmp_path, [step], [unseen])
    shares = [rank.shares() for rank in read_ranks(folder)]
    assert [shares[0].data, shares[0].own, shares[0].others, shares[0].update, shares[0].rest] == pytest.approx(
        [0.1, 0.4, 0.2, 0.1, 0.2]
    )
    assert (shares[1].own, shares[1].others, shares[1].rest) == (None, None, pytest.approx(0.2))
    told = json.loads(CliRunner().invoke(command, ["r", "--runs", str(tmp_path), "--json"]).output)
    assert told["ranks"][0]["rest_share"] == pytest.approx(0.2)
    assert "rest" in CliRunner().invoke(command, ["r", "--runs", str(tmp_path)]).output


def test_a_run_of_one_process_has_no_ranks(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, "r", "")
    error = CliRunner().invoke(command, ["r", "--runs", str(tmp_path)]).exception
    assert isinstance(error, RequestError)
    assert "trained in one process" in error.message
