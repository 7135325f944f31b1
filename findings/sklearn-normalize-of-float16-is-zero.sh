#!/usr/bin/env bash
# scikit-learn 1.9.1: preprocessing.normalize and Normalizer square float16 in float16, which ends at 65504. Embeddings
# are often stored in float16; of 512 features around 20 the squares sum up to 200,000: the norm is infinite, and the
# normalised rows are 0, all of them, without a word (numpy.linalg.norm, numpy 2.4.6, is infinite too, with a
# RuntimeWarning). One would expect rows of length 1, which scikit-learn's own cosine_similarity, going to float64,
# takes them for. The largest number of the normalised rows, in float32 too, and the similarity of a row to itself:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import warnings

import numpy as np
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import Normalizer, normalize

warnings.simplefilter("error")
rows = np.random.default_rng(0).normal(20, 1, (4, 512)).astype(np.float16)
print("largest after normalize", normalize(rows).max(), "Normalizer", Normalizer().fit_transform(rows).max())
print(f"of float32 {normalize(rows.astype(np.float32)).max():.2f}, cosine {cosine_similarity(rows)[0, 0]:.2f}")
warnings.simplefilter("ignore")
print("numpy's norm", np.linalg.norm(rows[0]))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'largest after normalize 0.0 Normalizer 0.0\nof float32 0.05, cosine 1.00\nnumpy\'s norm inf' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "normalize makes float16 embeddings with a norm above 256 zero"
