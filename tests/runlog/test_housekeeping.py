"""Renaming, noting, pinning and deleting runs, and finding some of many."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvtui.errors import RequestError
from cvtui.runlog import manage
from cvtui.runlog.events import EpochDone
from cvtui.runlog.folder import RunFolder, list_runs
from cvtui.runlog.run_filter import parse_filter
from cvtui.runlog.run_summary import summary
from cvtui.runlog.writer import EventWriter
from tests.runlog.making import make_folder, started


def run(base: Path, name: str, accuracy: float, **recipe: object) -> RunFolder:
    folder = make_folder(base, name)
    with EventWriter(folder) as writer:
        writer.write(started(recipe={"data": "digits", "net": "fc", "lr": 0.01, "epochs": 3, **recipe}))
        writer.write(
            EpochDone(
                epoch=1, step=20, time=1.0, train_loss=1.0, train_accuracy=0.5, val_loss=1.1, val_accuracy=accuracy,
                seconds=1.0, images_per_second=1.0,
            )
        )  # fmt: skip
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    manage.write_note(run(tmp_path, "small", 0.90, lr=0.1), "in C#7 #Base")
    manage.write_note(run(tmp_path, "wide", 0.97, net="conv32-relu-fc"), "  the one\nfor the talk ")
    run(tmp_path, "deep", 0.99, net="[conv8-relu]*9-fc", lr=1e-3, data="shapes", optimizer="adam")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "deep small wide"),
        ("acc>0.97", "deep"),
        ("acc>=97%", "deep wide"),
        ("acc>0.95 net~conv", "deep wide"),
        ("net~CONV lr<=0.001", "deep"),
        ("lr=0.1", "small"),
        ("optimizer=adam", "deep"),
        ("data!=shapes", "small wide"),
        ("talk", "wide"),
        ("note~talk acc<0.5", ""),
        ("tag:base", "small"),
        ("tag:#BASE acc>0.5", "small"),
        ("tag:bas", ""),
        ("tag:7", ""),  # within a word it is none
        ("state=lost", "deep small wide"),
        ("batch-size>1", ""),
    ],
)
def test_filter(runs: Path, text: str, names: str) -> None:
    keeps = parse_filter(text)
    assert sorted(folder.name for folder in list_runs(runs) if keeps(summary(folder))) == names.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [("ac>1", "did you mean 'acc'"), ("lr>fast", "'fast', which is not a number"), ("x=1", "no key 'x'")],
)
def test_a_wrong_filter_is_one_line(text: str, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        parse_filter(text)


def test_deleted_runs_come_back(runs: Path) -> None:
    wide = RunFolder(runs / "wide")
    binned = manage.delete(wide)
    assert [folder.name for folder in list_runs(runs)].count("wide") == 0
    run(runs, "wide", 0.5)
    second = manage.delete(RunFolder(runs / "wide"))
    assert second != binned
    assert set(manage.in_bin(runs)) == {binned, second}
    back = manage.restore(binned, "wide")
    assert summary(back).best_val_accuracy == 0.97
    with pytest.raises(RequestError, match="exists again"):
        manage.restore(second, "wide")
    assert manage.in_bin(runs) == [second]


def test_rename_note_and_pin(runs: Path) -> None:
    wide = RunFolder(runs / "wide")
    with pytest.raises(RequestError, match="exists already"):
        manage.rename(wide, "deep")
    with pytest.raises(RequestError, match="slash"):
        manage.rename(wide, "../x")
    renamed = manage.rename(wide, "for the talk")
    manage.pin(renamed, True)
    found = summary(renamed)
    assert (found.name, found.note, found.pinned) == ("for the talk", "the one for the talk", True)
    manage.pin(renamed, False)
    manage.write_note(renamed, "")
    found = summary(renamed)
    assert (found.note, found.pinned) == ("", False)


def test_a_living_run_is_left_alone(runs: Path) -> None:
    folder = RunFolder(runs / "deep")
    with folder.lock():
        for work in (lambda: manage.delete(folder), lambda: manage.rename(folder, "x")):
            with pytest.raises(RequestError, match="is being trained"):
                work()
    assert folder.path.is_dir()
