"""Step times of the ranks of another host's run: copied by offset like its log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from cvtui.cli.commands.ranks import ranks
from cvtui.runlog import lock, other_hosts
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.hosts.mirror import open_mirror
from cvtui.runlog.ranks import rank_file, read_ranks
from cvtui.runlog.tail import append_line
from cvtui.runlog.writer import EventWriter
from tests.runlog.hosts.far_host import StandIn
from tests.runlog.making import make_folder, started
from tests.runlog.rank_making import times, write_ranks
from tests.waiting import wait_until


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    host = StandIn(tmp_path / "far")
    monkeypatch.setenv("PATH", f"{host.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield host
    other_hosts.close_all()


def test_a_living_run_s_ranks_are_followed_at_their_bytes(far: StandIn) -> None:
    folder = make_folder(far.home / "runs")
    writer = EventWriter(folder)
    writer.write(started())
    writer.flush()
    write_ranks(folder, [times(0, [0.1] * 9, [0.2] * 9, 1.0)], [times(0, [0.6] * 9, [0.2] * 9, 1.0)])
    held = lock.take(folder.lock_file, 0)
    mirror = open_mirror("ssh://far/~/runs")
    mirror.start()
    here = mirror.folder / "run" / "ranks"

    def same() -> bool:
        there = {path.name: path.read_bytes() for path in folder.ranks.iterdir()}
        return here.is_dir() and {path.name: path.read_bytes() for path in here.iterdir()} == there

    wait_until(same, what="both files")
    inode = (here / "1.jsonl").stat().st_ino
    for rank, wait in enumerate((0.1, 0.6)):
        append_line(rank_file(folder, rank), msgspec.json.encode(times(9, [wait] * 9, [0.2] * 9, 1.0)))
    wait_until(same, what="the steps that came")
    assert (here / "1.jsonl").stat().st_ino == inode
    assert [len(rank.steps) for rank in read_ranks(RunFolder(mirror.folder / "run"))] == [18, 18]
    append_line(rank_file(folder, 1), msgspec.json.encode(times(18, [0.6], [0.2], 1.0)))
    writer.close()
    held.release()
    wait_until(lambda: not mirror._copies["run"].alive, what="the end")
    assert same(), "all that was written before the end is here"


def test_ranks_of_a_run_there_are_told(far: StandIn) -> None:
    folder = make_folder(far.home / "runs")
    writer = EventWriter(folder)
    writer.write(started())
    writer.close()
    write_ranks(folder, [times(0, [0.1] * 9, [0.2] * 9, 1.0)], [times(0, [0.6] * 9, [0.2] * 9, 1.0)])
    for words in (["run", "--runs", "ssh://far/~/runs"], ["ssh://far/~/runs/run"]):
        done = CliRunner().invoke(ranks, words)
        assert done.exit_code == 0, done.output
        assert "rank 1 waits 60 % of its time for data" in done.output
    rank_file(folder, 1).unlink()
    with folder.events.open("ab") as file:
        file.write(b"{}\n")  # it goes on, on one rank
    assert "1 of 2 ranks recorded nothing" in CliRunner().invoke(ranks, ["ssh://far/~/runs/run"]).output


def test_links_among_the_ranks_there_are_not_followed(far: StandIn) -> None:
    folder = make_folder(far.home / "runs")
    folder.events.write_bytes(b"{}\n")
    (far.home / "secret").mkdir()
    (far.home / "secret" / "0.jsonl").write_text("secret")
    folder.ranks.symlink_to(far.home / "secret")
    other = make_folder(far.home / "runs", "other")
    other.events.write_bytes(b"{}\n")
    other.ranks.mkdir()
    (other.ranks / "0.jsonl").symlink_to(far.home / "secret" / "0.jsonl")
    mirror = open_mirror("ssh://far/~/runs")
    mirror.sync()
    assert len(list(mirror.folder.rglob("events.jsonl"))) == 2
    assert not list(mirror.folder.rglob("0.jsonl"))
