"""The memory of a whole training, watched beside unwatched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WHOLE = """
import sys
from pathlib import Path
from cvtui.engine.runtime.allocator import keep_freed_memory
from cvtui.engine.runtime.fast_start import end, loading
keep_freed_memory()
with loading():
    from cvtui.engine.train.control import Signals
    from cvtui.engine.worker import train_folder
from cvtui.runlog.folder import RunFolder
from tests.benchmarks.watching import recipe_of
from tests.peak import peak_bytes
name, every, base = sys.argv[1:]
folder = RunFolder.create(Path(base), f"every-{every}", recipe_of(name, 1, int(every), 1))
assert train_folder(folder.path, Signals()) == 0
print(peak_bytes())
end(0)
"""


@pytest.mark.long
def test_a_whole_training_takes_at_most_1_02_times_the_memory_of_one_that_is_not_watched(tmp_path: Path) -> None:
    """Real trainings of one epoch on 32 x 32 pixels, with statistics, doctor and pictures.

    The least of three: what lies where in the allocator's memory differs from run to run.
    """
    peaks: dict[int, list[int]] = {0: [], 10: []}
    for number in range(3):
        for every, found in peaks.items():
            base = tmp_path / str(number)
            base.mkdir(exist_ok=True)
            words = [sys.executable, "-c", WHOLE, "held-31-1", str(every), str(base)]
            done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
            found.append(int(done.stdout))
            assert ('"type":"layers"' in (base / f"every-{every}" / "events.jsonl").read_text()) is (every > 0)
    assert min(peaks[10]) <= 1.02 * min(peaks[0]), peaks
