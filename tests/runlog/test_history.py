"""The history: what was written is what is read, whatever state the file is in and while it grows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cvtui.runlog.events import CommandApplied, RunEnded, Steps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.run_summary import summary
from cvtui.runlog.writer import EventWriter
from tests.examples import examples
from tests.runlog.making import epoch_done, make_folder, sampled, started, write_run, write_steps
from tests.waiting import wait_until


def read(folder: RunFolder) -> History:
    history = History(folder)
    history.poll()
    return history


def everything(history: History) -> tuple:
    """All that a history knows, for comparisons."""
    return (
        history.run, history.end, history.steps_done, history.steps.first,
        *(history.steps.column(name).tobytes() for name in ("loss", "lr", "accuracy", "grad_norm", "seconds")),
        history.epochs, history.commands, history.findings, list(history.logs), history.checkpoints, history.pictures,
        history.layer_steps.tolist(), [history.layers_at(step) for step in history.layer_steps.tolist()],
        history.skipped, dict(history.unknown),
    )  # fmt: skip


def test_a_whole_run(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    write_run(folder)
    history = read(folder)
    assert history.run == started()
    assert history.steps_done == 60
    np.testing.assert_array_equal(history.steps.loss, 1.0 + np.arange(60))
    np.testing.assert_array_equal(history.steps.seconds, np.arange(60) * 0.01)
    np.testing.assert_array_equal(history.steps.accuracy, np.full(60, 0.5))
    assert history.steps.loss.dtype == np.float64
    assert history.epochs == [epoch_done(1, 20, 0.5), epoch_done(2, 40, 0.9), epoch_done(3, 60, 0.8)]
    assert [record.words for record in history.commands] == ["rate 0.1 → 0.01"]
    assert [record.sentence for record in history.findings] == ["all is well"]
    assert [record.path for record in history.checkpoints] == ["checkpoints/last.pt"]
    assert [record.path for record in history.pictures] == ["pictures/filters.png"]
    assert [record.text for record in history.logs] == ["a line"]
    assert history.end == RunEnded(time=1060.0, step=60, status="finished")
    assert history.state() == "finished"
    assert history.skipped == 0
    assert not history.unknown
    version = history.version
    assert not history.poll()
    assert history.version == version


def test_layers_are_found_at_or_before_a_step(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    write_run(folder)
    history = read(folder)
    assert history.layer_steps.tolist() == [0, 10, 20, 30, 40, 50]
    assert history.layers_at(-1) is None
    for step in range(60):
        found = history.layers_at(step)
        assert found == sampled(step // 10 * 10, mean=float(step // 10 * 10))
    assert history.latest_layers == history.layers_at(10**9) == sampled(50, 50.0)
    assert read(make_folder(tmp_path, "empty")).latest_layers is None


def test_a_run_of_200_000_steps(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    count = 200_000
    with EventWriter(folder) as writer:
        for first in range(0, count, 500):
            steps = range(first, first + 500)
            writer.write(
                Steps(
                    first=first,
                    loss=[1 / (n + 1) for n in steps],
                    lr=[n * 1e-6 for n in steps],
                    seconds=[n * 0.01 for n in steps],
                )
            )
    history = read(folder)
    assert history.steps_done == count
    np.testing.assert_array_equal(history.steps.loss, 1 / (np.arange(count) + 1))
    np.testing.assert_array_equal(history.steps.lr, np.arange(count) * 1e-6)
    assert np.isnan(history.steps.accuracy).all()
    assert np.isnan(history.steps.grad_norm).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(50))
@given(st.lists(st.integers(0, 10_000), max_size=12), st.one_of(st.none(), st.integers(1, 5000)))
def test_however_the_file_grows_the_history_is_the_same(tmp_path: Path, cuts: list[int], most: int | None) -> None:
    whole = RunFolder(tmp_path / "run")
    if not whole.path.exists():
        write_run(make_folder(tmp_path))
    data = whole.events.read_bytes()
    folder = RunFolder(tmp_path / "growing")
    folder.path.mkdir(exist_ok=True)
    folder.events.unlink(missing_ok=True)
    history = History(folder)
    history.poll()
    place = 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        with open(folder.events, "ab") as file:
            file.write(data[place:cut])
        place = cut
        history.poll(most)
    while history.behind():
        history.poll(most)
    assert everything(history) == everything(read(whole))
    with open(folder.events, "ab") as file:
        file.write(b"torn" * 100)
    while history.behind():  # comes to an end: a torn line has been looked at
        history.poll(most)
    assert everything(history) == everything(read(whole))


def test_a_writer_that_tears_lines_while_we_read(tmp_path: Path) -> None:
    """Another process writes a real log 37 bytes at a time."""
    source, folder = make_folder(tmp_path, "source"), make_folder(tmp_path)
    write_run(source)
    code = (
        "import sys; data = open(sys.argv[1], 'rb').read(); file = open(sys.argv[2], 'ab', buffering=0)\n"
        "for place in range(0, len(data), 37): file.write(data[place:place + 37])"
    )
    with subprocess.Popen([sys.executable, "-c", code, source.events, folder.events]) as writer:
        history = History(folder)
        versions = set()

        def over() -> bool:
            history.poll()
            versions.add(history.version)
            assert history.skipped == 0
            return history.end is not None

        wait_until(over, what="the end record")
        assert writer.wait(60) == 0
    assert everything(history) == everything(read(source))


def test_what_a_resume_does_again_replaces_what_was_there(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    write_run(folder, end=False)
    history = read(folder)
    assert history.steps_done == 60
    with EventWriter(folder) as writer:
        writer.write(started(time=2000.0))
        write_steps(writer, 40, 45, loss=1000.0)
        writer.write(sampled(44, mean=-1.0))
    assert history.poll()
    for found in (history, read(folder)):
        assert found.steps_done == 45
        np.testing.assert_array_equal(found.steps.loss[38:], [39, 40, 1040, 1041, 1042, 1043, 1044])
        assert [record.epoch for record in found.epochs] == [1, 2]
        assert found.layer_steps.tolist() == [0, 10, 20, 30, 40, 44]
        assert found.layers_at(60) == sampled(44, mean=-1.0)
        assert [found.commands, found.findings, found.checkpoints, found.pictures] == [[]] * 4
        assert found.run is not None
        assert found.run.time == 2000.0


def test_a_resume_that_says_its_step_takes_effect_at_once(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    write_run(folder)
    with EventWriter(folder) as writer:
        writer.write(started(step=20))
    history = read(folder)
    assert history.steps_done == 20
    assert len(history.epochs) == 1
    assert history.end is None, "it runs again"
    assert history.layer_steps.tolist() == [0, 10, 20]


def test_a_torn_last_line_waits_for_its_end(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    line = b'{"type":"log","time":1.0,"text":"whole"}'
    folder.events.write_bytes(line[:20])
    history = History(folder)
    assert not history.poll()
    assert history.skipped == 0
    with open(folder.events, "ab") as file:
        file.write(line[20:] + b"\n")
    assert history.poll()
    assert [record.text for record in history.logs] == ["whole"]


def test_broken_and_unknown_lines_are_counted(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    good = '{"type":"log","time":1.0,"text":"%s"}'
    lines = [
        good % "one", "garbage", "{}", "[]", "null", '{"type":"log"}', '{"type":3}', "",
        '{"type":"steps","first":-1,"loss":[1.0],"lr":[1.0]}',
        '{"type":"steps","first":1' + "0" * 30 + ',"loss":[],"lr":[]}',
        '{"type":"layers","step":-5,"layers":[]}', '{"type":"layers","step":7,"layers":[', "[" * 100_000,
        '{"type":"hologram","step":1}', '{"type":"hologram"}', '{"time":2.0,"future":[1],"text":"two","type":"log"}',
        "\0\0\0\0" + good % "three",
    ]  # fmt: skip
    folder.events.write_text("\n".join(lines) + "\n")
    with open(folder.events, "ab") as file:
        file.write(b"\xff\xfe{}\n" + b"\0" * 5000)
    history = read(folder)
    assert [record.text for record in history.logs] == ["one", "two", "three"]
    assert history.unknown == {"hologram": 2}
    assert history.skipped == 12
    assert history.latest_layers is None


def test_keys_in_another_order_are_read_too(tmp_path: Path) -> None:
    """Somebody else's writer may put `type` last."""
    folder = make_folder(tmp_path)
    write_run(folder)
    whole = everything(read(folder))
    shuffled = [dict(reversed(json.loads(line).items())) for line in folder.events.read_text().splitlines()]
    folder.events.write_text("".join(json.dumps(record) + "\n" for record in shuffled))
    assert everything(read(folder)) == whole


def test_a_gap_is_filled_with_nan_and_a_late_start_is_kept(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with EventWriter(folder) as writer:
        writer.write(Steps(first=100, loss=[1.0, 2.0], lr=[0.1, 0.1]))
        writer.write(Steps(first=104, loss=[3.0], lr=[0.1]))
        writer.write(Steps(first=10**11, loss=[3.0], lr=[0.1]))
    history = read(folder)
    assert history.steps.first == 100
    assert history.steps_done == 105
    assert history.steps.step.tolist() == [100, 101, 102, 103, 104]
    np.testing.assert_array_equal(history.steps.loss, [1, 2, np.nan, np.nan, 3])
    assert history.skipped == 1, "a gap of 10^11 steps is a broken line, not an order for 4 TB"


def test_lists_of_uneven_length(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with EventWriter(folder) as writer:
        writer.write(Steps(first=0, loss=[1.0, 2.0, None], lr=[0.1], accuracy=[0.1] * 9))
        writer.write(Steps(first=3, loss=[4.0], lr=[0.4], seconds=[7.0]))
    history = read(folder)
    np.testing.assert_array_equal(history.steps.loss, [1, 2, np.nan, 4])
    np.testing.assert_array_equal(history.steps.lr, [0.1, np.nan, np.nan, 0.4])
    np.testing.assert_array_equal(history.steps.seconds, [np.nan] * 3 + [7])
    np.testing.assert_array_equal(history.steps.accuracy, np.array([0.1, 0.1, 0.1, np.nan], np.float32))


def test_a_layer_row_that_was_not_finite_does_not_hide_the_others(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    row = {"kind": "fc", "mean": None, "std": None, "min": None, "max": None, "zeros": 0.0}
    broken = row | {"name": "a", "histogram": [None, None, [1, 2]]}
    folder.events.write_bytes(
        msgspec.json.encode({"type": "layers", "step": 3, "layers": [broken, row | {"name": "b"}]}) + b"\n"
    )
    found = read(folder).layers_at(3)
    assert found is not None
    assert [(layer.name, layer.histogram) for layer in found.layers] == [("a", None), ("b", None)]


@pytest.mark.parametrize("how", ["truncated", "replaced by a longer one", "emptied"])
def test_a_log_that_is_rewritten_is_read_anew(tmp_path: Path, how: str) -> None:
    folder, other = make_folder(tmp_path), make_folder(tmp_path, "other")
    write_run(folder)
    with EventWriter(other) as writer:
        writer.write(started(parameters=7))
        write_steps(writer, 0, 3 if how == "truncated" else 30_000)
    history = read(folder)
    if how == "truncated":
        folder.events.write_bytes(other.events.read_bytes())
    elif how == "emptied":
        folder.events.write_bytes(b"")
    else:
        os.replace(other.events, folder.events)
    assert history.poll()
    assert everything(history) == everything(read(folder))
    assert history.end is None


def test_a_deleted_log_keeps_what_was_read(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    write_run(folder)
    history = read(folder)
    folder.events.unlink()
    assert not history.poll()
    assert history.steps_done == 60
    assert history.layers_at(30) is None


def test_views_of_the_steps_stay_as_they_were_when_more_come(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with EventWriter(folder) as writer:
        write_steps(writer, 0, 10)
        writer.flush()
        history = read(folder)
        before = history.steps.loss
        copy = before.copy()
        write_steps(writer, 10, 5000)
        writer.flush()
        history.poll()
    np.testing.assert_array_equal(before, copy)
    assert len(history.steps) == 5000


def test_states(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    history = read(folder)
    assert history.state() == "starting"
    folder.lock().release()
    assert history.state() == "starting"
    os.utime(folder.lock_file, (1.0, 1.0))
    assert history.state() == "lost", "the worker was there, and is gone without a record"
    folder.lock_file.unlink()
    os.utime(folder.recipe, (1.0, 1.0))
    assert history.state() == "lost", "old, and nobody there"
    with folder.lock(), EventWriter(folder) as writer:
        assert history.state() == "starting", "the process lives, PyTorch is loading"
        for command, state in [("", "running"), ("pause", "paused"), ("save", "paused"), ("resume", "running")]:
            if command:
                writer.write(CommandApplied(step=0, time=1.0, command=command))
            else:
                writer.write(started())
            history.poll()
            assert history.state() == state
        writer.write(CommandApplied(step=0, time=1.0, command="pause"))
        history.poll()
    assert history.state() == "lost"
    with EventWriter(folder) as writer:
        writer.write(RunEnded(time=1.0, step=0, status="stopped"))
    assert history.state() == "paused", "there is something unread: it may be the end"
    history.poll()
    assert history.state() == "stopped"
    with folder.lock(), EventWriter(folder) as writer:
        writer.write(started(time=5.0))
        history.poll()
        assert history.state() == "running", "resumed; the pause was in another life"


def test_the_last_words_of_a_dead_process(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    history = History(folder)
    assert history.last_log_lines() == []
    folder.log.write_bytes(b"one\n\xff two\nthree\n")
    assert history.last_log_lines(2) == ["\ufffd two", "three"]


edits = st.tuples(st.integers(0, 1 << 20), st.integers(0, 60), st.binary(max_size=40))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(200))
@given(st.lists(edits, max_size=8))
def test_no_bytes_make_a_reader_raise(tmp_path: Path, changes: list[tuple[int, int, bytes]]) -> None:
    whole = RunFolder(tmp_path / "run")
    if not whole.path.exists():
        write_run(make_folder(tmp_path))
    data = whole.events.read_bytes()
    for place, length, insert in changes:
        place %= len(data) + 1
        data = data[:place] + insert + data[place + length :]
    folder = RunFolder(Path(tempfile.mkdtemp(dir=tmp_path)))
    folder.events.write_bytes(data)
    history = read(folder)
    assert history.state()
    for step in (-1, 0, 25, 10**15):
        history.layers_at(step)
    assert len(history.steps.loss) == len(history.steps.step)
    assert sorted(set(history.layer_steps.tolist())) == history.layer_steps.tolist()
    assert summary(folder).state == history.state()


@pytest.mark.parametrize("what", ['{"loss": 3}', "[]", '{"loss": {"nan": ["x"]}}', '"inf"'])
def test_steps_whose_not_finite_means_nothing_are_kept(tmp_path: Path, what: str) -> None:
    folder = make_folder(tmp_path)
    bad = '{"type":"steps","first":0,"loss":[2.0,null],"lr":[0.1,null],"seconds":[null,1.0],"not_finite":'
    lines = (bad + what + "}", '{"type":"steps","first":2,"loss":[1.0],"rate":0.1}')
    folder.events.write_text("\n".join(lines) + "\n")
    history = read(folder)
    assert history.skipped == 0
    np.testing.assert_array_equal(history.steps.loss, [2.0, np.nan, 1.0])
    np.testing.assert_array_equal(history.steps.lr, [0.1, np.nan, 0.1])
    np.testing.assert_array_equal(history.steps.seconds, [np.nan, 1.0, np.nan])
