"""Nothing that the doctor says of a run is false.

Each sentence, and its evidence, is looked up in the log by a second reader (second_reader.py) that shares no code with
the rules, at each moment at which it is said.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from cvtui.doctor import Doctor, catalogue, examine
from cvtui.doctor.checklist import checklist
from cvtui.doctor.phrases import beside
from cvtui.engine.precheck import precheck
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.events import AnyRecord, Command, CommandApplied, Record, RunStarted
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.doctor import random_runs
from tests.doctor.making import attended, epoch, story
from tests.doctor.second_log import SecondReader
from tests.doctor.second_reader import answer_faults, end_faults, faults
from tests.doctor.test_rules import HEALTHY, SICK

SAMPLE = (*range(4), 872)
"""872: a rate set by hand, which a plateau lowers before a step is made at it."""
MANY = range(1000)


def untrue(folder: RunFolder) -> list[str]:
    """List false statements about one run.

    Of the doctor after each record, of the findings in its log, of the doctor who comes when all is over, and of
    the reason of its end.
    """
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
            found += faults(reader, said)
        for one in doctor.all:
            if told.get(one.id) != (one.sentence, one.evidence):
                told[one.id] = (one.sentence, one.evidence)
                found += faults(reader, msgspec.to_builtins(one))
        found += [f"{name} failed: {why}" for name, why in doctor.failed.items()]
        doctor.failed.clear()
    history = History(folder)
    history.poll()
    for one in examine(history):
        found += faults(reader, msgspec.to_builtins(one))
    return found + end_faults(reader)


def made(seeds: Iterable[int], base: Path, healthy: bool = False) -> Iterator[RunFolder]:
    """Make the runs of the seeds, one by one."""
    for seed in seeds:
        yield from random_runs.make(base, seed, healthy)


def count_of(runs: Iterable[RunFolder]) -> tuple[int, list[str]]:
    """Count findings that were looked up, and list false ones; each run is named by its seed."""
    found: list[str] = []
    said = 0
    for run in runs:
        found += [f"{run.name}: {words}" for words in untrue(run)]
        history = History(run)
        history.poll()
        said += len(history.findings)
    return said, found


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> list[RunFolder]:
    return list(made(SAMPLE, tmp_path_factory.mktemp("sampled")))


def test_nothing_false_is_said_of_runs_under_a_random_hand(sampled: list[RunFolder]) -> None:
    said, found = count_of(sampled)
    assert found == []
    assert said > len(SAMPLE) / 2, "the runs must give the doctor something to say"


def test_the_second_reader_sees_a_wrong_number(sampled: list[RunFolder]) -> None:
    """Each number of each finding is changed: nearly all such sentences are found to be false."""
    caught = changed = 0
    for run in sampled:
        reader = SecondReader()
        for line in run.events.read_bytes().splitlines():
            reader.feed(line)
        history = History(run)
        history.poll()
        for one in map(msgspec.to_builtins, examine(history)):
            for match in re.finditer(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]\d+)?(?![\w.]*\w)", one["sentence"]):
                other = f"{float(match[0]) * 1.3 + 2:.0f}" if match[0].isdigit() else f"{float(match[0]) * 1.3:.3g}"
                sentence = one["sentence"][: match.start()] + other + one["sentence"][match.end() :]
                changed += 1
                caught += bool(faults(reader, one | {"sentence": sentence}))
    assert changed > 20
    assert caught >= 0.95 * changed


def test_nothing_false_is_said_of_healthy_runs(tmp_path: Path) -> None:
    assert count_of(made(range(2000, 2002), tmp_path, healthy=True))[1] == []


def test_a_rate_that_was_raised_in_mid_run_is_named_as_the_cause(tmp_path: Path) -> None:
    sgd = Recipe(net="fc32-relu-fc", batch_size=64, epochs=6, optimizer="sgd", lr=0.05, weight_decay=0.0,
                 schedule="constant", threads=1)  # fmt: skip
    run = RunFolder.create(tmp_path, "raised", dumps(sgd))
    raised = Command(command="set_lr", time=0.0, value=1e4)
    random_runs.train(run, [(90, raised)], 10)
    assert untrue(run) == []
    history = History(run)
    history.poll()
    first = next(one for one in examine(history) if one.severity != "note")
    assert first.step >= 90
    assert "At step 90 the rate was changed by hand from 0.05 to 1e+04." in first.sentence
    assert "lr" not in first.cure, "the recipe's rate is not what was wrong"


@pytest.mark.parametrize(
    ("share", "limit", "words"),
    [
        (0.0625, 0.067, "6.25 %"),
        (0.06698, 0.067, "6.698 %"),
        (0.067001, 0.067, "6.7001 %"),
        (9.9999e-5, 1e-4, "0.0099999 %"),
    ],
)
def test_a_number_beside_its_limit_lies_on_its_own_side(share: float, limit: float, words: str) -> None:
    assert beside(share, limit) == words


@pytest.mark.parametrize("name", sorted({*SICK, *HEALTHY} - {"L06"}))  # a written run has no table of layers
def test_nothing_false_is_said_of_a_written_run(name: str) -> None:
    """One sentence of every fault, of loops of somebody's own too."""
    records, reader = {**SICK, **HEALTHY}[name](), SecondReader()
    for record in records:
        reader.feed(msgspec.json.encode(record))
    assert [words for one in attended(records).all for words in faults(reader, msgspec.to_builtins(one))] == []


@pytest.mark.parametrize("falls", [True, False])
def test_overfitting_is_told_by_the_losses_where_no_accuracies_are(falls: bool) -> None:
    """The validation loss climbs from epoch 4 on; overfitting it is where the training loss goes on falling."""
    rows = [epoch(n, 0, 0, 1 / n if falls else 1.0, 0.5 + 0.1 * abs(n - 3)) for n in range(1, 10)]
    rows = [msgspec.structs.replace(one, train_accuracy=None, val_accuracy=None) for one in rows]
    records, reader = story(epochs=tuple(rows)), SecondReader()
    for record in records:
        reader.feed(msgspec.json.encode(record))
    found = [msgspec.to_builtins(one) for one in attended(records).all if one.id == "F18"]
    assert [words for one in found for words in faults(reader, one)] == []
    assert [one["sentence"] for one in found] == falls * [
        "Overfitting from epoch 4 on: training loss 0.167, validation loss 0.8. "
        "The best epoch is 3 (validation loss 0.5)."
    ]


def test_the_lecture_that_is_cited_is_lecture_5() -> None:
    cited = [words for fault in catalogue.values() for words in re.findall(r"lecture \d+", fault.source)]
    assert set(cited) == {"lecture 5"}
    assert len(cited) >= 7


def untrue_in_check_up(seed: int) -> list[str]:
    """List false answers and findings of the check-up of a random recipe."""
    reader, doctor = SecondReader(), Doctor()

    def hear(record: Record) -> None:
        reader.feed(msgspec.json.encode(record))
        doctor.take(record)

    precheck(random_runs.recipe(random.Random(seed), False)[0].recipe, hear)
    doctor.update()
    found = [words for one in doctor.all for words in faults(reader, msgspec.to_builtins(one))]
    for item in checklist(doctor.obs, doctor.all):
        found += answer_faults(reader, item.question, item.answer)
    return [f"seed {seed}: {words}" for words in found]


@pytest.mark.parametrize("seed", [3001, 3002])
def test_nothing_false_is_said_before_a_run(seed: int) -> None:
    assert untrue_in_check_up(seed) == []


@pytest.mark.long
def test_nothing_false_is_said_before_forty_runs() -> None:
    assert [words for seed in range(3000, 3040) for words in untrue_in_check_up(seed)] == []


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, len(MANY), 100))
def test_nothing_false_is_said_of_a_thousand_runs(first: int, tmp_path: Path) -> None:
    said, found = count_of(made(MANY[first : first + 100], tmp_path))
    assert found == []
    assert said > 100


@pytest.mark.long
def test_nothing_false_is_said_of_a_hundred_healthy_runs(tmp_path: Path) -> None:
    assert count_of(made(range(2000, 2100), tmp_path, healthy=True))[1] == []
