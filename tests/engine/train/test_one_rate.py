"""One learning rate: a recipe that multiplies its own (`scale_lr`) and one that writes it plainly.

They are one recipe to all that train it, judge it or go on with it.
"""

from __future__ import annotations

import ast
import json
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import cvtui
from cvtui.cli.commands import lr_find
from cvtui.compare.differences import compared
from cvtui.compare.lr_range_rule import Bracket
from cvtui.compare.lr_search import FoundRate, LrFinder, Trial
from cvtui.compare.verdict import Verdict
from cvtui.doctor import Diagnosis, Doctor, examine
from cvtui.engine.precheck import precheck
from cvtui.recipe.learning_rate import full_rate, recorded_rate
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps, load, override
from cvtui.recipe.validation import check
from cvtui.runlog.events import Command, Facts, Record, RunStarted, Steps
from cvtui.runlog.fork import fork, pick
from cvtui.runlog.history import History
from cvtui.runlog.run_filter import parse_filter
from cvtui.runlog.run_summary import summary
from tests.cli.running import within as command
from tests.engine.making import folder, history, recipe, train

SMALL: dict[str, Any] = {"net": "conv4-relu-fc", "optimizer": "adam", "batch_size": 64, "weight_decay": 0.0}
SCALED, PLAIN = {"lr": 0.01, "scale_lr": 1}, {"lr": 0.64, "scale_lr": 0}
"""0.01 · 64 / 1 = 0.64, to the last bit."""


DEEPER = "conv8-relu-fc16-relu-fc16-relu-fc"
"""At 0.64 it does not learn a batch by heart."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[History, History]:
    """Train the same ill run, written in both ways."""
    base = tmp_path_factory.mktemp("rates") / "runs"
    found = []
    for name, rate in (("scaled", SCALED), ("plain", PLAIN)):
        run = folder(base, name, **{**SMALL, **rate}, keep="last,best,every=1")
        assert train(run)[0] == 0
        found.append(history(run))
    return found[0], found[1]


def told(rate: dict[str, float]) -> list[Record]:
    records: list[Record] = []
    precheck(recipe(**{**SMALL, "net": DEEPER}, **rate), records.append)
    return records


def test_check_learns_one_batch_by_heart_at_the_rate_of_the_run() -> None:
    scaled, plain = told(SCALED), told(PLAIN)
    for kind in (Facts, Steps):
        ours, theirs = ([one for one in records if isinstance(one, kind)] for records in (scaled, plain))
        for one, other in zip(ours, theirs, strict=True):
            shown = [msgspec.to_builtins(record) for record in (one, other)]
            for values in shown:
                values.pop("seconds", None)
            assert shown[0] == shown[1]
    rates = [row[0] for record in scaled if isinstance(record, Facts) for row in record.overfit_rates]
    assert rates == pytest.approx([0.064, 0.0064, 6.4]), "multiples of what is trained at"


def without_rate(one: Diagnosis) -> dict[str, Any]:
    shown = msgspec.to_builtins(one)
    shown["cure"].pop("scale_lr", None)
    return shown


def test_the_doctor_says_the_same_and_its_cure_is_the_rate_that_is_trained_at(pair: tuple[History, History]) -> None:
    scaled, plain = (examine(run) for run in pair)
    assert [without_rate(one) for one in scaled] == [without_rate(one) for one in plain]
    cures = [one.cure for one in scaled if "lr" in one.cure]
    assert cures
    assert {cure["scale_lr"] for cure in cures} == {0}
    assert all("scale_lr" not in one.cure for one in plain)


def test_a_cure_of_the_batch_size_leaves_the_rate_where_it_was(tmp_path: Path) -> None:
    """F22 proposes 16 images a batch: where the rate follows the batch it would be 8 times higher."""
    run = folder(tmp_path, net="conv4-bn-relu-fc", batch_size=2, lr=0.1, scale_lr=2, limit=64, epochs=1)
    assert train(run)[0] == 0
    (found,) = [one for one in Doctor(history(run), every_cure=True).update() if one.id == "F22"]
    assert found.cure["batch_size"] == 16
    cured = msgspec.structs.replace(load(run.recipe), **found.cure)
    assert check(cured).lr == found.cure["lr"] == 0.1


def test_doctor_fix_trains_at_the_rate_that_it_names(pair: tuple[History, History]) -> None:
    base = pair[0].folder.path.parent
    found = command("doctor", "scaled", "--fix", "--json", cwd=base.parent)
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout)
    child = history(type(pair[0].folder)(base / said["run"]))
    assert float(child.steps.lr.max()) == pytest.approx(said["finding"]["cure"]["lr"])


def test_fork_trains_the_same(pair: tuple[History, History], tmp_path: Path) -> None:
    children = []
    for parent in pair:
        asked = override(load(parent.folder.recipe), {"epochs": "3", "name": ""})
        child = fork(parent.folder, pick(parent, epoch=1), tmp_path, parent.folder.name, dumps(asked))
        assert train(child)[0] == 0
        children.append(history(child))
    assert children[0].steps.lr.tolist() == children[1].steps.lr.tolist()
    assert children[0].steps.loss.tobytes() == children[1].steps.loss.tobytes()


def test_sweep_trains_the_same_and_names_the_rates_that_it_trains_at(tmp_path: Path) -> None:
    words = ["--net", "fc8-relu-fc", "--batch-size", "64", "--epochs", "1", "--threads", "1", "--json"]
    done = command("sweep", "--lr", "0.01,0.001", "--scale-lr", "1", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for one, rate in zip(json.loads(done.stdout)["runs"], (0.64, 0.064), strict=True):
        plain = folder(tmp_path, f"plain-{rate}", net="fc8-relu-fc", batch_size=64, epochs=1, lr=rate, device="auto")
        assert train(plain)[0] == 0
        assert one["best_val_accuracy"] == history(plain).epochs[0].val_accuracy
        assert (one["label"], one["values"]["lr"]) == (f"lr {rate}", f"{rate}")


def test_lr_find_searches_and_recommends_the_rate_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def asked(rate: dict[str, float], runs: Path) -> list[Recipe]:
        finder = LrFinder(check(recipe(**SMALL, **rate)), runs)
        return [load(racer.folder.recipe) for racer in finder.race.racers]

    assert asked(SCALED, tmp_path / "a") == asked(PLAIN, tmp_path / "b")
    curve = np.array([0.1, 0.2])
    found = FoundRate(Bracket(0.1, 1.0, 0.3, curve, curve), [Trial(0.3, 0.5, 0.9, Verdict("good", ""))])
    lr_find._report(found, as_json=False, scaled=True)
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("use it: "))
    words = line.removeprefix("use it: ").partition("  (")[0].split()
    changes = dict(zip([word[2:] for word in words[::2]], words[1::2], strict=True))
    assert check(override(recipe(**SMALL, **SCALED), changes)).lr == 0.3


def test_resume_at_a_tenth_is_a_tenth_of_what_is_trained_at(tmp_path: Path) -> None:
    rates = []
    for name, rate in (("scaled", SCALED), ("plain", PLAIN)):
        run = folder(tmp_path, name, **{**SMALL, **rate}, epochs=1, schedule="constant")
        run.send(Command(command="stop", time=time.time()))
        assert train(run)[0] == 0
        assert history(run).state() == "stopped"
        assert train(run, resume=True, rate="/10")[0] == 0
        rates.append(history(run).steps.lr.tolist())
    assert rates[0] == rates[1] == pytest.approx([0.064] * 23)


def test_lists_filters_and_comparisons_show_the_rate_that_is_trained_at(pair: tuple[History, History]) -> None:
    assert [run.run.lr for run in pair if run.run is not None] == [0.64, 0.64]
    assert all(parse_filter("lr=0.64")(summary(run.folder)) for run in pair)
    assert compared(pair).fields == ["scale_lr"]


@pytest.mark.parametrize("recipe", [{}, {"lr": "fast"}, {"lr": True}, {"lr": 10**400}, {"lr": float("nan")}])
def test_a_record_may_tell_no_rate(recipe: dict[str, Any]) -> None:
    assert recorded_rate(recipe) is None


@pytest.mark.parametrize(("lr", "batch", "scale"), [(0.1, 64, 0), (0.1, 64, 256), (0.3, 1437, 32)])
def test_the_rate_is_one_function(lr: float, batch: int, scale: int) -> None:
    rate = full_rate(lr, batch, scale)
    assert rate == check(recipe(lr=lr, batch_size=batch, scale_lr=scale)).lr
    assert rate == recorded_rate({"lr": lr, "batch_size": batch, "scale_lr": scale})
    record = {"recipe": {"lr": lr, "batch_size": batch, "scale_lr": scale}}
    assert rate == msgspec.convert({**BARE, **record}, RunStarted).lr


BARE: dict[str, Any] = {
    "type": "run", "time": 0.0, "recipe": {}, "layers": [], "parameters": 0, "steps_per_epoch": 0, "total_steps": 0,
    "device": "cpu", "threads": 1, "libraries": {}, "data": {},
}  # fmt: skip


def test_nobody_below_the_recipe_reads_its_raw_rate() -> None:
    """`recipe.lr` may stand for another batch size.

    Whoever wants the rate asks for Checked.lr or RunStarted.lr. (The update rules in optimizers.py are given a
    recipe whose rate is written out.)
    """
    root = Path(cvtui.__file__).parent
    raw = []
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        if place.parts[0] in ("recipe", "labs") or place == Path("engine/optim/factory.py"):
            continue
        text = path.read_text(encoding="utf-8")
        if not re.search(r"""\.lr\b|["']lr["']""", text):
            continue  # quicker than asking every node
        for node in ast.walk(ast.parse(text)):
            if _reads_raw_rate(node):
                raw.append(f"{place}:{node.lineno}")  # type: ignore[attr-defined]
    allowed = {
        "tui/train/findings_control.py",
        "tui/train/fork_modal.py",
        "cli/output/progress.py",
        "compare/lr_search.py",
        "engine/nn/layer_rates.py",  # an absolute rate of the backbone as a share of the recipe's
    }  # they multiply, or show the factors
    assert [line for line in raw if line.partition(":")[0] not in allowed] == []


def _reads_raw_rate(node: ast.AST) -> bool:
    """`….recipe.lr`, `recipe["lr"]` or `recipe.get("lr")`."""

    def is_recipe(value: ast.expr) -> bool:
        name = value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""
        return "recipe" in name

    if isinstance(node, ast.Attribute):
        return node.attr == "lr" and is_recipe(node.value)
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value == "lr" and is_recipe(node.value)
    called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get"
    if not called or not node.args or not isinstance(node.args[0], ast.Constant):  # type: ignore[attr-defined]
        return False
    return node.args[0].value == "lr" and is_recipe(node.func.value)  # type: ignore[attr-defined]
