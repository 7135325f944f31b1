"""A plugin of pytest that tells each failure at once: where a run is ended from outside, its summary is lost.

`pytest -p tests.benchmarks.failures_at_once`, with the name of a file in FAILURES.
"""

from __future__ import annotations

import os

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        text = report.longreprtext
        last = text.strip().splitlines()[-1:] or [""]
        with open(os.environ["FAILURES"], "a", encoding="utf-8") as file:
            file.write(f"FAILED {report.nodeid} ({report.when}): {last[0]}\n{text[-3000:]}\n")
