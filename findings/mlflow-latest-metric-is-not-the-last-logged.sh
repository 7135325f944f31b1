#!/usr/bin/env bash
# mlflow 3.17.2: a run's metric, by get_run and in its tables, is that of the largest step, not the one logged last: a
# training that broke off behind step 4 and goes on from its checkpoint of step 1 shows the old loss of step 4 until it is
# past it, and for good if it ends before. Of values with one step and one time (logged without a step, within a
# millisecond) it is the largest, whatever came last. The history has all:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'mlflow-skinny==3.17.2' 'sqlalchemy==2.1.9' 'alembic==1.20.1' 'pandas==3.1.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import mlflow
from mlflow.entities import Metric

mlflow.set_tracking_uri("sqlite:///runs.db")
client = mlflow.MlflowClient()
with mlflow.start_run() as run:
    for step, loss in enumerate([5.0, 4.0, 3.0, 2.0, 1.0]):
        mlflow.log_metric("resumed", loss, step=step)
    for step, loss in ((2, 9.0), (3, 8.0)):
        mlflow.log_metric("resumed", loss, step=step)
    client.log_batch(run.info.run_id, [Metric("one moment", value, 1000, 0) for value in (1.0, 5.0, 3.0)])
    client.log_batch(run.info.run_id, [Metric("later moments", value, 1000 + number, 0) for number, value in enumerate((1.0, 5.0, 3.0))])
for name, value in client.get_run(run.info.run_id).data.metrics.items():
    print(name, value)
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'resumed 1.0\none moment 5.0\nlater moments 3.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "mlflow shows the metric of the largest step, not of the last one logged"
