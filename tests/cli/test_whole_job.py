"""docs/whole-job.md, run as it stands: 600 pictures, a mistake found and corrected, the model used in another venv."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cvtui.engine.handover.extras import ONNX
from tests.cli.running import command, environment

pytestmark = [pytest.mark.torch, pytest.mark.long]

PAGE = Path(__file__).parents[2] / "docs" / "whole-job.md"
WRONG, RIGHT = "pictures/square/circle-027.png", "pictures/circle/circle-027.png"
PACKAGES = "elsewhere/bin/pip install"


def run(words: list[str], cwd: Path) -> str:
    """Run a line of the page in a real process; return what it says on stdout."""
    own = {"cvtui": command(), "python": [sys.executable]}
    more = {"OMP_NUM_THREADS": "1"} if words[0] in own else {"PYTHONPATH": None, "PYTHONHOME": None}
    done = subprocess.run(
        [*own.get(words[0], words[:1]), *words[1:]], cwd=cwd, env=environment(**more), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode and " ".join(words).startswith(PACKAGES):
        pytest.skip(f"no packages for another venv: {done.stderr[-200:]}")
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def check_numbers(told: str) -> None:
    """Compare the numbers of an evaluation with scikit-learn's, of the same answers."""
    metrics = pytest.importorskip("sklearn.metrics")
    found = json.loads(told)
    table = np.array(found["confusion"])
    truth, said = (np.repeat(where.ravel(), table.ravel()) for where in np.indices(table.shape))
    assert found["accuracy"] == pytest.approx((truth == said).mean(), abs=1e-9)
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, said), abs=1e-9)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(truth, said)
    for number, one in enumerate(found["per_class"]):
        assert one["precision"] == pytest.approx(precision[number], abs=1e-9)
        assert one["recall"] == pytest.approx(recall[number], abs=1e-9)
        assert one["f1"] == pytest.approx(f1[number], abs=1e-9)
        assert one["support"] == support[number]


def test_the_page_as_it_stands(tmp_path: Path) -> None:
    for package in (*ONNX, "sklearn"):
        pytest.importorskip(package)
    text = PAGE.read_text("utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.S)
    assert code is not None
    (tmp_path / "pictures.py").write_text(code[1])
    lines = [shlex.split(line) for line in re.findall(r"^    \$ (.*)$", text, re.M)]
    told: dict[str, str] = {}
    for words in lines:
        name = " ".join(words)
        if words[0] == "mv":
            assert (words[1], words[2] + Path(WRONG).name) == (WRONG, RIGHT)
            shutil.move(tmp_path / words[1], tmp_path / words[2])
            continue
        told[name] = run(words, tmp_path)
        if name == "python pictures.py":
            assert len(list(tmp_path.glob("pictures/*/*.png"))) == 600
        if name.startswith("cvtui evaluate"):
            check_numbers(run([*words, "--json"], tmp_path))
            assert WRONG in told[name]
    first, second = told["cvtui mistakes first"].splitlines(), told["cvtui mistakes second"]
    assert first[2].split()[:3] == [WRONG, "square", "circle"]  # the surest of them
    assert "circle-027" not in second
    name = next(name for name in told if name.startswith("cvtui predict"))
    here = csv.DictReader(io.StringIO(run([*shlex.split(name), "--csv"], tmp_path)))
    there = next(text for name, text in told.items() if name.startswith("elsewhere/bin/python")).splitlines()
    for one, line in zip(here, there, strict=True):
        image, *said = line.split("\t")
        assert (image, one["class"]) == (one["image"], Path(image).parent.name)
        mine = {one[f"class{n}"]: float(one[f"probability{n}"]) for n in ("", "_2", "_3")}
        assert {name: float(share) for name, share in map(str.split, said)} == pytest.approx(mine, abs=1e-4)
    assert "cvtui" not in os.listdir(next((tmp_path / "elsewhere").glob("lib/python*/site-packages")))
