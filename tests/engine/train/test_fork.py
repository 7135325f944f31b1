"""A fork begins where its parent was: with nothing changed it is its parent's own continuation, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.toml import dumps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import fork, parent_of, pick
from cvtui.runlog.history import History
from tests.engine.making import folder, history, recipe

NET = "conv4s2-bn-relu-drop0.3-fc"


def trained(run: RunFolder, **how: Any) -> History:
    """Trained here, in this process."""
    assert train_folder(run.path, Signals(), **how) == 0, run.log.read_text()
    return history(run)


@pytest.fixture(scope="module")
def mother(tmp_path_factory: pytest.TempPathFactory) -> History:
    return trained(folder(tmp_path_factory.mktemp("runs"), "mother", net=NET, epochs=4, keep="last,best,every=1"))


def forked(mother: History, base: Path, epoch: int | None = 2, **changes: Any) -> RunFolder:
    text = dumps(recipe(**{"net": NET, "epochs": 4, **changes}))
    return fork(mother.folder, pick(mother, epoch=epoch), base, "", text)


def test_without_a_change_it_is_its_parents_continuation(mother: History, tmp_path: Path) -> None:
    child = trained(forked(mother, tmp_path))
    assert child.run is not None
    assert child.run.parent == {"run": "mother", "checkpoint": "epoch-0002.pt", "step": 24, "epoch": 2}
    assert (child.steps.first, child.steps.end) == (24, 48)
    assert child.steps.loss.tobytes() == mother.steps.loss[24:].tobytes()
    assert [e.val_loss for e in child.epochs] == [e.val_loss for e in mother.epochs[2:]]
    weights = [torch.load(h.folder.checkpoints / "last.pt", weights_only=True)["model"] for h in (mother, child)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_changed_rate_is_the_childs_own_schedule_there(mother: History, tmp_path: Path) -> None:
    child = trained(forked(mother, tmp_path, lr=1e-4, schedule="constant"))
    assert child.steps.lr.tolist() == pytest.approx([1e-4] * 24)
    assert child.steps.loss[0] == mother.steps.loss[24], "the same weights on the same batch"
    assert child.steps.loss[5] != mother.steps.loss[29]


def test_another_batch_size_counts_from_the_start_of_the_epoch(mother: History, tmp_path: Path) -> None:
    child = trained(forked(mother, tmp_path, batch_size=64, optimizer="sgd"))
    assert child.steps.first == 2 * 23
    assert len(child.epochs) == 2
    told = " ".join(log.text for log in child.logs)
    assert "an epoch has 23 steps now" in told
    assert "adamw → sgd" in told


def test_resumed_before_its_first_checkpoint_it_begins_where_it_forked(mother: History, tmp_path: Path) -> None:
    child = trained(forked(mother, tmp_path), resume=True)
    assert child.steps.loss.tobytes() == mother.steps.loss[24:].tobytes()


def test_what_cannot_be_is_one_line(mother: History, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"no checkpoint of epoch 9; there are: 1, 2, 3, 4"):
        pick(mother, epoch=9)
    with pytest.raises(RequestError, match=r"'bets' not found.*did you mean 'best.pt'"):
        pick(mother, checkpoint="bets")
    run = forked(mother, tmp_path, net="fc8-relu-fc")
    assert train_folder(run.path, Signals()) == 2
    end = history(run).end
    assert end is not None
    assert "the weights of 'mother' don't fit it" in end.reason
    assert parent_of(RunFolder(tmp_path)) is None
