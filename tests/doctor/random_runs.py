"""Short runs of random recipes under a random hand: the rate set up and down, pauses, stops, resumes, forks.

Real engines on real data, each made from its seed alone: commands come at steps, not at moments of a clock, the log is
written in pieces of so many steps, and the clocks that space looks and flushes are taken out.
"""

from __future__ import annotations

import contextlib
import io
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from cvtui.engine import worker
from cvtui.engine.observe import live_doctor, recorder, watch_budget
from cvtui.engine.train import control, team, trainer
from cvtui.engine.train.control import Signals
from cvtui.engine.train.state import TrainingState
from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.recipe.validation import Checked, check
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import fork, pick
from cvtui.runlog.history import History

NETS = (
    "fc", "fc16-relu-fc", "fc32-relu-fc16-relu-fc", "conv4s2-relu-fc", "conv4s2-bn-relu-fc",
    "conv4-relu-pool-fc16-relu-fc",
    "[fc16-sigmoid]*4-fc", "[fc16-tanh]*3-fc", "[fc24-relu]*6-fc", "fc32-fc16-fc", "fc16-relu-drop0.7-fc",
    "fc2-relu-fc", "[fc24-relu]*8-fc",
)  # fmt: skip
USUAL = {"sgd": 0.1, "momentum": 0.05, "nesterov": 0.05, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3}
SCHEDULES = ("constant", "cosine", "linear", "step", "exponential(0.5)", "one-cycle", "plateau(patience=0)")
INITS = ("he", "xavier", "normal(0.01)", "normal(1)", "zeros", "orthogonal")


def recipe_of(dice: random.Random, healthy: bool) -> dict[str, Any]:
    """Fields of a recipe that trains for 60 to 300 steps."""
    optimizer = dice.choice(list(USUAL))
    batch = dice.choice((32, 64, 128) if healthy else (4, 16, 64, 128, 512))
    epochs = max(1, min(25, round(dice.uniform(60, 260) * batch / 1437)))
    fields: dict[str, Any] = {
        "net": dice.choice(NETS[1:6] if healthy else NETS),
        "optimizer": optimizer,
        "lr": USUAL[optimizer] * 10 ** (dice.uniform(-0.3, 0.3) if healthy else dice.triangular(-5, 6, 0)),
        "batch_size": batch,
        "epochs": epochs,
        "seed": dice.randrange(1000),
        "schedule": dice.choice(SCHEDULES[:4] if healthy else SCHEDULES),
        "threads": 1,
        "device": "cpu",
        "watch_every": 10 if healthy else dice.choice((1, 5, 10, 10, 20)),
        "keep": "last,best,every=1",
    }
    if not healthy:
        fields |= {
            "init": dice.choice(("he", "he", *INITS)),
            "loss": dice.choice(("cross-entropy", "cross-entropy", "cross-entropy(0.1)", "hinge", "mse")),
            "preprocess": dice.choice(("standardise", "standardise", "none")),
            "weight_decay": dice.choice((0.0, 0.0, 5e-4, 0.1, 1.0)),
            "clip": dice.choice((0.0, 0.0, 0.0, 1.0, 1e-3)),
            "label_noise": dice.choice((0.0, 0.0, 0.0, 0.4)),
            "warmup": dice.choice(("0", "0", "10", "1ep")),
            "on_nan": dice.choice(("stop", "stop", "stop(3)", "skip(20)", "continue")),
        }
    return fields


def hand_of(dice: random.Random, steps: int, lr: float, stops: bool) -> list[tuple[int, Command]]:
    """(step, command), in order."""
    asked: list[tuple[int, Command]] = []
    for _ in range(dice.choice((0, 1, 1, 2, 3))):
        step = dice.randrange(steps)
        asked.append((step, Command(command="set_lr", time=0.0, value=lr * 10 ** dice.uniform(-5, 6))))
    if dice.random() < 0.2:
        step = dice.randrange(steps)
        asked += [(step, Command(command="pause", time=0.0)), (step, Command(command="resume", time=0.0))]
    if stops:
        asked.append((dice.randrange(steps // 3, steps), Command(command="stop", time=0.0)))
    return sorted(asked, key=lambda pair: pair[0])


class Hand:
    """Stands where the reader of commands.jsonl does: gives each command when its step has come."""

    def __init__(self, training: TrainingState, asked: list[tuple[int, Command]]) -> None:
        self.training = training
        self.asked = list(asked)

    def poll(self) -> list[Command]:
        due: list[Command] = []
        while self.asked and self.asked[0][0] <= self.training.step:
            due.append(self.asked.pop(0)[1])
        return due


@contextlib.contextmanager
def by_steps(asked: list[tuple[int, Command]], piece: int) -> Iterator[None]:
    """Within it, engines of this process obey `asked` and write their log in pieces of so many steps."""

    class Steered(trainer.Trainer):
        def __init__(self, training: TrainingState, *rest: Any) -> None:
            super().__init__(training, *rest)
            self.control.reader = Hand(training, [(s, c) for s, c in asked if s >= training.step])  # type: ignore[assignment]
            if self.scan is not None and self.scan._thread is not None:
                self.scan._thread.join()

    with contextlib.ExitStack() as stack:
        for place, name, value in (
            (team, "Trainer", Steered), (control, "POLL_SECONDS", 0.0), (recorder, "FLUSH_SECONDS", math.inf),
            (recorder, "FLUSH_STEPS", piece), (watch_budget, "SHARE", math.inf), (watch_budget, "FREE_SAMPLES", 10**9),
            (live_doctor, "SECONDS_APART", 0.0),
        ):  # fmt: skip
            stack.enter_context(mock.patch.object(place, name, value))
        yield


def train(run: RunFolder, asked: list[tuple[int, Command]], piece: int, **how: Any) -> None:
    with by_steps(asked, piece), contextlib.redirect_stderr(io.StringIO()):
        worker.train_folder(run.path, Signals(), **how)


def recipe(dice: random.Random, healthy: bool) -> tuple[Checked, dict[str, Any]]:
    """Draw a recipe that the checks let through, and its fields."""
    while True:
        fields = recipe_of(dice, healthy)
        with contextlib.suppress(RequestError):
            return check(Recipe(**fields)), fields


def make(base: Path, seed: int, healthy: bool = False) -> list[RunFolder]:
    """Make the runs of one seed: one, or one and its fork."""
    dice = random.Random(seed)
    checked, fields = recipe(dice, healthy)
    steps, piece = checked.total_steps, dice.choice((1, 7, 10, 50, 200))
    run = RunFolder.create(base, f"run-{seed}", dumps(checked.recipe))
    resumes = not healthy and dice.random() < 0.25
    train(run, [] if healthy else hand_of(dice, steps, fields["lr"], resumes), piece)
    if resumes:
        later = hand_of(dice, steps, fields["lr"], False)
        train(run, later, piece, resume=True, rate=dice.choice(("", "", "/10", "*30")))
    if healthy or dice.random() >= 0.25:
        return [run]
    history = History(run)
    history.poll()
    changed = fields | {"lr": fields["lr"] * 10 ** dice.uniform(-3, 3), "epochs": fields["epochs"] + 1}
    with contextlib.suppress(RequestError):  # no checkpoint was saved
        child = fork(run, pick(history), base, f"fork-{seed}", dumps(check(Recipe(**changed)).recipe))
        train(child, hand_of(dice, steps, changed["lr"], False), piece)
        return [run, child]
    return [run]
