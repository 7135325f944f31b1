"""The log's lines: each record once, in the order of what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvtui.cli.output.progress import RunReport
from cvtui.runlog.events import CheckpointSaved, Finding, Log
from cvtui.runlog.history import History
from cvtui.runlog.run_summary import summary
from cvtui.tui.panes.log_entries import LogEntries, next_step
from tests.tui.written_runs import START, WrittenRun, finished_run


def told(history: History) -> list[str]:
    return [entry.text for entry in LogEntries().update(history)[1]]


def read(folder: object) -> History:
    history = History(folder)  # type: ignore[arg-type]
    history.poll()
    return history


def test_a_whole_run_in_order(tmp_path: Path) -> None:
    lines = told(read(finished_run(tmp_path)))
    assert lines[0] == "started on cpu, 3 threads: 345 steps"
    assert lines[1].startswith("digits: 1,437")
    assert lines[-1] == "finished at step 345"
    order = [lines.index(text) for text in ("paused (step 100)", "resumed (step 100)")]
    assert order == sorted(order)
    assert lines[order[0] - 1].startswith("epoch  4")
    assert sum(line.startswith("epoch") for line in lines) == 15
    assert not any("last.pt" in line for line in lines)  # it comes with every epoch


def test_growing_tells_the_same_as_reading_at_the_end(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    history, story = History(run.folder), LogEntries()
    lines: list[str] = []

    def look() -> None:
        history.poll()
        void, entries = story.update(history)
        assert not void
        lines.extend(entry.text for entry in entries)

    look()
    for count in (1, 30, 60):
        run.step(count)
        look()
        run.log(f"after {count}")
        run.write(Finding(step=run.done, id="x", severity="warn", sentence=f"finding after {count}"))
        run.write(CheckpointSaved(step=run.done, epoch=1, path="checkpoints/now.pt", reason="asked"))
        look()
        look()
    late = START + run.done  # of a step that was done before a NaN of an earlier one was read back
    run.write(Log(time=late, text="threads 1, measured", step=run.done + 3))
    run.end("stopped")
    look()
    assert lines == told(read(run.folder))
    assert len(lines) == len(set(lines))
    assert lines[-1] == "stopped at step 91"


def test_after_a_resume_the_story_begins_anew(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    run.step(50)
    history, story = read(run.folder), LogEntries()
    story.update(history)
    run.done = 23
    run.write(run._started(step=23))
    run.step(5)
    history.poll()
    void, entries = story.update(history)
    assert void
    texts = [entry.text for entry in entries]
    assert texts[0].startswith("epoch  1")
    assert texts[1].startswith("resumed at step 23")
    assert len(texts) == 2


def test_more_logs_than_are_kept_are_told_once(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    history, story = read(run.folder), LogEntries()
    story.update(history)
    texts: list[str] = []
    for start in range(0, 1800, 600):
        for number in range(start, start + 600):
            run.log(f"line {number}")
        history.poll()
        texts += [entry.text for entry in story.update(history)[1]]
    assert texts == [f"line {number}" for number in range(1800)]
    for number in range(1800, 3000):  # faster than they are looked at: said where they would stand
        run.log(f"line {number}")
    history.poll()
    texts = [entry.text for entry in story.update(history)[1]]
    assert texts == [
        "200 lines left out here: events.jsonl has them",
        *(f"line {number}" for number in range(2000, 3000)),
    ]
    texts = told(history)
    assert "2,000 lines left out here: events.jsonl has them" in texts
    assert texts[-1] == "line 2999"


@pytest.mark.parametrize("state", ["failed", "lost", "diverged"])
def test_a_bad_end_names_the_way_out(tmp_path: Path, state: str) -> None:
    run = WrittenRun(tmp_path)
    assert "no checkpoint was saved" in next_step(state, read(run.folder))
    if state == "diverged":
        assert "--lr 0.0002" in next_step(state, read(run.folder))
        cure = {"lr": 0.000002}  # the doctor's: one truth beside it
        run.write(Finding(step=3, id="F01", severity="warn", sentence="too high", cure=cure))
        assert "--lr 2e-06" in next_step(state, read(run.folder))
    run.step(30)
    line = next_step(state, read(run.folder))
    assert "checkpoints/last.pt holds step 23" in line
    assert "cvtui resume" in line
    assert line.startswith("What to do: ")
    assert "u, or `" in line
    assert "\n" not in line
    assert ("--lr /1000`" in line) == (state == "diverged")


def test_no_rate_is_blamed_for_a_loss_before_the_first_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither on the screen nor by the command line, whose last line named a tenth of the rate."""
    run = WrittenRun(tmp_path)
    run.end("diverged", "the loss was NaN at step 0")
    history = read(run.folder)
    assert "no rate helps; `cvtui doctor" in next_step("diverged", history)
    RunReport(run.folder, run.checked, quiet=False, as_json=False).end(history, 1, 1, [])
    error = capsys.readouterr().err
    assert "no rate helps; cvtui doctor" in error
    assert "--lr" not in error


@pytest.mark.parametrize("state", ["running", "finished", "stopped", "paused", "starting"])
def test_others_need_none(tmp_path: Path, state: str) -> None:
    assert next_step(state, read(WrittenRun(tmp_path).folder)) == ""  # nothing is kept of this one


@pytest.mark.parametrize("state", ["lost", "stopped", "failed", "diverged"])
def test_what_was_kept_can_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    monkeypatch.chdir(tmp_path)
    run = WrittenRun(tmp_path / "runs", "mine")
    run.step(50)
    lower = " --lr /10" if state == "diverged" else ""
    assert f"`cvtui resume mine{lower}`" in next_step(state, read(run.folder))
    assert "holds step 46" in next_step(state, read(run.folder))
    elsewhere = WrittenRun(tmp_path / "others", "mine")
    elsewhere.step(23)
    assert f"`cvtui resume others/mine{lower}`" in next_step(state, read(elsewhere.folder))


def test_what_was_said_before_a_resume_stands_before_it(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    run.step(30)
    run.log("said early")
    run.step(30)
    run.write(run._started(step=50, time=START + 1000))
    run.done = 50
    run.step(5)
    run.write(Log(time=START + 1001, text="said late"))
    run.close()
    lines = told(read(run.folder))
    resumed = next(place for place, text in enumerate(lines) if text.startswith("resumed at step 50"))
    assert lines.index("said early") < resumed < lines.index("said late")


def test_a_text_of_the_step_of_a_resume_stands_after_the_epoch_that_ended_there(tmp_path: Path) -> None:
    """The engine says "resumed at step 90", which is where epoch 2 had ended: it stood above that epoch."""
    run = WrittenRun(tmp_path)
    run.step(60)
    run.close()
    ended = read(run.folder).epochs[-1]
    log = Log(time=ended.time + 5, text="said at the resume", step=ended.step)
    run = WrittenRun(tmp_path / "again")
    run.step(60)
    run.write(run._started(step=ended.step, time=ended.time + 4))
    run.write(log)
    run.close()
    lines = told(read(run.folder))
    epoch = next(place for place, text in enumerate(lines) if text.startswith(f"epoch {ended.epoch:>2}"))
    assert epoch < lines.index("said at the resume")


def test_a_log_that_is_cut_off_within_its_first_record_is_lost_at_once_and_says_so(tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    first = folder.events.read_bytes().partition(b"\n")[0]
    folder.events.write_bytes(first[: len(first) // 2])
    history = read(folder)
    assert (history.state(), summary(folder).state, history.log_is_cut) == ("lost", "lost", True)
    assert next_step("lost", history).startswith("What to do: events.jsonl is cut off within its first record")
    folder.events.write_bytes(b"")
    assert read(folder).state() == "starting", "young, and nobody came yet"


def test_what_a_fork_says_of_its_parent_stands_after_its_start(tmp_path: Path) -> None:
    """It is said at the step of the parent's checkpoint, a moment after the start: it stood above it."""
    run = WrittenRun(tmp_path, step=90)
    run.write(Log(time=START + 0.1, text="forked from parent", step=90))
    run.close()
    entries = LogEntries().update(read(run.folder))[1]
    times = [entry.when for entry in entries if entry.when is not None]
    assert entries[-1].text == "forked from parent"
    assert times == sorted(times)
