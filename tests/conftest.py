"""Environment, set before torch is loaded, here and in every process that the tests start.

On a machine whose cores are shared, OpenMP's spinning threads make small nets a hundred times slower.
"""

import asyncio
import gc
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.leftover import end_processes_in

os.environ.update(OMP_NUM_THREADS="1", GOMP_SPINCOUNT="10000")  # also where a batch system says more threads
for _name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "CVTUI_PLAIN"):
    os.environ.pop(_name, None)  # colours and widths of whose terminal it is: tests say theirs
os.environ["CVTUI_STRICT"] = "1"  # what ends no training of a user's is an error here

# Where others use the processor too, drawing five examples has taken a second: that says nothing about a test.
HAS_TORCH = importlib.util.find_spec("torch") is not None
HAS_BENCHMARKS = (Path(__file__).parent / "benchmarks").is_dir()
"""Not in the source archive."""

settings.register_profile("long", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("long"), max_examples=30, derandomize=True)
settings.register_profile("another Python", settings.get_profile("quick"), max_examples=10)

_config = tempfile.TemporaryDirectory(prefix="cvtui-config-")
os.environ["XDG_CONFIG_HOME"] = _config.name
"""Nobody's own settings are read or written, also by the programs that the tests start."""


def pytest_configure(config: pytest.Config) -> None:
    """Take few examples, always the same, in the usual run, and all of Hypothesis's own with `-m long`; hide GPUs.

    GPUs are hidden from all tests but those marked `gpu`, here and in every process that they start: what a test
    expects of a run that names no device (bits, threads, time) is that of the CPU.
    """
    marks = str(config.option.markexpr)
    long = "long" in marks and "not long" not in marks
    settings.load_profile("long" if long else "quick" if HAS_TORCH else "another Python")
    if os.environ.get("CVTUI_TEST_GPU") != "1" and ("gpu" not in marks or "not gpu" in marks):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without PyTorch, tests that train are left out (`torch`, or their file imports it): the rest must hold.

    `-m long` takes Hypothesis's tests again, with all their examples.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:  # each process has loaded them in an order of its own
        items.sort(key=lambda item: item.path)
    if settings.get_current_profile_name() == "long":
        for item in items:
            if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
                item.add_marker("long")
    if not HAS_TORCH:
        for item in items:
            if item.get_closest_marker("torch"):
                item.add_marker(pytest.mark.skip(reason="needs PyTorch"))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    _leave_compiling_out()  # an optimiser that a file makes while it is loaded would bring it into every process
    report = yield
    if isinstance(collector, pytest.Directory):
        report.result = _each_its_own_part_first(report.result)
    needed = {"PyTorch": (HAS_TORCH, "torch(vision)?"), "tests/benchmarks": (HAS_BENCHMARKS, "tests.benchmarks")}
    for what, (there, module) in needed.items():
        if report.failed and not there and re.search(f"No module named '{module}'", str(report.longrepr)):
            report.outcome = "skipped"
            report.longrepr = (str(collector.path), 0, f"Skipped: needs {what}")  # as pytest's own importorskip says it
    return report


def _each_its_own_part_first(files: list[pytest.Item | pytest.Collector]) -> list[pytest.Item | pytest.Collector]:
    """Begin at another file in each process of xdist, which finds compiled what the others began with.

    In a fresh checkout all of them would compile every test at the same time, 4.5 CPU seconds each.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return files
    worker, workers = (
        int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")),
        int(os.environ["PYTEST_XDIST_WORKER_COUNT"]),
    )
    first = len(files) * worker // workers
    return files[first:] + files[:first]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """End the trainings of a test that failed: they outlive their screen, and would take a core from all others."""
    report = yield
    place = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and place is not None:
        end_processes_in(place)
    return report


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Loops as `App.run` sets them up, with eager tasks where Python has them (3.12 and newer).

    Textual's `run_test` does not, and so a screen that ended before its first frame there passed every test of it.
    """
    return {"as in App.run": _new_loop}


def _new_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
    return loop


gc.disable()  # until all tests are loaded: nothing of that is garbage


def pytest_collection_finish() -> None:
    """Set the garbage collector as `cvtui` has it.

    With its usual ways the tests of the screen take half as long again.
    """
    import cvtui.tui.app  # noqa: F401 (mends Textual's timers, for the tests' own apps too)
    from cvtui.cli.screen import relax_garbage_collection
    from tests import settled

    relax_garbage_collection()
    _leave_compiling_out()
    settled.install()


def pytest_unconfigure() -> None:
    """Leave what the tests made to the end of the process: the interpreter would look through all of it once more."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_stays_compiled() -> Iterator[None]:
    """Forget what a test compiled: in a process that may compile, losses are followed in fewer ways."""
    yield
    frame = vars(sys.modules.get("torch._dynamo.eval_frame", object))
    if frame.get("cached_backends"):
        sys.modules["torch._dynamo"].reset()


def _leave_compiling_out() -> None:
    """As the engine does: the first optimiser of a process takes two seconds otherwise."""
    if "torch" in sys.modules:
        from cvtui.engine.runtime.fast_start import leave_dynamo_out

        leave_dynamo_out()


@pytest.fixture
def forks() -> Iterator[None]:
    """Let cvtui's own processes be forks of this one, which has loaded PyTorch (tests/forked.py)."""
    if not HAS_TORCH:
        yield
        return
    from tests.forked import forked

    with forked():
        yield
