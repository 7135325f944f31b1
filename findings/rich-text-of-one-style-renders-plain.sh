#!/usr/bin/env bash
# rich 15.0.0: Text("12", style="bold").render(console) gives a segment without style, as long as no part of the text has
# a style of its own; with a span on one character all of it is bold. console.print and Text.markup are right. Who makes
# a Strip for Textual's render_line of `text.render(console)` sees uniform lines in plain and others styled.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'rich==15.0.0'
cat >"$work/show.py" <<'PY'
from rich.console import Console
from rich.text import Text

console = Console()


def bold(segments):
    return [(part.text, bool(part.style and part.style.bold)) for part in segments]


uniform = Text("12", style="bold")
print(bold(uniform.render(console)))
print(bold(console.render_lines(uniform, pad=False)[0]))
uniform.stylize("red", 0, 1)
print(bold(uniform.render(console)))
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'[(\'12\', False)]\n[(\'12\', True)]\n[(\'1\', True), (\'2\', True)]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a text of one style renders plain, until a part of it has another"
