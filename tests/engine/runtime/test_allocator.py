"""What a step has freed stays with the process: the kernel's own count of pages that it had to hand out.

NumPy asks the C library for its memory as PyTorch does, and loads in a tenth of the time.
"""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, resource, sys
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: of huge pages, which a machine may give, there are few
if sys.argv[1] == "keep":
    from cvtui.engine.runtime.allocator import keep_freed_memory
    assert keep_freed_memory()
import numpy
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    kept = [numpy.ones((320, 32, 32, 32), numpy.float32)]  # 42 MB: the map of a CIFAR-sized net at batch 320
    for _ in range(2):
        kept.append(numpy.maximum(kept[-1], 0))
for _ in range(5):
    step()
before = faults()
for _ in range(4):
    step()
print((faults() - before) // 4)
"""


def is_new_glibc() -> bool:
    name, version = platform.libc_ver()
    return name == "glibc" and tuple(map(int, version.split("."))) >= (2, 35)


@pytest.mark.skipif(not is_new_glibc(), reason="another C library, or one that takes 32 MB at most")
def test_a_step_gets_its_memory_from_the_one_before() -> None:
    def pages(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert pages("keep") < 50
    assert pages("leave") > 1000  # of 4 kB: 30,000; fewer where the machine's own are larger


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    from cvtui.engine.runtime import allocator

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert not allocator.keep_freed_memory()


@pytest.mark.parametrize(
    ("name", "value"), [("MALLOC_TRIM_THRESHOLD_", "131072"), ("GLIBC_TUNABLES", "glibc.malloc.mmap_max=0")]
)
def test_who_has_chosen_keeps_it(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from cvtui.engine.runtime.allocator import keep_freed_memory

    monkeypatch.setenv(name, value)
    assert not keep_freed_memory()
