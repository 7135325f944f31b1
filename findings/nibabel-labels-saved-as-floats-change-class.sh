#!/usr/bin/env bash
# nibabel 5.4.2: a label map that has become float (after a resize, from get_fdata) saved under the header of the
# integer original is scaled to the whole range of its type, and comes back as 0.99999 or 1.00000002 instead of 1.
# astype(int) then makes class 1 of an int16 file class 0 and class 3 class 2, and "== 1" finds nothing. Labels as
# integers, or set_data_dtype on the image, come back whole. Labels 0, 1, 2, 3:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'nibabel==5.4.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import nibabel
import numpy as np

labels = np.array([0, 1, 2, 3]).reshape(4, 1, 1)
for kind in (np.uint8, np.int16):
    for given in (float, kind):
        header = nibabel.Nifti1Header()
        header.set_data_dtype(kind)
        path = str(Path(tempfile.mkdtemp()) / "labels.nii.gz")
        nibabel.save(nibabel.Nifti1Image(labels.astype(given), np.eye(4), header), path)
        back = nibabel.load(path).get_fdata().ravel()
        print(kind.__name__, "from", given.__name__, back.astype(int).tolist(), "equal to 1, 2, 3:", [int((back == one).sum()) for one in (1, 2, 3)])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'uint8 from float [0, 1, 2, 3] equal to 1, 2, 3: [0, 0, 0]\nuint8 from uint8 [0, 1, 2, 3] equal to 1, 2, 3: [1, 1, 1]\nint16 from float [0, 0, 1, 2] equal to 1, 2, 3: [0, 0, 0]\nint16 from int16 [0, 1, 2, 3] equal to 1, 2, 3: [1, 1, 1]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "labels 1 and 3, saved as floats in int16, come back as 0 and 2"
