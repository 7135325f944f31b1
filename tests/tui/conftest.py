"""Settings of each test's own, and runs to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cvtui.runlog.folder import RunFolder
from tests.tui.written_runs import WrittenRun, finished_run


@pytest.fixture(autouse=True)
def settings_elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a configuration folder for this test alone."""
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Write a run that has ended."""
    return finished_run(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[WrittenRun]:
    """Write a run that lives: its lock is held, as by a worker."""
    run = WrittenRun(tmp_path, "growing")
    run.step(40)
    with run.folder.lock():
        yield run
    run.close()
