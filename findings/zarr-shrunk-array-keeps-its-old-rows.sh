#!/usr/bin/env bash
# zarr 3.1.6: an array that is made shorter within a chunk keeps what was behind the end in that chunk's file: made
# longer again, the old rows come back instead of the fill value, where HDF5 (h5py 3.16.0) clears them. Rows 1 to 8, cut
# to 3 and made 8 again, by rows in a chunk:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'zarr==3.1.6' 'h5py==3.16.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os
import tempfile

import h5py
import numpy as np
import zarr

folder = tempfile.mkdtemp()
file = h5py.File(os.path.join(folder, "set.h5"), "w")
for chunk in (8, 4):
    one = zarr.create_array(os.path.join(folder, f"{chunk}.zarr"), shape=(8,), chunks=(chunk,), dtype="u1")
    other = file.create_dataset(str(chunk), shape=(8,), maxshape=(None,), chunks=(chunk,), dtype="u1")
    for array in (one, other):
        array[:] = np.arange(1, 9)
        array.resize((3,))
        array.resize((8,))
    print(chunk, "zarr", *one[:], "h5py", *other[:])
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'8 zarr 1 2 3 4 5 6 7 8 h5py 1 2 3 0 0 0 0 0\n4 zarr 1 2 3 4 0 0 0 0 h5py 1 2 3 0 0 0 0 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "rows that were cut off a zarr array come back"
