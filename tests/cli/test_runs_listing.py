"""`cvtui runs` and `cvtui note`: what tells runs apart, tags, tiny curves."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from tests.cli.running import within
from tests.tui.written_runs import PLAIN, WrittenRun


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, rate in (("slow", 1e-4), ("fast", 1e-2)):
        run = WrittenRun(tmp_path / "runs", name, msgspec.structs.replace(PLAIN, lr=rate))
        run.step(30)
        run.end()
    return tmp_path


def test_the_list_says_what_tells_runs_apart_and_names_logs_of_other_programs(folder: Path) -> None:
    (folder / "runs" / "a log").mkdir()
    (folder / "runs" / "a log" / "events.out.tfevents.1.host").touch()
    done = within("runs", cwd=folder)
    assert "1 log of another program: runs/a log\n`cvtui doctor 'runs/a log' --curves` shows it." in done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "differs in" in rows["run"]
    assert "lr 0.0001" in rows["slow"]
    assert "lr 0.01" in rows["fast"]
    alone = within("runs", "--filter", "name=slow", cwd=folder).stdout
    assert "differs in" not in alone


def test_tags_are_written_and_asked_for(folder: Path) -> None:
    done = within("note", "slow", "the one to keep", "--tag", "good", "--tag", "#thesis", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "the one to keep #good #thesis\n")
    assert "slow" in within("runs", "--tag", "good", cwd=folder).stdout
    assert "fast" not in within("runs", "--tag", "#good", cwd=folder).stdout
    assert within("runs", "--tag", "good", "--tag", "bad", cwd=folder).stdout == ""
    within("note", "slow", "--tag", "GOOD", cwd=folder)  # it has it already
    assert within("note", "slow", cwd=folder).stdout == "the one to keep #good #thesis\n"
    assert within("note", "slow", "--untag", "good", cwd=folder).stdout == "the one to keep #thesis\n"
    (told,) = map(json.loads, within("runs", "--json", "--tag", "thesis", cwd=folder).stdout.splitlines())
    assert told["note"] == "the one to keep #thesis"
    assert "has no note" in within("note", "slow", "--remove", cwd=folder).stderr
    assert "has no note" in within("note", "slow", cwd=folder).stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("note", "slow", "--tag", "two words"), "--tag: 'two words' is no tag; allowed: one word of letters"),
        (("runs", "--tag", ""), "--tag: '' is no tag; allowed: one word of letters"),
        (("note", "slow", "--untag", "x"), "--untag: the note has no tag 'x'; it has: none"),
        (("note", "slow", "text", "--remove"), "--remove: removes the whole note"),
        (("runs", "--json", "--curves"), "--json: goes with the table, not with --curves"),
    ],
)
def test_what_does_not_go_is_refused(folder: Path, words: tuple[str, ...], told: str) -> None:
    done = within(*words, cwd=folder)
    assert done.returncode == 2
    assert told in done.stderr


def test_tiny_curves_share_their_scales(folder: Path) -> None:
    told = within("runs", "--curves", cwd=folder)
    assert told.returncode == 0
    head, titles, *drawn = told.stdout.splitlines()
    assert head.startswith("training loss, smoothed, ")
    assert head.endswith("29 steps")
    assert [name for name in titles.split() if name in ("slow", "fast")] == sorted(["slow", "fast"], key=titles.index)
    assert any("\u2800" < sign <= "\u28ff" for sign in "".join(drawn))
    assert "lr 0.0001" in told.stdout
    assert all(len(line) <= 80 for line in told.stdout.splitlines())


def test_a_field_that_an_older_recipe_lacks_tells_nothing_apart(folder: Path) -> None:
    for path in (folder / "runs" / "fast").glob("events.jsonl"):
        first, rest = path.read_text().split("\n", 1)
        record = json.loads(first)
        del record["recipe"]["sync_bn"], record["recipe"]["nproc"]
        path.write_text(json.dumps(record) + "\n" + rest)
    told = within("runs", cwd=folder).stdout
    assert "lr 0.01" in told
    assert "nproc" not in told
    assert "sync" not in told
