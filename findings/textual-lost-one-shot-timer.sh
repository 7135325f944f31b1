#!/usr/bin/env bash
# Textual 8.2.8: a timer that fires once never fires when its task loses the processor for one interval between its first
# two readings of the clock: "skip what is overdue" leaves no shot. App waits for such a timer (1/120 s) before it passes
# a resize on, and while it waits starts no other: the app never resizes again.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'textual==8.2.8'
cat >"$work/show.py" <<'PY'
import asyncio, itertools
from textual import _time
from textual.app import App

async def main():
    app, fired = App(), []
    async with app.run_test() as pilot:
        clock, readings = _time.get_time, itertools.count(1)
        _time.get_time = lambda: clock() + 0.02 * min(next(readings), 6)  # others have the processor for 20 ms
        app.set_timer(0.01, lambda: fired.append(True))
        await asyncio.sleep(1)
        print("fired" if fired else "never fired")

asyncio.run(main())
PY
[[ $("$work/venv/bin/python" "$work/show.py") == "never fired" ]] || { echo "it fires now"; exit 1; }
echo "a one-shot timer that is overdue when it begins never fires"
