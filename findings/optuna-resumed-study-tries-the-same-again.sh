#!/usr/bin/env bash
# optuna 5.0.0: a study in storage that is resumed with the same seeded sampler begins the sampler anew: the next run's
# trials are those of the first, number for number while TPE still draws at random (its first 10 trials), and the 5
# settings are each tried twice. No warning.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'optuna==5.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
for name in ("TPESampler", "RandomSampler"):
    where = f"sqlite:///{tempfile.mkdtemp()}/study.db"

    def study():
        sampler = getattr(optuna.samplers, name)(seed=1)
        return optuna.create_study(storage=where, study_name="a", load_if_exists=True, sampler=sampler)

    def rate(trial):
        return trial.suggest_float("lr", 1e-5, 1e-1, log=True)

    for _ in range(2):
        study().optimize(rate, n_trials=5)
    print(name, len(study().trials), "trials,", len({t.params["lr"] for t in study().trials}), "settings")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'TPESampler 10 trials, 5 settings\nRandomSampler 10 trials, 5 settings' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a resumed seeded study tries the settings of the first run again"
