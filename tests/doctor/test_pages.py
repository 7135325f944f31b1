"""The page of each fault: its paragraphs, their numbers, the order of causes, and the command that prints it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cvtui.doctor import Diagnosis
from cvtui.doctor import catalogue as FAULTS
from cvtui.doctor.doctor import arrange
from cvtui.doctor.pages import PARAGRAPHS, apart, explained_by, filled, followed_by, page
from tests.cli.running import within

DOCTOR = Path(__file__).parents[2] / "docs" / "doctor"
PICTURES = DOCTOR / "pictures"


def finding(fault_id: str) -> Diagnosis:
    fault = FAULTS[fault_id]
    return Diagnosis(id=fault_id, name=fault.name, severity=fault.severity, kind=fault.kind, step=0, sentence="x")


def test_each_fault_has_its_four_paragraphs() -> None:
    assert set(PARAGRAPHS) == set(FAULTS)
    for name, words in PARAGRAPHS.items():
        for paragraph in (words.looks, words.why, words.apart, words.cure):
            assert paragraph.strip(), name
            assert paragraph.strip()[-1] in ".)`", f"{name}: a whole sentence"


def test_limits_in_the_words_are_those_of_the_catalogue() -> None:
    assert filled("under {ratio},\nat {loss%}; {F01.ratio%}, {F13.count}", "F02") == "under 0.0001, at 30 %; 10 %, 100"
    assert FAULTS["F02"].limits["ratio"] == 1e-4
    with pytest.raises(KeyError):
        filled("{no_such_limit}", "F02")


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_page_names_faults_that_are_there_and_no_gap_is_left(name: str) -> None:
    text = "\n".join(page(name))
    assert set(re.findall(r"\b[FL]\d\d\b", text)) <= set(FAULTS)
    assert not re.search(r"\{\w|None|nan\b", text)
    assert len(re.findall(r"\b[FL]\d\d\b", apart(name).replace(name, ""))) >= 1, "a neighbour"


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_the_order_that_a_page_tells_is_that_of_the_findings(name: str) -> None:
    behind, before = followed_by(name), explained_by(name)
    for one in FAULTS:
        if one == name:
            continue
        first, *rest = arrange([finding(one), finding(name)])
        lighter = FAULTS[name].severity == "note" != FAULTS[one].severity
        assert (first.id == name and not rest) == (one in behind and not lighter)
        lighter = FAULTS[one].severity == "note" != FAULTS[name].severity
        assert (first.id == one and not rest) == (one in before and not lighter)


def test_each_picture_has_its_words_and_all_are_small() -> None:
    captions = tomllib.loads((PICTURES / "captions.toml").read_text(encoding="utf-8"))
    files = list(PICTURES.glob("*.svg"))
    assert {file.stem for file in files} == set(captions)
    assert sum(file.stat().st_size for file in files) < 1_500_000
    for name in captions:
        assert f"(pictures/{name}.svg)" in (DOCTOR / f"{name if name[0] == 'F' else 'lecture'}.md").read_text("utf-8")


def test_explain_prints_the_page(tmp_path: Path) -> None:
    done = within("doctor", "--explain", "f12", cwd=tmp_path)
    assert done.returncode == 0
    told = " ".join(done.stdout.split())
    assert FAULTS["F12"].name in told
    assert apart("F12") in told
    assert FAULTS["F12"].advice in told


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--explain", "F99"], "F01 to F50, F52 to F62, F64 to F68, F70, L01 to L08"),
        (["run", "--explain", "F12"], "alone"),
    ],
)
def test_what_cannot_be_explained_is_one_line(words: list[str], named: str, tmp_path: Path) -> None:
    done = within("doctor", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1
