"""Runs that were refused before they began leave no folder; those that came to grief keep theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.refused import discard_refused, was_refused
from tests.engine.making import folder, train

pytestmark = pytest.mark.torch


def history(run: RunFolder) -> History:
    found = History(run)
    found.poll()
    return found


def test_only_what_was_refused_before_it_began_is_discarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = folder(tmp_path, "refused", net="nowhere_at_all:build")
    finished = folder(tmp_path, "finished", epochs=1, limit=256)
    crashed = folder(tmp_path, "crashed")
    waiting = folder(tmp_path, "waiting")
    assert train(refused)[0] == 2
    assert train(finished)[0] == 0
    monkeypatch.setattr("cvtui.engine.worker.prepare_run", lambda *_, **__: 1 / 0)
    assert train_folder(crashed.path, Signals()) == 1
    runs = [refused, finished, crashed, waiting]
    assert [was_refused(history(run)) for run in runs] == [True, False, False, False]
    discard_refused(runs)
    assert runs == [finished, crashed, waiting]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crashed", "finished", "waiting"]
