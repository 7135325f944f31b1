#!/usr/bin/env bash
# webdataset 1.0.2: shards that are cached (cache_dir) are kept by the last part of their address: of train/000.tar and
# val/000.tar only the first that is asked for is fetched, and validation reads the training shard. No warning. Keys
# read from http://…/train/000.tar and http://…/val/000.tar, with one cache_dir and without:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'webdataset==1.0.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import functools
import http.server
import os
import tempfile
import threading

import webdataset

folder = tempfile.mkdtemp()
for half in ("train", "val", "cache"):
    os.makedirs(os.path.join(folder, half))
    if half != "cache":
        with webdataset.TarWriter(os.path.join(folder, half, "000.tar")) as shard:
            shard.write({"__key__": f"of {half}", "cls": 1})


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
threading.Thread(target=server.serve_forever, daemon=True).start()
for cache in (None, os.path.join(folder, "cache")):
    print("cached:" if cache else "not cached:", end="")
    for half in ("train", "val"):
        url = f"http://127.0.0.1:{server.server_port}/{half}/000.tar"
        samples = list(webdataset.WebDataset(url, cache_dir=cache, shardshuffle=False))
        print("", half, "gives", samples[0]["__key__"], end="")
    print()
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'not cached: train gives of train val gives of val\ncached: train gives of train val gives of train' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "with a cache, val/000.tar is train/000.tar"
