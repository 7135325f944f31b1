#!/usr/bin/env bash
# zarr 3.1.6: an array appended to after consolidate_metadata is read with its old length by all who open the store
# anew: the consolidated copy of the shape is taken, and nothing says that it is older than the array. A data set that
# was grown trains on its first part for good. consolidate_metadata again, or use_consolidated=False. Rows seen after 4
# were appended to 4:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'zarr==3.1.6' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
import warnings

import numpy as np
import zarr

warnings.simplefilter("ignore")
folder = tempfile.mkdtemp()
group = zarr.open_group(folder, mode="w")
group.create_array("x", shape=(4, 2), chunks=(2, 2), dtype="u1")[:] = 1
zarr.consolidate_metadata(folder)
zarr.open_group(folder, mode="r+")["x"].append(np.ones((4, 2), np.uint8))
print("opened anew", zarr.open_group(folder, mode="r")["x"].shape[0])
print("without the consolidated metadata", zarr.open_group(folder, mode="r", use_consolidated=False)["x"].shape[0])
zarr.consolidate_metadata(folder)
print("consolidated again", zarr.open_group(folder, mode="r")["x"].shape[0])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'opened anew 4\nwithout the consolidated metadata 8\nconsolidated again 8' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "rows appended to a consolidated zarr store aren't seen"
