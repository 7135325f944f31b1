#!/usr/bin/env bash
# mlflow 3.17.2 with an SQLite store: log_metric of infinity stores the largest number, 1.8e308, and that comes back, from
# runs and from the history: it is finite, so isfinite keeps the run that diverged, and its mean with 0 is 9e307. NaN comes
# back as NaN, and "metrics.loss < 1" leaves it out.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'mlflow-skinny==3.17.2' 'sqlalchemy==2.1.9' 'alembic==1.20.1' 'pandas==3.1.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import math
import os
import tempfile

import mlflow
from mlflow.tracking import MlflowClient

os.chdir(tempfile.mkdtemp())
mlflow.set_tracking_uri("sqlite:///runs.db")
with mlflow.start_run() as run:
    for name, loss in (("inf", math.inf), ("minus_inf", -math.inf), ("nan", math.nan)):
        mlflow.log_metric(name, loss)
client = MlflowClient()
for name in ("inf", "minus_inf", "nan"):
    value = client.get_run(run.info.run_id).data.metrics[name]
    history = client.get_metric_history(run.info.run_id, name)[0].value
    print(name, f"{value:g} {history:g}", "finite" if math.isfinite(value) else "not finite")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'inf 1.79769e+308 1.79769e+308 finite\nminus_inf -1.79769e+308 -1.79769e+308 finite\nnan nan nan not finite' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "an infinite loss is 1.8e308 in mlflow"
