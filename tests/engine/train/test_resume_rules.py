"""A resume knows what it resumes: each field of the recipe, one by one, in a run that was stopped in mid-epoch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cvtui.engine.train import checkpoint
from cvtui.recipe.fields import FIELDS
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.resume_rules import RULES
from cvtui.recipe.toml import dumps, load
from cvtui.recipe.validation import check
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import fork, pick
from cvtui.runlog.history import History
from cvtui.tui.panes.predictions import UpcomingRates, predict
from tests.cli.running import within
from tests.engine.making import folder, history, recipe, train
from tests.engine.stopping import copy_of, edit, stop_after

NET = "conv4s2-bn-relu-gap-drop0.2-fc"
BASE: dict[str, Any] = {"net": NET, "epochs": 3, "batch_size": 128, "warmup": "3", "freeze": "fc1.bias"}
"""12 steps an epoch."""
OTHERS: dict[str, Any] = {
    "data": "shapes", "data_dir": "elsewhere", "size": "32", "bits": 12, "cache": "on", "val_share": 0.3,
    "only": "0,1", "limit": 1000,
    "label_noise": 0.1, "imbalance": 0.5, "augment": "shift(1)", "mix": "mixup", "balance": "weights",
    "preprocess": "scale", "net": "fc8-relu-fc",
    "weights": "there.pt",
    "init": "xavier", "freeze": "all-but-head", "unfreeze_at": 3, "lr_backbone": "0.1x", "layer_decay": 0.5,
    "loss": "hinge", "optimizer": "sgd", "lr": 1e-3, "momentum": 0.5, "weight_decay": 0.5,
    "clip": 0.01, "ema": 0.5, "scale_lr": 32, "schedule": "linear", "schedule_per": "epoch", "warmup": "20",
    "epochs": 5, "batch_size": 64, "accumulate": 2, "patience": 50, "max_time": "9h", "seed": 1, "device": "auto",
    "precision": "bfloat16", "deterministic": "off", "graph": "off",
    "nproc": 2, "sync_bn": "on", "max_restarts": 3, "rank_timeout": "1h",
    "threads": 0, "watch_every": 3, "keep": "last", "save_every": "1h", "on_nan": "skip", "name": "other",
}  # fmt: skip
"""Another value of each field."""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Stop a run some steps into its second epoch."""
    run = stop_after(folder(tmp_path_factory.mktemp("base"), "mother", **BASE), 19)
    end = history(run).end
    assert end is not None
    assert 12 < end.step < 24
    return run


@pytest.fixture(scope="module")
def unchanged(stopped: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> History:
    """Its continuation by the recipe as it was."""
    run = copy_of(stopped, tmp_path_factory.mktemp("unchanged"))
    assert train(run, resume=True)[0] == 0
    return history(run)


def words(found: History) -> str:
    return "\n".join(log.text for log in found.logs)


def test_every_field_has_a_rule_and_every_rule_a_field() -> None:
    assert set(RULES) == set(FIELDS) == set(OTHERS)
    assert all(OTHERS[name] != getattr(recipe(**BASE), name) for name in OTHERS)


def table_lines() -> Iterator[str]:
    """Yield the table of docs/reliability.md, in the order of the recipe."""
    yield "| field | a resume | why |"
    yield "| --- | --- | --- |"
    words = {"obeyed": "obeys", "told": "obeys and says so", "refused": "refuses"}
    for name in Recipe.__struct_fields__:
        rule = RULES[name]
        more = f"; `cvtui fork` can {rule.where}".rstrip() if rule.forks else ""
        yield f"| `{name}` | {words[rule.does]}{more} | {rule.why} |"


def test_the_page_for_people_has_the_same_table() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert "\n".join(table_lines()) in text


@pytest.mark.parametrize("name", [name for name in RULES if name != "nproc"])  # ranks/test_survival.py resumes on two
def test_what_a_resume_does_with_a_changed_field(
    name: str, stopped: RunFolder, unchanged: History, tmp_path: Path
) -> None:
    run = copy_of(stopped, tmp_path)
    edit(run, **{name: OTHERS[name]})
    rule = RULES[name]
    before = {path.name: path.read_bytes() for path in run.checkpoints.iterdir()}
    code, _, _ = train(run, resume=True)
    found = history(run)
    assert found.end is not None
    assert found.run is not None
    if rule.does == "refused":
        assert (code, found.end.status) == (2, "failed")
        assert found.end.reason.startswith(f"{name}: recipe.toml says {OTHERS[name]}")
        assert ("cvtui fork" in found.end.reason) == rule.forks
        assert {path.name: path.read_bytes() for path in run.checkpoints.iterdir()} == before
        assert found.run.recipe[name] != OTHERS[name], "the record never claims what was not trained"
        return
    assert (code, found.end.status) == (0, "finished")
    assert found.run.recipe[name] == OTHERS[name]
    assert (f"{name} " in words(found) and "recipe.toml was changed" in words(found)) == (rule.does == "told")
    step = found.run.step
    assert step is not None
    if rule.does == "obeyed" and name != "threads":  # another number of threads may give other bits
        assert found.steps.loss.tobytes() == unchanged.steps.loss.tobytes()
        assert found.steps.lr.tolist() == unchanged.steps.lr.tolist()
    if name in ("lr", "scale_lr", "schedule", "schedule_per", "warmup", "epochs"):
        schedule = check(load(run.recipe)).schedule
        expected = [schedule.lr_at(number) for number in range(step, schedule.total_steps)]
        assert found.steps.lr[step:] == pytest.approx(expected, rel=1e-6)
    if name in ("augment", "mix", "weight_decay", "clip", "precision", "lr", "schedule"):
        assert found.steps.loss[step:].tobytes() != unchanged.steps.loss[step:].tobytes(), "it is obeyed"
    if name == "ema":
        assert "ema" in torch.load(run.checkpoints / "last.pt", weights_only=True)


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.forks and name != "data"])
def test_the_way_out_is_one(name: str, stopped: RunFolder, tmp_path: Path) -> None:
    """What a resume refuses and sends to a fork, a fork does (`data`: test_changed_data.py)."""
    text = dumps(recipe(**{**BASE, name: OTHERS[name]}))
    child = fork(stopped, pick(history(stopped)), tmp_path, "", text)
    code, _, error = train(child)
    assert code == 0, error
    assert history(child).end.status == "finished"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"optimizer": "momentum", "momentum": 0.0}, {"momentum": 0.9}),
        ({"optimizer": "momentum", "momentum": 0.9}, {"momentum": 0.0}),
        ({"optimizer": "nesterov", "momentum": 0.0}, {"momentum": 0.9}),
        ({"optimizer": "rmsprop"}, {"optimizer": "rmsprop(momentum=0.9)"}),
        ({"optimizer": "rmsprop"}, {"optimizer": "rmsprop(centred=1)"}),
        ({"optimizer": "adam"}, {"optimizer": "adam(amsgrad=1)"}),
        ({"optimizer": "adamw"}, {"optimizer": "muon"}),
    ],
    ids=str,
)
def test_a_fork_whose_rule_remembers_something_else_begins_its_state_anew(
    before: dict[str, Any], after: dict[str, Any], tmp_path: Path
) -> None:
    base = {**BASE, "lr": 0.01, "weight_decay": 0.0, "epochs": 3}
    mother = stop_after(folder(tmp_path, "mother", **{**base, **before}), 14)
    child = fork(mother, pick(history(mother)), tmp_path, "", dumps(recipe(**{**base, **before, **after})))
    code, _, error = train(child)
    assert code == 0, error
    assert "state begins anew" in words(history(child))


def test_more_epochs_for_a_finished_run_train_on_at_a_rate_that_is_not_0(tmp_path: Path) -> None:
    run = folder(tmp_path / "runs", "done", **{**BASE, "epochs": 2})
    assert train(run)[0] == 0
    refused = within("resume", "done", "--no-ui", cwd=tmp_path)
    assert refused.returncode == 2
    assert "more epochs in" in refused.stderr
    edit(run, epochs=4)
    done = within("resume", "done", "--no-ui", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "epochs 2 → 4" in done.stderr
    schedule = check(recipe(**{**BASE, "epochs": 4})).schedule
    found = history(run)
    assert found.steps.lr[24:] == pytest.approx([schedule.lr_at(step) for step in range(24, 48)], rel=1e-6)
    assert [done.epoch for done in found.epochs] == [1, 2, 3, 4]


def test_a_rate_set_by_hand_lasts_over_more_epochs_and_not_over_another_rate(tmp_path: Path) -> None:
    """And the screen draws ahead what then comes."""
    mother = folder(tmp_path / "a", "run", **{**BASE, "schedule": "constant", "warmup": "0"})
    mother.send(Command(command="set_lr", time=0.0, value=2e-3))
    stop_after(mother, 19)
    for changes, rate in (({"epochs": 8}, 2e-3), ({"lr": 7e-4}, 7e-4), ({}, 2e-3)):
        run = copy_of(mother, tmp_path / str(rate) / str(len(changes)))
        edit(run, **changes)
        stop_after_resume(run)
        found = history(run)
        assert found.run is not None
        assert set(found.steps.lr[found.run.step :].tolist()) == {rate}
        _, ahead = UpcomingRates(predict(found))(found)
        assert ahead.tolist() == pytest.approx([rate] * len(ahead))
        assert len(ahead) > 2


def stop_after_resume(run: RunFolder) -> None:
    from cvtui.engine.worker import train_folder
    from tests.engine.stopping import SignalAfter

    assert train_folder(run.path, SignalAfter(9), resume=True) == 143


def test_the_command_line_refuses_before_anything_is_written(stopped: RunFolder, tmp_path: Path) -> None:
    run = copy_of(stopped, tmp_path / "runs")
    edit(run, batch_size=64)
    before = run.events.read_bytes()
    done = within("resume", run.name, "--no-ui", cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(r"cvtui: batch_size: recipe\.toml says 64, .* 128; .*\n", done.stderr), done.stderr
    assert "cvtui fork runs/mother --batch-size 64" in done.stderr
    assert run.events.read_bytes() == before
    assert history(run).state() == "stopped"


def test_a_checkpoint_of_an_older_version_is_resumed(stopped: RunFolder, unchanged: History, tmp_path: Path) -> None:
    """It holds no fingerprint, fewer fields of the recipe, no shift of the schedule."""
    run = copy_of(stopped, tmp_path)
    for path in run.checkpoints.glob("*.pt"):
        state = checkpoint.load(path)
        del state["data"], state["recipe"]["on_nan"], state["schedule"]["shift"]
        checkpoint.save(state, path)
    assert train(run, resume=True)[0] == 0
    assert history(run).steps.loss.tobytes() == unchanged.steps.loss.tobytes()


def test_without_a_checkpoint_all_of_the_recipe_is_obeyed(tmp_path: Path) -> None:
    run = folder(tmp_path, "run", **BASE)
    edit(run, batch_size=256, epochs=1)
    assert train(run, resume=True)[0] == 0
    assert len(history(run).steps) == 6


def test_rates_ahead_are_those_that_come(stopped: RunFolder, tmp_path: Path) -> None:
    run = copy_of(stopped, tmp_path)
    edit(run, epochs=6, lr=1e-3, schedule="one-cycle", warmup="0")
    stop_after_resume(run)
    half = history(run)
    steps, ahead = UpcomingRates(predict(half))(half)
    assert train(run, resume=True)[0] == 0
    whole = history(run)
    assert len(whole.steps) == whole.run.total_steps == 72  # type: ignore[union-attr]
    came = whole.steps.lr[np.minimum(steps.astype(int), 71)]
    assert ahead == pytest.approx(came, rel=1e-5)
