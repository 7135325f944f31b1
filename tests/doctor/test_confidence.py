"""How sure findings are: counts of the benchmark, worked by hand, and what is told of them."""

from __future__ import annotations

import re

import msgspec
import pytest

from cvtui.cli.output.findings import certainty, finding_lines
from cvtui.doctor import Doctor, catalogue
from cvtui.doctor.confidence import TABLE, Seen, Table, laplace, read
from cvtui.doctor.diagnosis import Diagnosis
from tests.benchmarks.doctor.calibration import (
    RESULTS,
    Sighting,
    counted,
    fitted,
    of_injected,
    of_real,
    reliability,
    written,
)
from tests.doctor.making import facts, story

KNOWN = Table(weight=2.0, faults={"F01": Seen((18, 18), (4, 3)), "F40": Seen((0, 0), (6, 6))})


def test_injected_runs_count_for_a_few_real_ones() -> None:
    """F01: (3 + 2 · 19/20) / (4 + 2). F40 was never injected: all real programs, 10/12. F99 was never seen."""
    assert KNOWN.confidence("F01") == pytest.approx(4.9 / 6)
    assert KNOWN.confidence("F40") == pytest.approx((6 + 2 * 10 / 12) / 8)
    assert KNOWN.confidence("F99") == pytest.approx(10 / 12)
    assert laplace(0, 0) == 0.5


def seen(
    fault: str, right: bool, times: int = 1, real: bool = True, shown: bool = False, place: int = 0
) -> list[Sighting]:
    return [Sighting(fault, place, right, real, shown, f"{fault}{number}") for number in range(times)]


def test_the_table_is_made_of_the_half_that_is_chosen_on_alone() -> None:
    every = [
        *seen("F01", True, 10, real=False), *seen("F01", False, 3), *seen("F36", False, 2, place=1),
        *seen("F01", True, 50, shown=True), *seen("F40", False, 50, shown=True),
    ]  # fmt: skip
    table = fitted(every)
    assert table.faults == {"F01": Seen((10, 10), (3, 0))}
    assert table.weight == 1, "injected runs mislead here, and count for least"
    both = [seen("F01", right, times, real) for right in (True, False) for times, real in ((10, False), (2, True))]
    assert fitted([one for part in both for one in part]).weight == 16, "here they say it better than two and two do"
    assert read(written(table)) == table
    rows = reliability(every, counted([one for one in every if not one.shown], 1.0)).splitlines()[2:]
    assert rows[0] == "| 0 to 0.5 | 0 | – | – | 100 | 0.21 | 0.50 |", "F01 11/48, F40 (no real one was right) 1/5"


def test_what_was_said_is_read_from_both_results() -> None:
    said = [{"id": "F31", "severity": "warn"}, {"id": "L07", "severity": "note"}, {"id": "F04", "severity": "warn"}]
    case = {"fault": "F01", "seed": 3, "name": "a"}
    assert of_injected([{"case": case, "said": said}]) == [
        Sighting("F31", 0, True, False, True, "a"),
        Sighting("F04", 1, False, False, True, "a"),
    ], "F31 is another name of F01 there"
    program = {"id": "b", "truth": ["F40"], "held": False}
    assert of_real([{"program": program, "said": [["F40", "stop", "words"]]}]) == [
        Sighting("F40", 0, True, True, False, "b")
    ]


def test_the_doctor_s_numbers_are_those_of_the_file() -> None:
    doctor = Doctor()
    for record in story(known=facts(outputs=100, overlap=10, overlap_pairs=[[3, 4]])):
        doctor.take(record)
    roots = [one for one in doctor.update() if one.severity != "note"]
    assert [one.id for one in roots] == ["F20", "F27"]
    assert [one.sure for one in roots] == [round(TABLE.confidence(one.id), 2) for one in roots]
    assert all(one.sure == 1 and one.as_json()["sure"] is None for one in doctor.all if one.severity == "note")


def test_every_id_of_the_file_is_known_and_its_counts_are_counts() -> None:
    assert set(TABLE.faults) <= set(catalogue)
    for one in TABLE.faults.values():
        assert all(0 <= right <= said for said, right in (one.injected, one.real))
    assert "<!-- confidence -->" in RESULTS.read_text(encoding="utf-8")


def test_what_is_unclear_says_so_and_names_its_test() -> None:
    one = Diagnosis(id="F36", name="not learning", severity="warn", kind="heuristic", step=3, sentence="So.",
                    sure=0.42, test="overfit")  # fmt: skip
    assert certainty(one) == "unclear (confidence 42 %); a short test tells"
    lines = [str(getattr(line, "renderable", line)) for line in finding_lines(one, "mine")]
    assert re.fullmatch(r"To be sure: `cvtui doctor mine --test`: see whether .*\.", lines[-1])
    own = [str(getattr(line, "renderable", line)) for line in finding_lines(one)]
    assert own[-1] == "To be sure: see whether the net can memorise one batch.", "no recipe can be trained once more"
    assert certainty(msgspec.structs.replace(one, sure=0.9)) == "confidence 90 %"
