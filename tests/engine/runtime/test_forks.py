"""A fork waits for the imports of other threads: a child that finds a module half imported would wait for good."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvtui.engine.data import decode, file_decoding, live, pixel_store, streaming
from cvtui.engine.runtime import forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")

SLOW = """
import meeting
meeting.entered.set()
meeting.go_on.wait(20)
VALUE = 7
"""
MEETING = """
import threading
entered, go_on = threading.Event(), threading.Event()
"""
# The other thread's import goes on once this thread has looked for imports twice, so that the fork had to wait for it.
PROGRAM = """
import os, signal, sys, threading
import meeting
from cvtui.engine.runtime import forks
looks = []
real = forks.being_imported
def looked():
    looks.append(real())
    if len(looks) == 2:
        meeting.go_on.set()
    return looks[-1]
forks.being_imported = looked
thread = threading.Thread(target=__import__, args=("slow",))
thread.start()
meeting.entered.wait(20)
child = os.fork()
if not child:
    signal.alarm(10)  # ends a child that waits for good
    import slow
    os._exit(slow.VALUE)
meeting.go_on.set()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), looks[0])
"""


def run(tmp_path: Path, program: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "meeting.py").write_text(MEETING)
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "program.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), str(tmp_path)])}
    return subprocess.run([sys.executable, tmp_path / "program.py"], env=environment, capture_output=True, text=True)


def test_a_child_finds_no_module_half_imported(tmp_path: Path) -> None:
    done = run(tmp_path, PROGRAM)
    assert done.stdout.split(maxsplit=1) == ["7", "['slow']\n"], done.stderr


# A hook that runs behind that of `forks`, as `concurrent.futures` has one: meanwhile another thread comes to an import.
HOOK = """
import _imp, os, signal, sys, threading
import meeting
thread = threading.Thread(target=__import__, args=("slow",))
def hook():
    thread.start()
    meeting.entered.wait(0.2)
    meeting.go_on.set()
os.register_at_fork(before=hook)
from cvtui.engine.runtime import forks
child = os.fork()
if not child:
    signal.alarm(10)
    import slow
    os._exit(slow.VALUE + _imp.lock_held())
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread.join(20)
print(thread.is_alive(), _imp.lock_held())
"""


def test_no_import_begins_between_the_look_and_the_fork(tmp_path: Path) -> None:
    done = run(tmp_path, HOOK)
    assert done.stdout.split() == ["7", "False", "False"], done.stderr


def test_a_module_that_forks_while_it_is_imported_does_not_wait_for_itself(tmp_path: Path) -> None:
    (tmp_path / "forking.py").write_text(
        "import os, time\n"
        "from cvtui.engine.runtime import forks\n"
        "began = time.monotonic()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "print(time.monotonic() - began < forks.LONGEST_WAIT)\n"
    )
    done = run(tmp_path, "import forking\n")
    assert done.stdout == "True\n", done.stderr


def test_what_forks_in_the_engine_holds_to_it() -> None:
    assert vars(decode)["forks"] is vars(live)["forks"] is forks
    assert all(vars(room)["decode"] is decode.decode for room in (file_decoding, pixel_store, streaming))
