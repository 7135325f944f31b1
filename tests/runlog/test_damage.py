"""Logs as crashes, power cuts and other programs leave them: readers show what is good and never raise."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import Log, RunEnded
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.run_summary import summary
from cvtui.runlog.writer import EventWriter
from tests.examples import examples
from tests.runlog.making import make_folder, started, write_run, write_steps


def read(folder: RunFolder) -> History:
    history = History(folder)
    history.poll()
    return history


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = make_folder(tmp_path)
    write_run(folder)
    return folder


def test_cut_at_every_byte_of_the_last_records_all_before_them_stays(run: RunFolder) -> None:
    data = run.events.read_bytes()
    lines = data.splitlines(keepends=True)
    start = len(data) - sum(map(len, lines[-4:]))
    for end in range(start, len(data) + 1):
        run.events.write_bytes(data[:end])
        history = read(run)
        assert history.steps_done == 60
        assert len(history.epochs) == 3
        assert history.skipped == 0, "a torn last line may still be under way"
        with EventWriter(run) as writer:
            writer.write(Log(time=2.0, text="went on"))
        history = read(run)
        assert history.logs[-1].text == "went on"
        assert history.skipped <= 1
        assert history.steps_done == 60


@pytest.mark.parametrize("zeros", [1, 511, 4096, 100_000])
def test_a_tail_of_zeros_after_a_power_cut(run: RunFolder, zeros: int) -> None:
    whole = read(run)
    with open(run.events, "ab") as file:
        file.write(b"\0" * zeros)
    history = read(run)
    assert history.steps.loss.tobytes() == whole.steps.loss.tobytes()
    assert history.state() == "finished"
    with EventWriter(run) as writer:
        writer.write(started(step=60))
        write_steps(writer, 60, 70)
        writer.flush()
        writer.write(RunEnded(time=3.0, step=70, status="stopped"))
    history = read(run)
    assert history.steps_done == 70
    assert history.state() == "stopped"
    assert history.skipped <= 1


def test_a_clock_that_jumps_back_changes_no_order(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with EventWriter(folder) as writer:
        writer.write(started(time=2e9))
        for number, now in enumerate((2e9, -1.0, 0.0, 1e12, 5.0)):
            writer.write(Log(time=now, text=str(number)))
            write_steps(writer, number, number + 1)
    history = read(folder)
    assert [log.text for log in history.logs] == list("01234")
    assert history.steps_done == 5
    assert summary(folder).state == history.state()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(60))
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=12))
def test_flipped_bytes_spoil_their_own_lines_only(tmp_path: Path, flips: list[tuple[int, int]]) -> None:
    """Bytes are replaced, none inserted: every line without one is read as before."""
    whole = RunFolder(tmp_path / "run")
    if not whole.path.exists():
        write_run(make_folder(tmp_path))
    data = bytearray(whole.events.read_bytes())
    for place, byte in flips:
        if data[place % len(data)] != 10 and byte != 10:
            data[place % len(data)] = byte
    folder = RunFolder(Path(tempfile.mkdtemp(dir=tmp_path)))
    folder.events.write_bytes(data)
    before, after = whole.events.read_bytes().splitlines(), bytes(data).split(b"\n")[:-1]
    touched = sum(a != b for a, b in zip(before, after, strict=True))
    history = read(folder)
    assert history.skipped + sum(history.unknown.values()) <= touched
    assert np.isfinite(history.steps.seconds).sum() <= len(history.steps)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(60))
@given(st.lists(st.one_of(st.integers(0, 4000), st.binary(max_size=60)), max_size=8))
def test_a_log_that_is_cut_and_written_while_it_is_read(tmp_path: Path, deeds: list[int | bytes]) -> None:
    """Numbers cut the file there (rotated, truncated), bytes are appended; one history reads on all along."""
    folder = make_folder(Path(tempfile.mkdtemp(dir=tmp_path)))
    write_run(folder)
    history = read(folder)
    for deed in deeds:
        if isinstance(deed, bytes):
            with open(folder.events, "ab") as file:
                file.write(deed)
        else:
            os.truncate(folder.events, min(deed, folder.events.stat().st_size))
        history.poll()
        assert history.state()
    fresh = read(folder)
    assert len(history.steps) >= len(fresh.steps)
    assert CommandReader(folder.commands).poll() == []


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(100))
def test_no_bytes_make_the_other_readers_raise(tmp_path: Path, data: bytes) -> None:
    from cvtui.runlog import disk_note

    folder = make_folder(Path(tempfile.mkdtemp(dir=tmp_path)))
    for path in (folder.commands, folder.note, folder.log, folder.events):
        path.write_bytes(data)
    CommandReader(folder.commands).poll()
    assert len(disk_note.read(folder.note)) <= disk_note.LENGTH
    history = read(folder)
    history.last_log_lines()
    assert history.state()
    assert summary(folder).state
