"""Pages made from the code are current, and what they say of the run folder is what the real reader reads."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from cvtui.doctor.catalogue import FAULTS
from cvtui.runlog import events
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import parent_of
from cvtui.runlog.history import History
from cvtui.runlog.lottery_note import ticket_of
from tests.docs import doctor_pages, doctor_table, run_folder
from tests.docs.log_examples import COMMAND, PARENT, RECORDS, TICKET
from tests.make_docs import DOCS, PAGES

RECORDINGS = Path(__file__).resolve().parent.parent / "recordings"
DOOR = Path(__file__).resolve().parent.parent / "test_door.py"
"""Its FILES are all that cvtui ever opens in a run folder."""


def examples() -> dict[str, str]:
    """Heading -> the example line below it, as the page shows it."""
    text = (DOCS / "run-folder.md").read_text(encoding="utf-8")
    return {
        section.split("\n", 1)[0].strip("`"): found[1]
        for section in text.split("\n### ")[1:]
        if (found := re.search(r"```json\n(.*)\n```", section)) is not None
    }


@pytest.mark.parametrize("name", PAGES)
def test_a_page_made_from_the_code_is_current(name: str) -> None:
    if name == "doctor.md" and not doctor_table.RESULTS.exists():
        pytest.skip("the source archive has no benchmarks")
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "python -m tests.make_docs writes it"


def test_what_was_measured_of_faults_is_current() -> None:
    pytest.importorskip("tests.benchmarks.doctor.real.judging", reason="the source archive has no benchmarks")
    assert doctor_pages.MEASURED.read_text(encoding="utf-8") == doctor_pages.measured(), "python -m tests.make_docs"


def test_each_record_has_an_example_that_the_real_decoder_reads() -> None:
    shown = examples()
    for record, kind in zip(RECORDS, get_args(events.AnyRecord), strict=True):
        assert type(record) is kind
        assert msgspec.json.decode(shown[str(kind.__struct_config__.tag)], type=events.AnyRecord) == record


def test_the_examples_are_a_log_and_a_folder_that_can_be_opened(tmp_path: Path) -> None:
    shown = examples()
    folder = RunFolder.create(tmp_path, "example", "")
    folder.events.write_text("".join(f"{shown[str(type(one).__struct_config__.tag)]}\n" for one in RECORDS))
    for name in ("commands.jsonl", "fork.json", "ticket.json"):
        (folder.path / name).write_text(shown[name] + "\n")
    history = History(folder)
    history.poll()
    assert history.skipped == 0
    assert not history.unknown
    assert history.run == RECORDS[0]
    assert history.end == RECORDS[-1]
    assert [record.sentence for record in history.findings] == [one.sentence for one in RECORDS
                                                                if isinstance(one, events.Finding)]  # fmt: skip
    assert CommandReader(folder.commands).poll() == [COMMAND]
    assert parent_of(folder) == PARENT
    assert ticket_of(folder) == TICKET


def test_every_field_has_a_meaning() -> None:
    kinds = [*map(type, RECORDS), events.Layer, events.LayerStats, events.Histogram, events.ModuleFact,
             events.WeightFact, events.Command, type(PARENT), type(TICKET)]  # fmt: skip
    missing = [f"{kind.__name__}.{name}" for kind in kinds for name, _, _, text in run_folder.fields(kind) if not text]
    assert not missing


@pytest.mark.parametrize("name", ["digits", "diverged", "stopped"])
def test_every_field_of_a_recorded_run_is_on_the_page(name: str) -> None:
    known = {type(one).__struct_config__.tag: {field for field, *_ in run_folder.fields(type(one))} for one in RECORDS}
    for line in (RECORDINGS / name / "events.jsonl").read_text().splitlines():
        record = json.loads(line)
        assert set(record) - {"type"} <= known[record["type"]], record["type"]
        required = {field for field, _, default, _ in run_folder.fields(
            next(type(one) for one in RECORDS if type(one).__struct_config__.tag == record["type"])) if not default
        }  # fmt: skip
        assert required <= set(record), record["type"]


def test_every_file_that_is_opened_in_a_run_folder_is_on_the_page() -> None:
    text = (DOCS / "run-folder.md").read_text(encoding="utf-8")
    source = ast.parse(DOOR.read_text(encoding="utf-8"))
    assigned = {ast.unparse(node.targets[0]): node.value for node in source.body if isinstance(node, ast.Assign)}
    assert not [name for name in ast.literal_eval(assigned["FILES"]) if f"{name.rpartition('/')[2]}" not in text]


def test_the_doctors_page_has_every_fault_and_what_the_benchmark_wrote_of_it() -> None:
    page = (DOCS / "doctor.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[([FL]\d\d)\]\(doctor/", page, re.MULTILINE) == sorted(FAULTS)
    table = pytest.importorskip("tests.benchmarks.doctor.table")
    row = {"id": "F01", "name": "x", "kind": "heuristic", "runs": 36, "first": 0.944, "among_three": 1.0, "steps": 20.0,
           "soon": 0.5, "cured_runs": 12, "better": 11, "gain": 0.46, "instead": {"F02": 2}, "known": ""}  # fmt: skip
    alarms = [{"run": "ok-3-1", "what": "F02-like", "data": "digits", "alarms": {"F01": 3, "L07": 9}},
              {"run": "ok-4-1", "what": "plain", "data": "digits", "alarms": {"F01": 7}}]  # fmt: skip
    report = table.markdown({"faults": [row], "healthy": 186, "false_alarms": alarms, "cured_runs": 0})
    assert doctor_table.measured(report) == {"F01": ("0.94", "0.5", "11/12 (+0.46)")}
    assert sorted(doctor_table.false_alarms(report)) == ["F01", "F01", "L07"]
