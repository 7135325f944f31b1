"""`--batch-size auto`: the largest power of two that fits, in the run's recipe from its beginning on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch

from cvtui.calc.memory import training_memory
from cvtui.cli.output.progress import facts as plan
from cvtui.engine.train.batch_trials import largest
from cvtui.errors import RequestError
from cvtui.recipe import auto_batch
from cvtui.recipe.auto_batch import SHARE, fitting_batch
from cvtui.recipe.recipe import AUTO, Recipe
from cvtui.recipe.toml import dumps, load, loads
from cvtui.recipe.validation import check
from cvtui.runlog.history import History
from cvtui.tui.form.field_values import field_texts
from cvtui.tui.form.validation import validate
from tests.cli.running import within
from tests.engine.making import folder, history, recipe, train
from tests.engine.stopping import stop_after

NET = "conv8-bn-relu-pool-fc"


@pytest.mark.parametrize("free", [1 << 20, 3 << 20, 10 << 20, 1 << 40])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_next_larger_one_would_not_fit(free: int, accumulate: int) -> None:
    checked = check(recipe(net=NET, batch_size=32, accumulate=accumulate, optimizer="adamw", ema=0.9))
    fit = fitting_batch(checked.recipe, checked.table, checked.data, free)
    size = fit.size

    def need(batch: int) -> int:
        """Weights, gradients, two moments and their mean; kept activations; inputs that wait; the images."""
        net = training_memory(checked.table, batch)
        return 5 * net.parameters + net.activations + (accumulate - 1) * batch * 64 * 4 + (1437 + 360) * 64

    assert size & (size - 1) == 0
    assert size * accumulate <= 1437
    assert fit.need == need(size) <= SHARE * free
    assert 2 * size * accumulate > 1437 or need(2 * size) > SHARE * free


def test_a_run_trains_with_the_number_and_a_resume_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_batch, "free_memory", lambda: 3 << 20)
    run = folder(tmp_path, net=NET, batch_size=AUTO, epochs=1)
    stop_after(run, 4)
    size = load(run.recipe).batch_size
    assert 8 < size <= 256
    found = history(run)
    assert found.run is not None
    assert (found.run.recipe["batch_size"], found.run.steps_per_epoch) == (size, -(-1437 // size))
    told = [log.text for log in found.logs if log.text.startswith("batch size auto: ")]
    assert told == [
        f"batch size auto: {size} (training needs about {_mib(run.recipe)} of 3.0 MiB free; "
        f"{found.run.steps_per_epoch} steps an epoch)"
    ]
    monkeypatch.setattr(auto_batch, "free_memory", lambda: 1 << 40)
    assert train(run, resume=True)[0] == 0
    plain = folder(tmp_path, "plain", net=NET, batch_size=size, epochs=1)
    assert train(plain)[0] == 0
    assert history(run).steps.loss.tobytes() == history(plain).steps.loss.tobytes()


def _mib(path: Path) -> str:
    from cvtui.text import binary_size

    checked = check(load(path))
    return binary_size(fitting_batch(checked.recipe, checked.table, checked.data, 3 << 20).need)


def test_code_is_counted_before_its_batch_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_batch, "free_memory", lambda: 1 << 19)
    (tmp_path / "autonet.py").write_text(
        "from torch import nn\n"
        "def build(classes):\n"
        "    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    run = folder(tmp_path, net="autonet:build(classes=10)", init="own", batch_size=AUTO, epochs=1, limit=600)
    assert check(load(run.recipe)).recipe.batch_size == 32, "not counted: PyTorch has to build it"
    assert train(run)[0] == 0, run.log.read_text()
    assert load(run.recipe).batch_size == 128


def test_auto_is_a_word_of_the_file_the_form_and_the_command_line(tmp_path: Path) -> None:
    asked = loads('batch_size = "auto"')
    assert asked.batch_size == AUTO
    checked = check(asked)
    assert checked.auto
    assert checked.recipe.batch_size > 0
    assert loads(dumps(checked.asked)) == asked
    texts = field_texts(asked)
    assert texts["batch_size"] == "auto"
    found = validate(texts)
    assert not found.problems
    assert found.recipe == asked, "the run's folder gets what was asked"
    assert found.steps_per_epoch == checked.steps_per_epoch
    assert (found.around, validate(field_texts(Recipe())).around) == ("about ", "")
    told = " ".join(words for _, words in plan(checked))
    assert f"batch auto (about {checked.recipe.batch_size:,})" in told
    assert f"of about {checked.steps_per_epoch:,} steps = about " in told, "a smaller batch makes more steps"
    code = msgspec.structs.replace(asked, net="mine:build", init="own")
    assert "batch auto (found when it begins; here taken as 32)" in " ".join(words for _, words in plan(check(code)))
    assert "epochs" in validate({**texts, "epochs": "none"}).problems
    for words, told in (
        (("sweep", "--lr", "0.1,0.01"), "sweep: --batch-size auto takes the memory for one run alone"),
        (("lr-find",), "batch_size: a rate is found for one batch size"),
        (("lottery",), "--batch-size: all rounds of a lottery take one batch size"),
    ):
        done = within(*words, "--batch-size", "auto", cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert told in done.stderr


def test_what_is_not_a_size_is_one_line() -> None:
    with pytest.raises(RequestError, match="1 to 10,000,000, or auto: the largest that fits"):
        loads("batch_size = 0")
    with pytest.raises(RequestError, match="batch_size"):
        loads('batch_size = "largest"')


def memory_of(per_image: int, fixed: int, there: int, tried: list[int]) -> Callable[[int], int]:
    """Return what a step holds, as a device of `there` bytes would tell or refuse it."""

    def peak(size: int) -> int:
        tried.append(size)
        if fixed + per_image * size > there:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return fixed + per_image * size

    return peak


@pytest.mark.parametrize(("there", "expected"), [(1000, 64), (10_000, 512), (130, 8), (699, 32)])
def test_trials_end_where_memory_runs_short(there: int, expected: int) -> None:
    tried: list[int] = []
    fit = largest([8, 16, 32, 64, 128, 256, 512], memory_of(10, 20, there, tried), there)
    assert fit.size == expected
    assert fit.need == 20 + 10 * expected <= 0.8 * there
    assert len(tried) <= [8, 16, 32, 64, 128, 256, 512].index(expected) + 2, "at most one that does not fit"


def test_trials_that_cannot_begin_or_break_say_so() -> None:
    with pytest.raises(RequestError, match="not even a batch of 8 fits"):
        largest([8, 16], memory_of(10, 20, 50, []), 50)

    def broken(_size: int) -> int:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        largest([8, 16], broken, 50)


@pytest.mark.gpu
def test_trials_on_a_gpu_are_real_steps_in_a_process_of_their_own() -> None:
    """Not run where these lines were written: no GPU was lent."""
    text = dumps(recipe(device="cuda", net="[conv64-bn-relu]*4-pool-fc", data="shapes", batch_size=AUTO))
    done = subprocess.run(
        [sys.executable, "-m", "cvtui.engine", "--batch"], input=text.encode(), capture_output=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["batch"] >= 2
    assert found["need"] <= 0.8 * found["free"]


def test_history_is_of_the_number(tmp_path: Path) -> None:
    run = folder(tmp_path, net="fc8-fc", batch_size=AUTO, limit=100, epochs=1)
    assert train(run)[0] == 0
    found = History(run)
    found.poll()
    assert found.run is not None
    assert found.run.recipe["batch_size"] == 64
