#!/usr/bin/env bash
# zarr 3.1.6: a chunk whose file is missing (a copy that broke off, a quota, an interrupted write) is read as the fill
# value, 0: black pictures, labels of class 0, no error and no warning, because chunks that are all fill value are never
# written. An array that was made and never filled reads the same. nchunks_initialized differs from nchunks in both, and
# in a healthy array with a black chunk as well, so it can't tell; write_empty_chunks makes it a test.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'zarr==3.1.6' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import pathlib
import tempfile

import zarr

folder = pathlib.Path(tempfile.mkdtemp())
for name, config in (("as it comes", {}), ("write_empty_chunks", {"config": {"write_empty_chunks": True}})):
    where = folder / name
    pictures = zarr.create_array(where, shape=(10, 8, 8), chunks=(2, 8, 8), dtype="uint8", **config)
    pictures[:] = 7
    pictures[:2] = 0
    whole = zarr.open_array(where, mode="r").nchunks_initialized
    chunk = where / "c" / "2" / "0" / "0"
    chunk.unlink()
    after = zarr.open_array(where, mode="r")
    print(name, "whole", whole, "lost", after.nchunks_initialized, "of", after.nchunks, "means", *(int(p.mean()) for p in after[:]))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'as it comes whole 4 lost 3 of 5 means 0 0 7 7 0 0 7 7 7 7\nwrite_empty_chunks whole 5 lost 4 of 5 means 0 0 7 7 0 0 7 7 7 7' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "pictures of a lost chunk are black"
