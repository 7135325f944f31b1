"""The doctor itself: the same from a folder and from records, live and after the fact, at a bounded cost."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from cvtui.cli.main import cli
from cvtui.doctor import Doctor, catalogue, examine
from cvtui.doctor.doctor import arrange
from cvtui.doctor.metric_windows import MetricWindows
from cvtui.runlog.events import Finding, Record
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.writer import EventWriter
from tests.doctor.making import attended, learning, sample, started, story

RECORDINGS = Path(__file__).parents[1] / "recordings"


def sick() -> list[Record]:
    """Make a run whose rate is 40 times too high."""
    return story(
        run=started(own=False, lr=2.0),
        loss=lambda step: 2.3 + 0.5 * step,
        rate=lambda _: 2.0,
        look=lambda step: sample(step, update_ratio=0.4),
    )


def written(records: list[Record], base: Path) -> RunFolder:
    folder = RunFolder.create(base, "run", 'data = "digits"\n')
    with EventWriter(folder) as writer:
        for record in records:
            writer.write(record)
    return folder


def test_a_folder_says_what_its_records_say(tmp_path: Path) -> None:
    history = History(written(sick(), tmp_path))
    history.poll()
    from_folder = examine(history)
    assert from_folder == attended(sick()).update()
    assert from_folder[0].id == "F01"


def test_live_it_is_named_early_and_stays() -> None:
    doctor = Doctor()
    named: list[tuple[int, str]] = []
    for number, record in enumerate(sick()):
        doctor.take(record)
        named += [(number, one.id) for one in doctor.update()[:1]]
    assert named[0][0] <= 6, "two looks at the layers and their steps"
    assert {name for _, name in named} == {"F01"}


def test_an_update_without_news_is_free() -> None:
    doctor = attended(sick())
    first = doctor.update()
    assert doctor.update() is first


def test_a_look_takes_less_than_a_millisecond() -> None:
    doctor = Doctor()
    costs = []
    for record in story(steps=6000, loss=learning):
        doctor.take(record)
        begun = time.process_time()  # of this process alone: the machine may be busy
        doctor.update()
        costs.append(time.process_time() - begun)
    assert float(np.median(costs)) < 1e-3
    assert float(np.mean(costs)) < 1e-3


def test_it_holds_no_more_of_a_long_run_than_of_a_short_one() -> None:
    windows = MetricWindows()
    rng = np.random.default_rng(0)
    count, chunk = 0, 1000
    means = []
    for _ in range(100):
        values = rng.random((4, chunk))
        count += chunk
        windows.take(count, values)
        means.append(values[0].mean())
    assert len(windows) <= 2048
    assert windows.end[-1] == count
    assert (np.diff(windows.end) > 0).all()
    assert windows.end[:256].tolist() == list(range(10, 2570, 10)), "the beginning stays as it was"
    weights = np.diff(windows.end, prepend=0)
    assert (windows.loss * weights).sum() / count == pytest.approx(np.mean(means)), "no step is lost"


def test_a_resume_forgets_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    folder = written(sick()[:-1], tmp_path)
    history = History(folder)
    history.poll()
    doctor = Doctor(history)
    assert doctor.update()[0].id == "F01"
    with EventWriter(folder) as writer:
        writer.write(started(own=False, lr=0.05))
        for record in story(run=started(own=False), ended=False)[2:]:
            writer.write(record)
    history.poll()
    assert [one for one in doctor.update() if one.severity != "note"] == []


def test_what_follows_is_told_with_its_cause_once() -> None:
    everything = attended(sick()).all
    roots = arrange(everything)
    told = [one.id for one in roots] + [name for root in roots for name in root.consequences]
    assert len(told) == len(set(told))
    assert set(told) == {one.id for one in everything}
    assert arrange(list(reversed(everything))) == roots, "in whatever order they came up"


@pytest.mark.parametrize("ratio", [0.4, 1e-7, 1e-3])
def test_looks_after_every_sample_end_in_what_one_look_at_all_says(ratio: float) -> None:
    """What is kept between two looks follows each new sample: the first ones here are healthy."""
    records = story(
        run=started(own=False, lr=0.1),
        loss=lambda step: 2.3 + 0.02 * step * (ratio > 0.1),
        look=lambda step: sample(
            step, update_ratio=1e-3 if step < 40 else ratio, weight_norm=9.0 if step < 60 else 1.0
        ),
    )
    live, once = Doctor(), Doctor()
    for record in records:
        live.take(record)
        live.update()
        once.take(record)
    once.update()
    assert live.all == once.all
    assert live.all


def test_a_diagnosis_becomes_a_record_of_the_log() -> None:
    (one, *_) = attended(sick()).update()
    record = one.as_finding()
    assert msgspec.json.decode(msgspec.json.encode(record), type=Finding) == record
    assert (record.id, record.cure, record.threshold) == ("F01", one.cure, 0.1)


def test_a_rule_that_fails_over_a_strange_log_says_nothing() -> None:
    doctor = Doctor()
    for record in story(run=started(own=False, batch_size="many", weight_decay=[], lr={}, warmup=None, clip="x")):
        doctor.take(record)
    doctor.update()
    assert "F33" in doctor.failed
    assert [one for one in doctor.all if one.severity != "note"] == []


@pytest.mark.parametrize("name", ["digits", "stopped"])
def test_the_recorded_healthy_runs_are_well(name: str) -> None:
    history = History(RunFolder.open(RECORDINGS / name))
    history.poll()
    assert [one for one in examine(history) if one.severity != "note"] == []


def test_the_command_speaks_json_in_its_form() -> None:
    result = CliRunner().invoke(cli, ["doctor", str(RECORDINGS / "diverged"), "--json"])
    assert result.exit_code == 0
    (finding,) = msgspec.json.decode(result.stdout)["findings"]
    assert {
        "id", "severity", "step", "layer", "sentence", "evidence", "threshold", "source", "cure", "consequences",
    } <= set(finding)  # fmt: skip
    assert finding["id"] == "F01"
    assert finding["consequences"] == ["F03"]


def test_the_command_speaks_to_people() -> None:
    result = CliRunner().invoke(cli, ["doctor", str(RECORDINGS / "digits")])
    assert (result.exit_code, result.stdout[:17]) == (0, "no problems found")
    result = CliRunner().invoke(cli, ["doctor", str(RECORDINGS / "diverged")])
    assert "learning rate too high" in result.stdout
    assert "Consequences: loss or gradient not finite" in result.stdout


def test_the_table_is_whole() -> None:
    assert {f"F{number:02d}" for number in range(1, 38)} <= set(catalogue)
    for fault in catalogue.values():
        assert fault.source
        assert fault.what
        assert set(fault.causes) <= set(catalogue)
        assert fault.id not in fault.causes
