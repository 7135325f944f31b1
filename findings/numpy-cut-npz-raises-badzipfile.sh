#!/usr/bin/env bash
# numpy 2.4.6: np.load of a .npz file that was cut (a full disk, a copy that broke off) raises zipfile.BadZipFile, which
# is neither OSError nor ValueError, nor among the errors that np.load's documentation names. A cut .npy raises
# ValueError, an empty file of both kinds EOFError. So "except (OSError, ValueError): make the features anew" around a
# cache of features or predictions works for .npy, and ends the program for .npz. Kinds of error of whole arrays of
# 1,000 numbers cut to 4,000 bytes, and of nothing:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import io

import numpy as np

for name, save in (("npy", lambda file: np.save(file, np.arange(1000))), ("npz", lambda file: np.savez(file, x=np.arange(1000)))):
    file = io.BytesIO()
    save(file)
    for size in (4000, 0):
        try:
            np.load(io.BytesIO(file.getvalue()[:size]))
        except Exception as error:
            print(name, size, type(error).__name__, "caught" if isinstance(error, (OSError, ValueError)) else "not caught")
print("named in the documentation:", "BadZipFile" in np.load.__doc__)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'npy 4000 ValueError caught\nnpy 0 EOFError not caught\nnpz 4000 BadZipFile not caught\nnpz 0 EOFError not caught\nnamed in the documentation: False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a cut .npz file raises BadZipFile"
