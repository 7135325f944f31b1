#!/usr/bin/env bash
# webdataset 1.0.2: a member of a shard whose name begins with two underscores is not left out, only one that is wholly
# `__name__`: `__meta__` is skipped, `__meta__.json` comes out as a sample without a picture, in its place among the
# others. to_tuple("png", "cls") then ends in a ValueError; without it, a loop sees one sample more than there are pictures.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'webdataset==1.0.2'
cat >"$work/show.py" <<'PY'
import io, sys, tarfile
import webdataset

def keys(name):
    with tarfile.open(sys.argv[1], "w") as shard:
        for member in (name, "a.png", "a.cls"):
            entry = tarfile.TarInfo(member)
            entry.size = 1
            shard.addfile(entry, io.BytesIO(b"1"))
    return [sample["__key__"] for sample in webdataset.WebDataset(sys.argv[1], shardshuffle=False)]

print(keys("__meta__"), keys("__meta__.json"))
PY
shown=$("$work/venv/bin/python" "$work/show.py" "$work/shard.tar")
[[ $shown == "['a'] ['__meta__', 'a']" ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "__meta__ is skipped, __meta__.json is a sample"
