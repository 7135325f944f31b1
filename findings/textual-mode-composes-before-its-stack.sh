#!/usr/bin/env bash
# textual 8.2.8, Python 3.12 and 3.13 (every Python that has asyncio.eager_task_factory).
#
# Guess: an app whose default mode's screen holds an Input with a value starts the same under `App.run` and `run_test`.
# Seen: `run_test` starts it. `App.run` sets eager tasks on the loop, so the screen composes while it is registered,
# before it is put on its mode's stack; the Input asks for the current screen (to clear its selection), and the app ends
# with ScreenStackError: No screens on stack. `run_test` sets no eager tasks: every Pilot test passes.
# The same screen given by `get_default_screen` starts under both: that one is on its stack first.
set -euo pipefail

python=
for one in python3.13 python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[23].*/bin/python python3; do
    if "$one" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then python=$one; break; fi
done
[[ -n $python ]] || { echo "needs Python 3.12 or newer" >&2; exit 1; }
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$python" -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check textual==8.2.8
cat >"$place/app.py" <<'PY'
import asyncio

from textual.app import App
from textual.app import ScreenStackError
from textual.screen import Screen
from textual.widgets import Input


class Form(Screen):
    def compose(self):
        yield Input("0.01")


class ByMode(App):
    MODES = {"form": Form}
    DEFAULT_MODE = "form"


class ByDefaultScreen(App):
    def get_default_screen(self):
        return Form()


async def under_run_test(kind):
    async with kind().run_test():
        return "starts"


def under_run(kind):
    app = kind()

    async def leave(pilot):
        app.exit()

    try:
        app.run(headless=True, auto_pilot=leave)
    except ScreenStackError as error:
        return f"{type(error).__name__}: {error}"
    return "starts" if app._exception is None else f"{type(app._exception).__name__}: {app._exception}"


for kind in (ByMode, ByDefaultScreen):
    print(kind.__name__, "run_test:", asyncio.run(under_run_test(kind)))
    print(kind.__name__, "run:", under_run(kind))
PY
seen=$("$place/venv/bin/python" "$place/app.py" 2>/dev/null)
echo "$seen"
[[ $seen == "ByMode run_test: starts
ByMode run: ScreenStackError: No screens on stack
ByDefaultScreen run_test: starts
ByDefaultScreen run: starts" ]]
