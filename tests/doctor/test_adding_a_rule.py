"""A new rule of the doctor is an entry of catalogue.toml and a function in a file of doctor/rules: no third place."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cvtui

RUN = Path(__file__).resolve().parent.parent / "recordings" / "digits"
ENTRY = """
[X01]
name = "short run"
kind = "heuristic"
severity = "note"
what = "the run ended after a handful of epochs"
advice = "Train for more epochs before you compare it with others."
source = "measured"
causes = []
limits = { epochs = 10 }
"""
RULE = '''"""Runs that end before there is much to see."""

from __future__ import annotations

from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, rule


@rule("X01", "epochs", "end")
def short_run(obs: Observations) -> RuleResult | None:
    """Find a run that ended after fewer epochs than the limit."""
    count, least = len(obs.epochs), limit("X01", "epochs")
    if obs.end is None or count >= least:
        return None
    sentence = f"The run ended after {count} epochs."
    return RuleResult(sentence, step=obs.steps_done, value=count, threshold=least, evidence=f"{count} epochs")
'''


def findings(package: Path, run: Path) -> dict[str, dict]:
    """Return what `cvtui doctor` of the package below `package` says of a run, by id."""
    done = subprocess.run(
        [sys.executable, "-m", "cvtui", "doctor", str(run), "--json"],
        env={**os.environ, "PYTHONPATH": str(package)},
        cwd=package,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {one["id"]: one for one in json.loads(done.stdout)["findings"]}


def test_a_rule_is_an_entry_of_the_catalogue_and_a_function_in_a_file(tmp_path: Path) -> None:
    run = shutil.copytree(RUN, tmp_path / "run")
    source = Path(cvtui.__file__).resolve().parent
    package = shutil.copytree(source, tmp_path / "cvtui", ignore=shutil.ignore_patterns("__pycache__"))
    before = findings(tmp_path, run)
    assert "X01" not in before
    with open(package / "doctor" / "catalogue.toml", "a", encoding="utf-8") as catalogue:
        catalogue.write(ENTRY)
    (package / "doctor" / "rules" / "short_run.py").write_text(RULE, encoding="utf-8")
    after = findings(tmp_path, run)
    assert set(after) == {*before, "X01"}
    found = after["X01"]
    assert found["sentence"] == "The run ended after 6 epochs."
    assert (found["name"], found["severity"], found["threshold"]) == ("short run", "note", 10)
