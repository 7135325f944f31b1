#!/usr/bin/env bash
# pandas 3.1.1: to_json writes 10 digits behind the point, as its documentation says; a number in the log of a run (a
# rate, the gradient norm of a layer) below 5e-11 is 0 then, one could guess. It is for 1e-11 to 1e-15, and smaller ones
# are written in full: a layer with a gradient of 1e-12 has none, one of 1e-20 has. 3.14159e-8 keeps three digits. Infinity
# is null, as NaN. What comes back:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pandas==3.1.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import io

import pandas as pd

for value in (3.14159e-5, 3.14159e-8, 3.14159e-10, 3e-11, 3e-13, 3e-15, 3e-16, 3e-20, float("inf")):
    back = pd.read_json(io.StringIO(pd.DataFrame({"norm": [value]}).to_json()))["norm"][0]
    print(value, float(f"{back:.5e}"))
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'3.14159e-05 3.14159e-05\n3.14159e-08 3.14e-08\n3.14159e-10 3e-10\n3e-11 0.0\n3e-13 0.0\n3e-15 0.0\n3e-16 3e-16\n3e-20 3e-20\ninf nan' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "pandas' to_json writes 0 for 3e-13, and 3e-16 in full"
