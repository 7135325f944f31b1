#!/usr/bin/env bash
# optuna 5.0.0: MedianPruner and PercentilePruner don't stop a trial that began well and then diverged: they compare its
# best value so far with the others, not its last one, and leave NaN out. A trial that is at 0.9 once, and at 9 or NaN
# from step 2 on, runs to its end beside others that go from 1 to 0.91. SuccessiveHalvingPruner and HyperbandPruner look
# at the value at the step, ThresholdPruner too. Pruned at step, of 8:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'optuna==5.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
nan = float("nan")
pruners = optuna.pruners
for pruner in (
    pruners.MedianPruner(n_startup_trials=1),
    pruners.PercentilePruner(50.0, n_startup_trials=1),
    pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    pruners.HyperbandPruner(min_resource=1, max_resource=8, reduction_factor=2),
    pruners.ThresholdPruner(upper=5.0),
):
    told = []
    for curve in ([1.1] * 8, [0.9] + [9.0] * 7, [0.9] + [nan] * 7):
        study = optuna.create_study(pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0), study_name="one")
        for _ in range(5):
            trial = study.ask()
            for step in range(8):
                trial.report(1 - 0.013 * step, step + 1)
                trial.should_prune()
            study.tell(trial, 0.91)
        trial, at = study.ask(), "never"
        for step, value in enumerate(curve, 1):
            trial.report(value, step)
            if trial.should_prune():
                at = step
                break
        told.append(at)
    print(f"{type(pruner).__name__}: worse from the start {told[0]}, diverged {told[1]}, NaN {told[2]}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'MedianPruner: worse from the start 1, diverged never, NaN never\nPercentilePruner: worse from the start 1, diverged never, NaN never\nSuccessiveHalvingPruner: worse from the start 1, diverged 2, NaN 2\nHyperbandPruner: worse from the start 4, diverged 4, NaN 4\nThresholdPruner: worse from the start never, diverged 2, NaN 2' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "MedianPruner never prunes a trial that diverged after a good start"
