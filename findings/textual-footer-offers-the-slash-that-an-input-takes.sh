#!/usr/bin/env bash
# Textual 8.2.8: while an Input has the focus, the footer and active_bindings leave out the bindings of characters, which
# it takes for text: n, full_stop, question_mark. Those named slash, minus, plus, at and underscore stay, as their names
# aren't Unicode's (solidus, hyphen-minus …): "/ search" is offered, and the key types a slash.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'textual==8.2.8'
cat >"$work/show.py" <<'PY'
import asyncio

from textual.app import App
from textual.widgets import Footer, Input
from textual.widgets._footer import FooterKey

KEYS = ("n", "full_stop", "question_mark", "slash", "minus", "plus", "at", "underscore")


class Shown(App):
    BINDINGS = [(key, f"act('{key}')", key) for key in KEYS]

    def action_act(self, key):
        print("the action ran")

    def compose(self):
        yield Input()
        yield Footer()


async def main():
    app = Shown()
    async with app.run_test(size=(200, 10)) as pilot:
        await pilot.pause()
        print("offered:", *(key.description for key in app.query(FooterKey) if key.description in KEYS))
        await pilot.press("slash", "n")
        print("typed:", app.query_one(Input).value)


asyncio.run(main())
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'offered: slash minus plus at underscore\ntyped: /n' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the footer offers the slash while an Input takes it"
