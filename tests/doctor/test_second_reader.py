"""Nothing that the doctor says of a run is false: each sentence, and its evidence, is looked up in the log by a second
reader (second_reader.py) that shares no code with the rules, at each moment at which it is said."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cvtui.doctor import Doctor, examine
from cvtui.runlog import History, RunFolder
from cvtui.runlog.events import AnyRecord, CommandApplied, RunStarted
from tests.doctor import random_runs
from tests.doctor.second_reader import SecondReader, end_faults

SAMPLE = range(12)
MANY = range(1000)


def untrue(folder: RunFolder) -> list[str]:
    """False statements about one run: of the doctor after each record, of the findings in its log, of the doctor who
    comes when all is over, and of the reason of its end."""
    reader, doctor, decoder = SecondReader(), Doctor(), msgspec.json.Decoder(AnyRecord)
    found: list[str] = []
    told: dict[str, tuple[str, str]] = {}
    for line in folder.events.read_bytes().splitlines():
        said = reader.feed(line)
        record = decoder.decode(line)
        if isinstance(record, RunStarted) and record.step is not None:
            doctor, told = Doctor(), {}
            for hand in reader.hands:  # as the engine's own doctor does it: the log's earlier part has them
                doctor.take(msgspec.convert(hand, CommandApplied))
        doctor.take(record)
        doctor.update()
        assert "the doctor had to leave" not in said.get("text", ""), said
        if said["type"] == "finding":
            found += reader.faults(said)
        for one in doctor.all:
            if told.get(one.id) != (one.sentence, one.evidence):
                told[one.id] = (one.sentence, one.evidence)
                found += reader.faults(msgspec.to_builtins(one))
        found += [f"{name} failed: {why}" for name, why in doctor.failed.items()]
        doctor.failed.clear()
    history = History(folder)
    history.poll()
    for one in examine(history):
        found += reader.faults(msgspec.to_builtins(one))
    return found + end_faults(reader)


def count_of(seeds: range, base: Path, healthy: bool = False) -> tuple[int, list[str]]:
    """(findings that were looked up, false ones)."""
    found: list[str] = []
    said = 0
    for seed in seeds:
        for run in random_runs.make(base, seed, healthy):
            found += [f"seed {seed}, {run.name}: {words}" for words in untrue(run)]
            history = History(run)
            history.poll()
            said += len(history.findings)
    return said, found


def test_nothing_false_is_said_of_runs_under_a_random_hand(tmp_path: Path) -> None:
    said, found = count_of(SAMPLE, tmp_path)
    assert found == []
    assert said > len(SAMPLE) / 2, "the runs must give the doctor something to say"


def test_nothing_false_is_said_of_healthy_runs(tmp_path: Path) -> None:
    assert count_of(range(2000, 2003), tmp_path, healthy=True)[1] == []


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, len(MANY), 100))
def test_nothing_false_is_said_of_a_thousand_runs(first: int, tmp_path: Path) -> None:
    said, found = count_of(MANY[first : first + 100], tmp_path)
    assert found == []
    assert said > 100


@pytest.mark.long
def test_nothing_false_is_said_of_a_hundred_healthy_runs(tmp_path: Path) -> None:
    assert count_of(range(2000, 2100), tmp_path, healthy=True)[1] == []
