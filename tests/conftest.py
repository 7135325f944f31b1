"""Set before torch is loaded, here and in every process that the tests start: on a machine whose cores are shared,
OpenMP's spinning threads make small nets a hundred times slower."""

import gc
import os
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

_config = tempfile.TemporaryDirectory(prefix="cvtui-config-")
os.environ["XDG_CONFIG_HOME"] = _config.name
"""Nobody's own settings are read or written, also by the programs that the tests start."""


def pytest_collection_finish() -> None:
    """The garbage collector as `cvtui` has it: with its usual ways the tests of the screen take half as long again."""
    from cvtui.cli.session import collect_seldom

    gc.collect()
    collect_seldom()
    _look_for_idleness_often()


def _look_for_idleness_often() -> None:
    """Textual's Pilot waits after each key until the process has been idle for 20 ms. 10 ms tell the same: everything
    that a key sets going runs in one thread. (With 20 the tests of the screen take a sixth longer.)"""
    from textual import _wait

    _wait.SLEEP_GRANULARITY = 1 / 100
    _wait.SLEEP_IDLE = _wait.SLEEP_GRANULARITY / 8
