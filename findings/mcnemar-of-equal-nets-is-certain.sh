#!/usr/bin/env bash
# mlxtend 0.25.0 (unless told otherwise) and statsmodels 0.15.0 (exact=False): McNemar's test with its correction takes
# 1 off the difference, below 0: two nets that answer the same on every picture differ with p = 0, and two that are
# wrong equally often have p = 0.75, where the exact test says 1 for both. numpy warns of a division by zero, nothing
# else is told:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'mlxtend==0.25.0' 'statsmodels==0.15.0' 'scikit-learn==1.9.1' 'pandas==3.1.1' 'numpy==2.4.6' 'scipy==1.17.1'
cat >"$work/show.py" <<'PY'
import warnings

import numpy as np
from mlxtend.evaluate import mcnemar
from statsmodels.stats.contingency_tables import mcnemar as other

warnings.simplefilter("ignore")
for name, table in (("the same answers", [[90, 0], [0, 10]]), ("5 against 5", [[80, 5], [5, 10]])):
    p = mcnemar(np.array(table))[1], other(table, exact=False).pvalue, other(table, exact=True).pvalue
    print(f"{name}: mlxtend {p[0]:.2f} statsmodels {p[1]:.2f} exact {p[2]:.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'the same answers: mlxtend 0.00 statsmodels 0.00 exact 1.00\n5 against 5: mlxtend 0.75 statsmodels 0.75 exact 1.00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "two nets with the same answers differ with p = 0"
