"""Peak memory of this process."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_bytes() -> int:
    """Return the peak of the resident set.

    Not `ru_maxrss` on Linux: that of a new process begins at its parent's size.
    """
    if sys.platform == "linux":
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        assert found is not None
        return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def forget_peak() -> None:
    """Let the peak begin anew at what is resident now; only Linux can."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")
