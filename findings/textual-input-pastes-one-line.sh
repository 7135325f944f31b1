#!/usr/bin/env bash
# Textual 8.2.8: an Input takes the first line of what is pasted and drops the others without a word, where a browser's
# field joins them: of a path that a terminal broke in two, half is there; of a text that begins with a line break,
# nothing.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'textual==8.2.8'
cat >"$work/show.py" <<'PY'
import asyncio

from textual.app import App
from textual.events import Paste
from textual.widgets import Input


class Shown(App):
    def compose(self):
        yield Input()


async def main():
    app = Shown()
    async with app.run_test() as pilot:
        field = app.query_one(Input)
        for text in ("/data/pic\ntures", "\n/data/pictures\n", "/data/pictures\n"):
            field.value = ""
            field.post_message(Paste(text))
            await pilot.pause()
            print(repr(field.value))


asyncio.run(main())
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'\'/data/pic\'\n\'\'\n\'/data/pictures\'' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "of several lines that are pasted an Input keeps the first"
