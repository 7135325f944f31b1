"""Evaluations of which the loader's labels are enough: what is recorded is over all batches, however they are made."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import cvtui
from cvtui.engine.custom_loop import quick_steps
from cvtui.engine.run_script.evaluations import Evaluation
from tests.engine.run_script import scripts
from tests.engine.run_script.test_watcher import close, history, run

pytestmark = pytest.mark.torch
PASSES = 3
HOME = str(Path(cvtui.__file__).parent)


class Own(NamedTuple):
    """What the script made of its batches itself."""

    found: list[tuple[float, float]]
    trained: list[Tensor]


def _plain(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    output = model(x)
    return F.cross_entropy(output, y), output


def _summed(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    output = model(x)
    return F.cross_entropy(output, y, reduction="sum") / len(x), output


def _cooled(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    output = model(x)
    output /= 2  # in place: not what the model answered
    return F.cross_entropy(output, y), output


def _other_labels(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    output, y = model(x), 1 - y
    return F.cross_entropy(output, y), output


def _weighted(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    output = model(x)
    return F.cross_entropy(output, y, label_smoothing=0.1), output


FORMS = {
    "plain": (_plain, True), "summed": (_summed, True), "cooled": (_cooled, False),
    "other labels": (_other_labels, False), "smoothed": (_weighted, False),
}  # fmt: skip


def script(
    form: Callable[..., tuple[Tensor, Tensor]], context: Any = torch.no_grad, learn: Any = None, epochs: int = PASSES
) -> Own:
    images = torch.randn(100, 1, 6, 6)
    labels = (images.mean((1, 2, 3)) > 0).long()
    train, held = TensorDataset(images[:40], labels[:40]), TensorDataset(images[40:], labels[40:])
    model, found = scripts.net(), []
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    for _ in range(epochs):
        model.train()
        for x, y in DataLoader(train, 8, shuffle=True):
            optimizer.zero_grad()
            (learn or _plain)(model, x, y)[0].backward()
            optimizer.step()
        model.eval()
        total, right = 0.0, 0
        with context():
            for x, y in DataLoader(held, 3):
                truth = (1 - y if form is _other_labels else y).clone()
                loss, output = form(model, x, y)
                total += loss.item() * len(x)
                right += (output.argmax(1) == truth).sum().item()
        found.append((total / len(held), right / len(held)))
    return Own(found, [*model.state_dict().values()])


@pytest.mark.parametrize("name", FORMS)
def test_what_is_recorded_is_over_all_batches(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form, known = FORMS[name]
    looked: list[int] = []
    add = Evaluation.add

    def counted(evaluation: Evaluation, *given: Any) -> None:
        looked.append(1)
        add(evaluation, *given)

    monkeypatch.setattr(Evaluation, "add", counted)
    context = torch.inference_mode if name == "summed" else torch.no_grad
    alone = run(lambda: script(form, context=context), None)
    told = run(lambda: script(form, context=context), tmp_path)
    assert alone.found == told.found
    assert all(map(torch.equal, alone.trained, told.trained))
    epochs = history(tmp_path / "s").epochs
    assert close([epoch.val_loss or 0 for epoch in epochs], [loss for loss, _ in told.found])
    assert close([epoch.val_accuracy or 0 for epoch in epochs], [share for _, share in told.found])
    # Of 20 batches four of the first evaluation and two of each later one are looked at.
    assert len(looked) == (4 + 2 * (PASSES - 1) if known else 20 * PASSES)


def test_more_answers_than_there_is_room_for_and_batches_of_other_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same images twice, images of no loader, and a second loader are passes as before."""
    monkeypatch.setattr("cvtui.engine.run_script.given_batches.VALUES", 30)

    def mixed() -> Own:
        images = torch.randn(60, 1, 6, 6)
        data = TensorDataset(images, (images.mean((1, 2, 3)) > 0).long())
        model, found = scripts.net(), []
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        second = TensorDataset(images[:9] + 1, data.tensors[1][:9])
        for _ in range(2):
            for x, y in DataLoader(data, 8):
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
            total, right, other = 0.0, 0, TensorDataset(-images, data.tensors[1])
            with torch.no_grad():
                for x, y in DataLoader(other, 3):
                    output = model(x)
                    total += F.cross_entropy(output, y).item() * len(x) / len(other)
                    right += (output.argmax(1) == y).sum().item()
                for x, y in DataLoader(second, 1):
                    F.cross_entropy(model(x), y)
            found.append((total, right / len(other)))
        return Own(found, [*model.state_dict().values()])

    told = run(mixed, tmp_path)
    epochs = history(tmp_path / "s").epochs
    assert close([epoch.val_loss or 0 for epoch in epochs], [loss for loss, _ in told.found])
    assert close([epoch.val_accuracy or 0 for epoch in epochs], [share for _, share in told.found])


def test_few_functions_of_ours_run_where_nothing_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is one of cold code: beside a net of 1 ms it takes ten times as long as alone."""
    monkeypatch.setattr(quick_steps, "SHARE", 1e-9)
    monkeypatch.setattr(quick_steps, "SHORT_SECONDS", 1e9)
    marks: list[int] = []
    ours = [0]

    def count(frame: Any, event: str, _what: Any) -> None:
        ours[0] += event == "call" and frame.f_code.co_filename.startswith(HOME)

    def form(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        marks.append(ours[0])
        return _plain(model, x, y)

    sys.setprofile(count)
    try:
        run(lambda: script(form, learn=form, epochs=12), tmp_path)
    finally:
        sys.setprofile(None)
    taken = [after - before for before, after in itertools.pairwise(marks)]
    epochs = [taken[start : start + 24] for start in range(0, len(taken), 25)]  # of 5 steps and 20 batches
    assert min(count for epoch in epochs for count in epoch[1:4]) <= 12, epochs
    assert min(count for epoch in epochs for count in epoch[5:]) <= 12, epochs
