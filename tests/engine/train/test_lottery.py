"""A lottery's runs: the smallest weights go, the others go back, and what is pruned stays pruned."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cvtui.engine.nn.inits.layer import layers_of
from cvtui.engine.train import checkpoint
from cvtui.engine.train.control import Signals
from cvtui.engine.train.lottery import prepare_run, prune, shuffled
from cvtui.engine.train.preparation import prepare
from cvtui.engine.train.state import TrainingState
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.lottery_note import MASK, REWIND, Ticket, left_after, ticket_of, write_ticket
from tests import extra
from tests.engine.making import folder, history, recipe

NET = "conv8s2-bn-relu-fc16-relu-fc"


def ready(base: Path, ticket: Ticket, name: str = "", **changes: Any) -> RunFolder:
    found = folder(base, name or f"round-{ticket.round}-{ticket.kind}", **{"net": NET, "epochs": 1, **changes})
    write_ticket(found, ticket)
    return found


def dense(base: Path, steps: int = 0, **changes: Any) -> RunFolder:
    found = ready(base, Ticket(round=0, kind="dense", rewind_steps=steps), "dense", **changes)
    assert train_folder(found.path, Signals()) == 0
    return found


def later(base: Path, kind: Any = "ticket", number: int = 1, parent: str = "dense", **changes: Any) -> RunFolder:
    ticket = Ticket(round=number, kind=kind, prune=0.5, parent=parent, origin="dense")
    return ready(base, ticket, **changes)


def begun(run: RunFolder, **changes: Any) -> TrainingState:
    """Prepare the training as its engine has it before the first step."""
    found, words = prepare_run(check(recipe(**{"net": NET, "epochs": 1, **changes})), run)
    assert words
    return found


def weights(state: Any) -> dict[str, Tensor]:
    return {name.removesuffix(".weight"): value for name, value in state.items() if value.dim() > 1}


def last(run: RunFolder) -> dict[str, Tensor]:
    return weights(checkpoint.load(run.checkpoints / "last.pt")["model"])


def masks(run: RunFolder) -> dict[str, Tensor]:
    found: dict[str, Tensor] = torch.load(run.path / MASK, weights_only=True)
    return found


# ------------------------------------------------------------------ which weights go


def drawn(seed: int = 0) -> dict[str, Tensor]:
    maker = torch.Generator().manual_seed(seed)
    shapes = {"conv1": (6, 3, 3, 3), "fc1": (20, 30), "fc2": (10, 20)}
    return {name: torch.randn(shape, generator=maker) for name, shape in shapes.items()}


def ones(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.ones(value.shape, dtype=torch.bool) for name, value in values.items()}


def test_each_layer_loses_its_smallest_and_the_classifier_half_as_many() -> None:
    values = drawn()
    found = prune(values, ones(values), 0.2, "layer")
    assert [int(mask.sum()) for mask in found.values()] == [162 - 32, 480, 180]
    for name, mask in found.items():
        sizes = values[name].abs()
        assert sizes[mask].min() > sizes[~mask].max()


def test_globally_the_smallest_go_wherever_they_are_but_for_the_classifier() -> None:
    values = drawn()
    values["conv1"] *= 0.1
    found = prune(values, ones(values), 0.25, "global")
    assert found["fc2"].all()
    both = torch.cat([found["conv1"].flatten(), found["fc1"].flatten()])
    sizes = torch.cat([values["conv1"].flatten(), values["fc1"].flatten()]).abs()
    assert int(both.sum()) == 762 - round(762 * 0.25)
    assert sizes[both].min() > sizes[~both].max()
    assert found["conv1"].float().mean() < 0.5 < found["fc1"].float().mean()


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_round_after_round_what_is_gone_stays_gone_and_the_counts_are_foretold(scope: Any) -> None:
    found = ones(drawn())
    counts = {name: int(mask.sum()) for name, mask in found.items()}
    for seed in range(12):
        before = found
        found = prune(drawn(seed), before, 0.4, scope)
        counts = left_after(counts, 0.4, scope)
        assert sum(int(mask.sum()) for mask in found.values()) == sum(counts.values())
        assert all(not (found[name] & ~before[name]).any() for name in found)
    assert all(mask.any() for mask in found.values()) or scope == "global"


def test_a_net_of_one_layer_is_pruned_too() -> None:
    values = {"fc1": torch.tensor([[3.0, -1.0], [0.5, -4.0]])}
    assert prune(values, ones(values), 0.5, "layer")["fc1"].tolist() == [[True, False], [False, True]]
    assert prune(values, ones(values), 0.5, "global")["fc1"].tolist() == [[True, False], [False, True]]
    assert left_after({"fc1": 1}, 0.9, "layer") == {"fc1": 1}


def test_random_masks_keep_as_many_of_each_layer() -> None:
    values = drawn()
    found = prune(values, ones(values), 0.5, "layer")
    mixed = shuffled(found, torch.Generator().manual_seed(0))
    for name, mask in found.items():
        assert mixed[name].shape == mask.shape
        assert mixed[name].sum() == mask.sum()
        assert not torch.equal(mixed[name], mask)


# ------------------------------------------------------------------ runs


def test_a_ticket_begins_with_the_first_weights_and_its_controls_do_not(tmp_path: Path) -> None:
    parent = dense(tmp_path)
    first: dict[str, Tensor] = torch.load(parent.path / REWIND, weights_only=True)
    start = prepare(check(recipe(net=NET, epochs=1))).model.state_dict()
    assert all(torch.equal(first[name], start[name]) for name in start)
    runs = {kind: later(tmp_path, kind) for kind in ("ticket", "reinit", "random-mask")}
    states = {kind: weights(begun(run).model.state_dict()) for kind, run in runs.items()}
    trained = last(parent)
    mask = masks(runs["ticket"])
    for name in ("conv1", "fc1", "fc2"):
        assert trained[name].abs()[mask[name]].min() >= trained[name].abs()[~mask[name]].max()
        assert torch.equal(states["ticket"][name], first[f"{name}.weight"] * mask[name])
        anew, other = states["reinit"][name], states["random-mask"][name]
        assert not anew[~mask[name]].any()
        assert not (anew == states["ticket"][name])[mask[name]].any()
        kept = masks(runs["random-mask"])[name]
        assert torch.equal(other, first[f"{name}.weight"] * kept)
        assert kept.sum() == mask[name].sum()


@pytest.mark.parametrize("optimizer", extra.optimizers())
def test_what_is_pruned_stays_0_whatever_the_optimizer_does(tmp_path: Path, optimizer: str) -> None:
    changes: dict[str, Any] = {"optimizer": optimizer, "lr": 0.01, "weight_decay": 0.01, "limit": 600}
    dense(tmp_path, **changes)
    before: Tensor | None = None
    for number, parent in ((1, "dense"), (2, "round-1-ticket")):
        run = later(tmp_path, number=number, parent=parent, **changes)
        assert train_folder(run.path, Signals()) == 0
        gone = {name: ~mask for name, mask in masks(run).items()}
        trained = last(run)
        assert all(not trained[name][gone[name]].any() for name in trained)
        assert all((trained[name][~gone[name]] != 0).float().mean() > 0.99 for name in trained)
        fc = gone["fc1"]
        assert before is None or (fc.sum() > before.sum() and (fc | ~before).all())
        before = fc
        assert "are left" in history(run).logs[0].text
    assert history(run).state() == "finished"


def test_rewinding_to_a_later_step(tmp_path: Path) -> None:
    run = dense(tmp_path, steps=12, epochs=2, keep="last,every=1")  # 1,437 images in batches of 128: 12 steps an epoch
    after: Any = checkpoint.load(run.checkpoints / "epoch-0001.pt")["model"]
    kept = torch.load(run.path / REWIND, weights_only=True)
    assert all(torch.equal(kept[name], after[name]) for name in after)
    ticket = begun(later(tmp_path)).model.state_dict()
    assert torch.equal(ticket["bn1.running_mean"], after["bn1.running_mean"])


def test_an_interrupted_ticket_goes_on_with_its_mask(tmp_path: Path) -> None:
    dense(tmp_path)
    run = later(tmp_path, epochs=3)
    signals = Signals()
    signals.number = 15  # comes before the first step
    assert train_folder(run.path, signals) == 143
    (tmp_path / "dense" / "checkpoints" / "last.pt").unlink()  # its own mask is all it needs of its parent
    assert train_folder(run.path, Signals(), resume=True) == 0
    trained, mask = last(run), masks(run)
    assert all(not trained[name][~mask[name]].any() for name in mask)
    assert history(run).state() == "finished"


def test_what_is_missing_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = later(tmp_path, parent="nowhere")
    assert train_folder(run.path, Signals()) == 2
    assert "nowhere" in capsys.readouterr().err
    with pytest.raises(RequestError, match="no folder beside it"):
        begun(later(tmp_path, number=2, parent="../dense"))
    (run.path / "ticket.json").write_text('{"round": -1}')
    with pytest.raises(RequestError, match=r"ticket.json"):
        ticket_of(run)
    plain = folder(tmp_path, "plain")
    assert ticket_of(plain) is None
    assert prepare_run(check(recipe()), plain)[1] == ""


def test_a_diverged_parent_and_another_net_are_refused(tmp_path: Path) -> None:
    parent = dense(tmp_path)
    with pytest.raises(RequestError, match="another net"):
        begun(later(tmp_path), net="conv9-relu-conv9-relu-fc")
    path = parent.checkpoints / "last.pt"
    state = checkpoint.load(path)
    state["model"]["fc1.weight"][0, 0] = float("nan")
    checkpoint.save(state, path)
    with pytest.raises(RequestError, match="diverged"):
        begun(later(tmp_path, number=3))


def test_every_layer_with_weights_is_pruned(tmp_path: Path) -> None:
    net = "conv4-relu-res(conv8s2-relu-conv8)-relu-gap-fc"
    dense(tmp_path, net=net)
    model = begun(later(tmp_path, net=net), net=net).model
    for layer in layers_of(model):
        share = 0.25 if layer.name == "fc1" else 0.5
        assert (layer.weight == 0).float().mean().item() == pytest.approx(share, abs=0.02), layer.name


def test_what_a_round_writes_down_is_whole_or_not_there(tmp_path: Path) -> None:
    """The mask and the first weights: killed while they are written, the next try writes them anew."""
    pid = os.fork()
    if not pid:
        try:
            os.replace = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
            checkpoint.write_whole({"w": torch.ones(1000)}, tmp_path / "mask.pt")
        finally:  # a child that comes out of here would go on with the tests
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    assert not (tmp_path / "mask.pt").exists()
    checkpoint.write_whole({"w": torch.ones(1000)}, tmp_path / "mask.pt")
    assert torch.load(tmp_path / "mask.pt", weights_only=True)["w"].sum() == 1000
