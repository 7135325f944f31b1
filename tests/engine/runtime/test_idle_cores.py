"""Idle cores are those that the kernel counts: a process that spins takes one of them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from cvtui.engine.runtime import idle_cores
from cvtui.engine.runtime.idle_cores import LEAST_SECONDS, IdleCores
from tests.waiting import wait_until


def test_a_process_that_spins_is_not_free() -> None:
    """Others use the machine too: what the spinning process had of a core was not idle, whatever they do."""
    spinning = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        process, free = psutil.Process(spinning.pid), IdleCores()
        free()
        begun, before = time.monotonic(), process.cpu_times().user
        wait_until(lambda: process.cpu_times().user - before > 0.5)
        found, seconds = free(), time.monotonic() - begun
    finally:
        spinning.kill()
        spinning.wait()
    assert found is not None
    cores = len(psutil.Process().cpu_affinity() or [])
    assert 0 <= found <= cores - 0.5 / seconds + 0.05 * cores  # each core is counted in hundredths of a second


def test_it_counts_what_psutil_counts_over_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are given the same readings: between two of their own, others may have had this process's core."""
    free, usable = IdleCores(), sorted(psutil.Process().cpu_affinity() or [])
    cpu_times, now = psutil.cpu_times, time.monotonic
    readings = [(now(), cpu_times(percpu=True))]
    monkeypatch.setattr(idle_cores, "time", SimpleNamespace(monotonic=lambda: readings[-1][0]))
    monkeypatch.setattr(psutil, "cpu_times", lambda **_: readings[-1][1])
    psutil.cpu_percent(percpu=True)
    free()
    wait_until(lambda: now() - readings[0][0] > 0.5, what="half a second")
    readings.append((now(), cpu_times(percpu=True)))
    found, busy = free(), psutil.cpu_percent(percpu=True)
    assert found == pytest.approx(sum(1 - busy[core] / 100 for core in usable), abs=0.1 * len(usable))


def test_too_short_a_time_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(idle_cores, "time", SimpleNamespace(monotonic=lambda: now))
    free = IdleCores()
    assert free() is None
    now += LEAST_SECONDS / 2
    assert free() is None
    now += 2 * LEAST_SECONDS
    assert free() is not None


def test_a_machine_that_does_not_count_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(**_: object) -> None:
        raise PermissionError("/proc/stat")

    free = IdleCores()
    monkeypatch.setattr(psutil, "cpu_times", hidden)
    assert free() is None
    monkeypatch.undo()
    assert free() is None, "there is nothing to count from"


def test_of_a_container_s_quota_what_is_left_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cores that it may use a part of were idle for others: all of them seemed free, and none was used."""
    told, cores = tmp_path / "cpu.stat", len(psutil.Process().cpu_affinity() or [])
    idle = psutil.cpu_times(percpu=True)
    now, tick = 100.0, 0.0
    monkeypatch.setattr(idle_cores, "OF_CONTAINER", told)
    monkeypatch.setattr(idle_cores, "usable_cores", lambda: cores - 0.5)
    monkeypatch.setattr(idle_cores, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(psutil, "cpu_times", lambda **_: [one._replace(idle=one.idle + tick) for one in idle])
    free = IdleCores()
    for used, wait, found in ((0, 0.0, None), (1_000_000, 4.0, cores - 0.75), (4_000_000 * cores, 4.0, 0.0)):
        now, tick = now + wait, tick + wait
        told.write_text(f"usage_usec {used}\nuser_usec 1\n")
        assert free() == (found if found is None else pytest.approx(found))
    told.unlink()
    assert free() is None
