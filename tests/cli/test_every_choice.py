"""Every choice that a recipe has, from the words of the command line to a run that ends well and learns something."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvtui.cli.commands.train import make_recipe
from cvtui.engine.data.each_image import TRANSFORMS
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.choices.augments import AUGMENTS
from cvtui.recipe.choices.inits import INITS
from cvtui.recipe.choices.losses import LOSSES
from cvtui.recipe.choices.mixes import MIXES
from cvtui.recipe.choices.on_nan import ON_NAN
from cvtui.recipe.choices.optimizers import OPTIMIZERS
from cvtui.recipe.choices.preprocesses import PREPROCESSES
from cvtui.recipe.choices.schedules import SCHEDULES
from cvtui.recipe.datasets.catalog import DATA
from cvtui.recipe.datasets.torchvision_sets import STORED
from cvtui.recipe.fields import FIELDS
from cvtui.recipe.toml import dumps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests import extra
from tests.cli.running import cvtui, within

SHORT = "--net conv8-relu-pool-fc --epochs 2 --threads 1 --device cpu --batch-size 32 --limit 400"
RATES = {"sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.02, "rmsprop": 2e-3, "adam": 5e-3, "muon": 5e-3}
RATES |= {"adafactor": 0.03, "lamb": 0.02, "lion": 3e-3}
SMALLER = "--limit 300 --epochs 4 --net conv8s2-relu-pool-fc"
POINTS = "--net fc32-tanh-fc32-tanh-fc --epochs 15 --lr 0.03 --schedule constant"


def words() -> Iterator[tuple[str, str]]:
    """(option and value, what else it needs)."""
    for name in DATA:
        if name in STORED:
            continue  # fetched only when asked for
        if len(DATA[name].size) == 1:
            yield f"--data {name}", POINTS
        else:
            yield f"--data {name}", SMALLER
    yield "--data 'spiral(3)'", POINTS
    for name in sorted(set(PREPROCESSES) - {"weights"}):  # it wants a file: tests/engine/train/test_initial_weights.py
        yield f"--preprocess {name}", "--net conv8-bn-relu-pool-fc" if name == "none" else ""
    for name in AUGMENTS:
        few = "--epochs 3 --limit 240 --lr 0.02" if name in TRANSFORMS else "--epochs 3 --lr 0.02"
        yield f"--augment {name}", f"--data shapes {SMALLER}" if name == "crop" else few
    yield "--augment 'shift(1), rotate(5)'", ""
    yield from ((f"--mix {name}", "--limit 400") for name in [*MIXES, "'mixup(0.4), cutmix'"])
    yield from ((f"--balance {how}", "--imbalance 0.2 --mix mixup") for how in ("weights", "sampler"))
    for name in INITS:
        yield f"--init {name}", "--net conv8s2-relu-res(conv8-relu-conv8)-relu-pool-fc"
    for name in LOSSES:
        yield f"--loss {name}", "--limit 720"
    yield "--loss 'cross-entropy(smoothing=0.1)'", ""
    for name in OPTIMIZERS:
        yield f"--optimizer {name}", f"--lr {RATES.get(name, 5e-3)}"
    for name in SCHEDULES:
        yield f"--schedule {name}", ""
    yield "--schedule-per epoch", ""
    yield "--warmup 10", ""
    yield "--clip 1", ""
    yield "--ema 0.9", ""
    yield "--freeze all-but-head", ""
    yield "--freeze until:conv1", ""
    yield "--freeze '*.bias'", ""
    yield "--unfreeze-at 2", "--freeze all-but-head --net conv8s2-bn-relu-fc"
    yield "--lr-backbone 0.1x", ""
    yield "--layer-decay 0.75", ""
    yield "--scale-lr 32", ""
    yield "--accumulate 2", ""
    yield "--batch-size auto", "--limit 100 --epochs 12"
    yield "--patience 1", ""
    yield "--max-time 1h", ""
    yield "--only 1,4,7", ""
    yield "--limit 500", ""
    yield "--label-noise 0.2", ""
    yield "--imbalance 0.2", ""
    yield "--precision bfloat16", ""
    yield "--precision float16", ""
    yield "--deterministic off", ""


CASES = [
    pytest.param(word, more, id=word.removeprefix("--"), marks=extra.skip_without(word.removeprefix("--optimizer ")))
    for word, more in words()
]


def options(text: str) -> dict[str, str]:
    found = shlex.split(text)
    return {
        name.removeprefix("--").replace("-", "_"): value for name, value in zip(found[::2], found[1::2], strict=True)
    }


def judge(history: History, word: str) -> None:
    assert history.state() == "finished"
    classes = len(history.run.data["classes"])  # type: ignore[union-attr]
    best = max(epoch.val_accuracy or 0.0 for epoch in history.epochs)
    if "init zeros" in word:  # there to show why not: all filters stay alike
        assert best < 0.5
    elif "range-test" not in word:  # which ends where nothing learns
        assert best > 1.5 / classes, best


BARE = re.compile(r"--(optimizer|loss|schedule) [\w-]+|--data ('spiral\(3\)'|spiral|moons|circles|blobs|xor)")
"""Trained, and asked for more, in tests/engine/optim/test_factory.py and tests/engine/data/test_toy_sets.py."""


@pytest.mark.parametrize(("word", "more"), [case for case in CASES if BARE.fullmatch(str(case.values[0]))])
def test_a_bare_choice_is_the_recipes(word: str, more: str) -> None:
    recipe = make_recipe(None, {**options(SHORT), **options(more), **options(word)}).recipe
    ((name, value),) = options(word).items()
    assert getattr(recipe, name) == value


@pytest.mark.parametrize(("word", "more"), [case for case in CASES if not BARE.fullmatch(str(case.values[0]))])
def test_every_choice_trains(tmp_path: Path, word: str, more: str) -> None:
    checked = make_recipe(None, {**options(SHORT), **options(more), **options(word)})
    folder = RunFolder.create(tmp_path, "run", dumps(checked.recipe))
    assert train_folder(folder.path, Signals()) == 0, folder.log.read_text()
    history = History(folder)
    history.poll()
    judge(history, word)


@pytest.mark.long
@pytest.mark.parametrize(("word", "more"), CASES)
def test_every_choice_trains_from_the_shell(tmp_path: Path, word: str, more: str) -> None:
    line = [*shlex.split(SHORT), *shlex.split(more), *shlex.split(word)]
    found = cvtui("--no-ui", "--quiet", "--name", "run", *line, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    history = History(RunFolder(tmp_path / "runs" / "run"))
    history.poll()
    judge(history, word)


def test_help_has_a_line_for_every_choice(tmp_path: Path) -> None:
    said = " ".join(within("--help", cwd=tmp_path, COLUMNS="200").stdout.split())
    tables = (
        DATA, PREPROCESSES, AUGMENTS, MIXES, INITS, LOSSES, OPTIMIZERS,
        SCHEDULES, ON_NAN,
    )  # fmt: skip
    for table in tables:
        for name, entry in table.items():
            assert name in said
            assert " ".join(entry.summary.split()) in said, name


WRONG = {
    "choice": "sgdd", "word": "flaot33", "whole": "2.5", "number": "fast",
    "warmup": "soon", "device": "gpu", "keep": "lsat", "save_every": "5 minutes", "net": "conv32-rleu-fc",
    "size": "large", "augment": "flpi", "mix": "mixip", "only": "eleven", "name": "a/b",
    "max_time": "2 days", "rank_timeout": "soon",
    "freeze": "the head", "lr_backbone": "a tenth",
}  # fmt: skip
"""A wrong text for each kind of field, or for a field by its name."""


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in ("data_dir", "weights")])
def test_a_wrong_value_of_every_option_is_one_clear_line(name: str) -> None:
    field = FIELDS[name]
    text = WRONG.get(name) or WRONG[field.kind]
    with pytest.raises(RequestError) as caught:
        make_recipe(None, {name: text})
    message = caught.value.message
    assert "\n" not in message
    assert message.startswith(f"{field.option}: ")
    if field.kind == "choice" or name in ("augment", "mix"):
        assert "did you mean" in message or "allowed" in message
