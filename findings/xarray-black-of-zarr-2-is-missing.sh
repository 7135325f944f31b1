#!/usr/bin/env bash
# xarray 2026.9.0, zarr 3.1.6: `xarray.open_zarr` of an array in zarr's format 2 takes the fill value, 0 unless told
# otherwise, for "missing": uint8 becomes float32, black pixels and labels of class 0 are NaN, and means leave them out.
# In format 3 the same array comes as it is. No warning; `mask_and_scale=False` is right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'xarray==2026.9.0' 'zarr==3.1.6' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile

import xarray
import zarr

for form in (2, 3):
    folder = tempfile.mkdtemp()
    group = zarr.open_group(folder, mode="w", zarr_format=form)
    names = {"dimension_names": ["n"]} if form == 3 else {"attributes": {"_ARRAY_DIMENSIONS": ["n"]}}
    group.create_array("labels", shape=(4,), dtype="u1", **names)[:] = [0, 1, 2, 3]
    labels = xarray.open_zarr(folder, consolidated=False).labels
    plain = xarray.open_zarr(folder, consolidated=False, mask_and_scale=False).labels
    print(f"format {form}:", labels.dtype, labels.values, f"mean {float(labels.mean()):g} unmasked", plain.values)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'format 2: float32 [nan  1.  2.  3.] mean 2 unmasked [0 1 2 3]\nformat 3: uint8 [0 1 2 3] mean 1.5 unmasked [0 1 2 3]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "class 0 of a zarr 2 store is NaN in xarray"
