"""The recipe that fits a folder beside the default one: `python -m tests.benchmarks.recipes [--sets A,B] [--seeds 2]`.

Ten folders are made (recipe_sets.py): eight that the rule was chosen on, and two that it was not. Three runs of each,
one thread, CPU seconds of the whole run: the fitted recipe; the default one in as many CPU seconds (its epochs are as
many as fit); and the default one of 20 epochs, where --whole asks for it. Told of each: accuracy and mean recall of the
last epoch's validation, the highest loss of a step over that of the first, and what the doctor found at the end, notes
left out.

--search tries other fields in place of the rule's, one row each (TRIED). Needs scikit-image and scikit-learn.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from msgspec.structs import replace

from cvtui.doctor import examine
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.recipe.fitted import fitted
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.benchmarks.recipe_sets import HELD, TUNED, write


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    accuracy: float
    recall: float
    """Mean over the classes."""
    climbed: float
    """Highest loss of a step / loss of the first."""
    seconds: float
    """CPU time of the whole run."""
    findings: tuple[str, ...]
    """What the doctor found, notes left out."""
    ended: str
    epochs: int


def train(base: Path, recipe: Recipe) -> Outcome:
    folder = RunFolder.fresh(base, "run", dumps(replace(recipe, device="cpu", threads=1)))
    began = time.process_time()
    train_folder(folder.path, Signals())
    spent = time.process_time() - began
    history = History(folder)
    while history.poll():
        pass
    losses = [loss if math.isfinite(loss) else math.inf for loss in history.steps.loss.tolist()]
    last = history.epochs[-1] if history.epochs else None
    counts = last.confusion if last is not None else []
    recalls = [row[number] / sum(row) for number, row in enumerate(counts) if sum(row)]
    found = tuple(f"{one.id} {one.severity}" for one in examine(history) if one.severity != "note")
    return Outcome(
        accuracy=(last.val_accuracy or 0.0) if last is not None else 0.0,
        recall=mean(recalls) if recalls else 0.0,
        climbed=max(losses) / losses[0],
        seconds=spent,
        findings=found,
        ended=history.end.status if history.end is not None else "lost",
        epochs=len(history.epochs),
    )


def default_in(base: Path, recipe: Recipe, seconds: float) -> Outcome:
    """Train the default recipe for at least `seconds`: one epoch tells what an epoch costs, and rounding is up."""
    one = train(base, replace(recipe, epochs=1))
    epochs = math.ceil(seconds / one.seconds)
    return one if epochs == 1 else train(base, replace(recipe, epochs=epochs))


TRIED: dict[str, dict[str, Any]] = {
    "as fitted": {},
    "without shift": {"augment": "none"},
    "flip as well": {"augment": "flip, "},
    "lr 0.001": {"lr": 1e-3},
    "lr 0.01": {"lr": 1e-2},
    "lr 0.01, no warm-up": {"lr": 1e-2, "warmup": "0"},
    "fc head in place of gap": {"net": "head"},
    "widths 24, 48, 96": {"net": "wide"},
    "residual blocks": {"net": "res"},
    "half of the steps": {"epochs": 0.5},
}
"""Fields that take the place of the rule's; a net, an augmentation and epochs are changed from the fitted ones."""


def changed(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """Return the fitted recipe with one row of TRIED."""
    fields = dict(changes)
    if "flip" in str(fields.get("augment")):
        fields["augment"] += recipe.augment
    if "epochs" in fields:
        fields["epochs"] = max(2, round(recipe.epochs * fields["epochs"]))
        fields["warmup"] = str(int(recipe.warmup) // 2)
    nets: dict[str, Callable[[str], str]] = {
        "head": lambda net: net.replace("-gap", ""),
        "wide": lambda net: re.sub(r"conv(\d+)", lambda found: f"conv{int(found[1]) * 3 // 2}", net),
        "res": lambda net: re.sub(r"\(conv(\d+)-bn-relu\)\*2", r"res(conv\1-bn-relu-conv\1-bn)-relu", net),
    }
    if "net" in fields:
        fields["net"] = nets[fields["net"]](recipe.net)
    return replace(recipe, **fields)


def search(base: Path, names: list[str], seeds: int, tried: list[str]) -> None:
    """Print what each row of TRIED reaches: accuracy (mean recall)."""
    print(f"| {' | '.join(['tried', *names, 'CPU time'])} |\n|{' --- |' * (len(names) + 2)}")
    for words in tried:
        cells, spent = [], 0.0
        for name in names:
            runs = [
                train(base / "runs", changed(fitted(Recipe(data=source(base, name), seed=seed)).recipe, TRIED[words]))
                for seed in range(seeds)
            ]
            spent += sum(one.seconds for one in runs)
            cells.append(f"{mean(one.accuracy for one in runs):.1%}")
        print(f"| {' | '.join([words, *cells, f'{spent:.0f} s'])} |", flush=True)


# ------------------------------------------------------------------ the table


def described(outcome: Outcome) -> str:
    trouble = ", ".join(outcome.findings) or "none"
    return (f"{outcome.accuracy:.1%} | {outcome.recall:.1%} | {outcome.climbed:.1f} x | {outcome.epochs} | "
            f"{outcome.seconds:.1f} s | {trouble if outcome.ended == 'finished' else outcome.ended}")  # fmt: skip


def table(base: Path, names: list[str], seeds: int, whole: bool) -> None:
    print("| set | recipe | accuracy | mean recall | highest loss / first | epochs | CPU time | the doctor |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        for seed in range(seeds):
            asked = Recipe(data=source(base, name), seed=seed)
            ours = train(base / "runs", fitted(asked).recipe)
            rows = {"fitted": ours, "default, equal time": default_in(base / "runs", asked, ours.seconds)}
            if whole:
                rows["default, 20 epochs"] = train(base / "runs", asked)
            for kind, outcome in rows.items():
                print(f"| {name}{f', seed {seed}' if seeds > 1 else ''} | {kind} | {described(outcome)} |", flush=True)


def source(base: Path, name: str) -> str:
    return f"folder:{write(name, base)}" if name in {**TUNED, **HELD} else name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join((*TUNED, *HELD)), help="of the folders, or names such as shapes")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="also the default recipe's own 20 epochs")
    parser.add_argument("--search", action="store_true", help="other fields in place of the rule's")
    parser.add_argument("--tried", default="", help="with --search: only these rows")
    parser.add_argument("--folder", type=Path, help="where sets and runs stay (a temporary folder)")
    given = parser.parse_args()
    names = given.sets.split(",")
    with tempfile.TemporaryDirectory() as place:
        base = given.folder or Path(place)
        (base / "runs").mkdir(parents=True, exist_ok=True)
        if given.search:
            search(base, names, given.seeds, given.tried.split(",") if given.tried else list(TRIED))
        else:
            table(base, names, given.seeds, given.whole)
    return 0


if __name__ == "__main__":
    sys.exit(main())
