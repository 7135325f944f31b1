"""The writer of events: nothing is lost, nothing out of order, and a full disk does not stop the training."""

from __future__ import annotations

import json
import math
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from cvtui.runlog.events import Log, RunEnded, Steps
from cvtui.runlog.history import History
from cvtui.runlog.writer import EventWriter
from tests.runlog.making import make_folder, sampled, started, write_steps


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with EventWriter(folder) as writer:
        writer.write(
            Steps(first=0, loss=[math.nan, 1.0], lr=[0.1, 0.1], grad_norm=[math.inf, -math.inf], accuracy=[0.5, None])
        )
    (record,) = lines(folder.events)
    assert record["loss"] == [None, 1.0]
    assert record["grad_norm"] == [None, None]
    assert record["accuracy"] == [0.5, None]


def test_a_torn_line_of_a_killed_process_spoils_only_itself(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    folder.events.write_bytes(b'{"type":"log","ti')
    with EventWriter(folder) as writer:
        writer.write(started())
    history = History(folder)
    assert history.poll()
    assert history.run is not None
    assert history.skipped == 1


def test_a_full_disk_stops_nothing_and_loses_nothing(tmp_path: Path) -> None:
    """RLIMIT_FSIZE is the disk that takes half a line and then nothing more."""
    folder = make_folder(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = EventWriter(folder)
    writer.write(started())
    resource.setrlimit(resource.RLIMIT_FSIZE, (folder.events.stat().st_size + 1000, limits[1]))
    try:
        for first in range(0, 3000, 100):
            write_steps(writer, first, first + 100)
            writer.write(sampled(first))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert writer.trouble
    writer.write(RunEnded(time=1.0, step=3000, status="finished"))
    writer.close()
    assert not writer.trouble
    history = History(folder)
    history.poll()
    assert history.skipped == 0
    assert history.steps_done == 3000
    assert len(history.layer_steps) == 30
    assert history.end is not None


def test_a_deleted_folder_is_noticed_and_writing_goes_on_when_it_is_back(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    writer = EventWriter(folder)
    writer.write(started())
    shutil.rmtree(folder.path)
    writer.write(Log(time=1.0, text="while it was gone"))
    assert "No such file" in writer.trouble
    folder.path.mkdir()
    writer.flush()
    writer.close()
    assert not writer.trouble
    head, kept, told = lines(folder.events)
    assert head["type"] == "run", "a log that is begun anew says first what it is about"
    assert kept["text"] == "while it was gone"
    assert told["text"].endswith("; it was deleted, and begins anew here"), "what it held is lost"


def test_a_log_that_is_deleted_or_comes_back_is_told_as_what_it_is(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    away = tmp_path / "away"
    with EventWriter(folder) as writer:
        writer.write(started())
        write_steps(writer, 0, 100)
        folder.path.rename(away)  # a disk that is gone for a while
        write_steps(writer, 100, 200)
        away.rename(folder.path)
        writer.close()
        assert lines(folder.events)[-1]["text"].endswith("; nothing was lost")
        folder.events.unlink()
        write_steps(writer, 200, 300)
    assert [record["type"] for record in lines(folder.events)] == ["run", "steps", "log"]
    assert lines(folder.events)[-1]["text"] == "the log was deleted: it begins anew here"


def test_a_text_that_is_no_unicode_does_not_stop_the_training(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with EventWriter(folder) as writer:
        writer.write(Log(time=1.0, text="a \udcff file"))
    (record,) = lines(folder.events)
    assert record == {"type": "log", "time": 1.0, "text": "a \\udcff file"}


def test_steps_may_be_written_ready_made(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with EventWriter(folder) as writer:
        writer.write(Steps(first=0, loss=[1.0, None], lr=[0.1, 0.1]))
    history = History(folder)
    history.poll()
    assert history.steps_done == 2


def test_writing_costs_no_numpy_and_no_torch() -> None:
    code = "import sys, cvtui.runlog.commands, cvtui.runlog.writer; print(*sys.modules)"
    modules = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert not modules & {"numpy", "torch", "textual", "filelock"}


def test_a_rate_that_stays_is_written_once_a_record(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with EventWriter(folder) as writer:
        writer.write(Steps(first=0, loss=[1.0, 2.0, 3.0], lr=[0.1, 0.1, 0.1], seconds=[1.0, 2.0, 3.0]))
        writer.write(Steps(first=3, loss=[1.0, None], lr=[0.1, 0.2], accuracy=[0.5, 0.25]))
        writer.write(Steps(first=5, loss=[4.0], lr=[0.3]))
    raw = lines(folder.events)
    assert [record.get("rate") for record in raw] == [0.1, None, 0.3]
    assert [record.get("lr") for record in raw] == [None, [0.1, 0.2], None]
    history = History(folder)
    history.poll()
    assert history.steps.lr.tolist() == [0.1, 0.1, 0.1, 0.1, 0.2, 0.3]
    decoded = [msgspec.json.decode(line, type=Steps) for line in folder.events.read_bytes().splitlines()]
    assert [record.lr for record in decoded] == [[0.1] * 3, [0.1, 0.2], [0.3]]


def test_loss_rate_and_accuracy_take_at_most_40_bytes_a_step(tmp_path: Path) -> None:
    """With numbers of the length that training gives.

    Nine digits of loss, which tell every float32 from every other, and the rates of a cosine.
    """
    steps = 1000
    for schedule, most in (("constant", 40), ("cosine", 40)):
        folder = make_folder(tmp_path, schedule)
        rates = [0.005 if schedule == "constant" else 0.0025 * (1 + math.cos(step / 5000)) for step in range(steps)]
        with EventWriter(folder) as writer:
            writer.write(
                Steps(
                    first=123_000,
                    loss=[float(f"{math.exp(-step / 300) + 0.0123:.9g}") for step in range(steps)],
                    lr=[float(f"{rate:.7g}") for rate in rates],
                    accuracy=[float(f"{(step * 7 % 129) / 128:.6g}") for step in range(steps)],
                )
            )
        assert folder.events.stat().st_size / steps <= most, schedule
