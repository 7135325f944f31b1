#!/usr/bin/env bash
# ipykernel 7.4.0, rich 15.0.0: a notebook's kernel sets FORCE_COLOR=1 for all that it starts. So a command in a cell,
# behind a pipe or captured by subprocess, isn't on a terminal, and rich takes it for one all the same: escape codes
# stand between the words and around the numbers. "acc 0.91" read out of a captured log is found in a shell, and not in
# a notebook. FORCE_COLOR must be taken out of the environment (NO_COLOR=1 leaves bold and italic). In a shell, and in a
# cell by subprocess, behind a pipe, as x = !command and without FORCE_COLOR:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'ipykernel==7.4.0' 'ipython==9.18.1' 'nbclient==0.11.0' 'nbformat==5.11.1' 'rich==15.0.0'
cat >"$work/show.py" <<'PY'
import os
import re
import subprocess
import sys

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

line = "import sys; from rich.console import Console; c = Console(); c.print('acc 0.91', c.is_terminal, sys.stdout.isatty())"
command = f'{sys.executable} -c "{line}"'
run = f"import os, subprocess; print(subprocess.run([{sys.executable!r}, '-c', {line!r}], capture_output=True, text=True, env=dict(os.environ, **more)).stdout)"
os.environ.pop("FORCE_COLOR", None)


def told(name, text):
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).split()
    print(f"{name}: {'found' if 'acc 0.91' in text else 'not found'}, is_terminal {plain[-2]}, isatty {plain[-1]}")


told("shell", subprocess.run(command, shell=True, capture_output=True, text=True).stdout)
for name, cell in (
    ("subprocess", f"more = {{}}; {run}"),
    ("pipe", f"!{command} | cat"),
    ("captured", f"x = !{command}\nprint(x[0])"),
    ("NO_COLOR", f"more = {{'NO_COLOR': '1'}}; {run}"),
    ("without", f"del os.environ['FORCE_COLOR']; more = {{}}; {run}".replace("del os", "import os; del os")),
):
    book = new_notebook(cells=[new_code_cell(cell)])
    NotebookClient(book, timeout=60, kernel_name="python3").execute()
    told(name, book.cells[0].outputs[0]["text"])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'shell: found, is_terminal False, isatty False\nsubprocess: not found, is_terminal True, isatty False\npipe: not found, is_terminal True, isatty False\ncaptured: not found, is_terminal True, isatty False\nNO_COLOR: not found, is_terminal True, isatty False\nwithout: found, is_terminal False, isatty False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a command in a notebook is coloured, though it is captured"
