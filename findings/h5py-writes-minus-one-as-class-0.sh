#!/usr/bin/env bash
# h5py 3.16.0: an array written into a dataset of another type is converted by HDF5, which cuts at the ends of the type,
# where numpy (and zarr 3.1.6, by numpy) wraps. The label -1, "no label", written into uint8 becomes class 0 instead of
# 255, and so does NaN. Without a warning; `astype` of a dataset converts so too, reading.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'h5py==3.16.0' 'zarr==3.1.6' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os
import tempfile

import h5py
import numpy as np
import zarr

folder = tempfile.mkdtemp()
file = h5py.File(os.path.join(folder, "set.h5"), "w")
labels = np.array([3, -1, 300])
array = zarr.create_array(os.path.join(folder, "set.zarr"), shape=(3,), dtype="u1")
array[:] = labels
file.create_dataset("wide", data=labels)
print("numpy", labels.astype("u1"), "zarr", array[:])
print("h5py", file.create_dataset("labels", data=labels, dtype="u1")[:], "read", file["wide"].astype("u1")[:])
print("NaN", file.create_dataset("missing", data=np.array([3, np.nan]), dtype="u1")[:])
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'numpy [  3 255  44] zarr [  3 255  44]\nh5py [  3   0 255] read [  3   0 255]\nNaN [3 0]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a label of -1 or NaN in a uint8 dataset of HDF5 is class 0"
