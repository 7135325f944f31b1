"""Runs that the tests of this folder share."""

from __future__ import annotations

import pytest

from cvtui.runlog.folder import RunFolder
from tests.engine.infer.making import halves, trained


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Four epochs with a running mean of the weights."""
    base = tmp_path_factory.mktemp("infer")
    return trained(base / "runs", data=f"folder:{halves(base / 'pictures')}", ema=0.9, augment="flip,shift(1)")
