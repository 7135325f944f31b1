#!/usr/bin/env bash
# clearml 2.1.12: Logger.report_scalar of a loss that is NaN or infinite writes 0.0, in the offline session too: a run that
# diverged ends with a perfect loss. The first warning comes after 1,000 such values.
# (`Logger.set_reporting_nan_value`, `set_reporting_inf_value` change the 0.)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'clearml==2.1.12'
cat >"$work/show.py" <<'PY'
import glob
import json
import os
import sys

os.environ["CLEARML_CACHE_DIR"] = sys.argv[1]
from clearml import Task

Task.set_offline(True)
task = Task.init("p", "t", auto_connect_frameworks=False, auto_resource_monitoring=False)
for step, loss in enumerate([2.3, 1.9, float("nan"), float("inf")]):
    task.get_logger().report_scalar("loss", "train", loss, step)
task.close()
(path,) = glob.glob(sys.argv[1] + "/offline/*/metrics.jsonl")
print("shown", [event["value"] for line in open(path) for event in json.loads(line)])
PY
shown=$("$work/venv/bin/python" "$work/show.py" "$work/cache" 2>/dev/null | grep ^shown)
[[ $shown == 'shown [2.3, 1.9, 0.0, 0.0]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a NaN loss is reported as 0"
