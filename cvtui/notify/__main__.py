"""`python -m cvtui.notify`: watch a run as a `WatchOrder` on stdin says, and tell how it ends."""

from __future__ import annotations

import os
import sys

import msgspec


def main() -> None:
    from cvtui.notify.end_watch import WatchOrder, watch

    watch(msgspec.json.decode(sys.stdin.buffer.read(), type=WatchOrder))


if __name__ == "__main__":
    try:
        main()
    finally:
        os._exit(0)  # a notification that hangs keeps its thread
