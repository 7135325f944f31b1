"""A model whose images are given by name, or within a batch, is told the same as one that gets them first."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from cvtui.doctor import examine
from cvtui.engine.run_script.options import Options
from cvtui.engine.run_script.watcher import Watcher
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.doctor.watched_loops.by_name import (
    WAYS,
    Named,
    NamedAsBytes,
    NamedChanged,
    NamedCopied,
    NamedOneBatch,
    NamedOverTheImages,
)

pytestmark = pytest.mark.torch


def told(way: str, base: Path) -> tuple[dict[str, Any], list[Tensor]]:
    """Return all facts about a loop with half of its validation copied, and its weights."""
    loop = NamedCopied(way)
    found = loop.run(base)
    return facts_of(base / "run") | {"found": sorted(found)}, list(loop.model.parameters())


def facts_of(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for record in map(json.loads, (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()):
        facts |= record if record["type"] == "facts" else {}
    return facts


@pytest.fixture(scope="module")
def by_position(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[Tensor]]:
    return told("by position", tmp_path_factory.mktemp("first"))


@pytest.mark.parametrize("way", [way for way in WAYS if way != "by position"])
def test_all_facts_and_each_bit_are_the_same(
    way: str, by_position: tuple[dict[str, Any], list[Tensor]], tmp_path: Path
) -> None:
    facts, weights = told(way, tmp_path)
    assert facts == by_position[0]
    known = ("input_mean", "validation_mean", "evaluated_seen", "neighbours_matter", "eval_mode_loss", "repeated")
    assert all(facts.get(name) is not None for name in known), facts
    assert all(torch.equal(a, b) for a, b in zip(weights, by_position[1], strict=True))


@pytest.mark.parametrize(
    ("way", "kind", "fault"),
    [
        ("by name", NamedAsBytes, "F11"),
        ("dict", NamedOverTheImages, "F57"),
        ("mapping", NamedOneBatch, "F60"),
        ("object", NamedChanged, "F61"),
        ("by name", Named, "nothing"),
    ],
)
def test_the_fault_is_named(way: str, kind: Callable[[str], Named], fault: str, tmp_path: Path) -> None:
    found = kind(way).run(tmp_path)
    assert fault in (found or ["nothing"]), {one.id: one.sentence for one in found.values()}


class WithItsLoss(nn.Module):
    """A model as Hugging Face's are: the loss is its own, beside the scores."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, pixel_values: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.net(pixel_values)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def script(runs: Path | None, by_name: bool, endless: bool) -> list[Tensor]:
    """Train on labels of other images (one of the third batch has an endless value), and evaluate images of these."""
    watcher = None if runs is None else Watcher(Options(name="s", runs=str(runs)), os.getcwd())
    random = torch.Generator().manual_seed(1)
    labels = torch.arange(320) % 4
    x = torch.randn(4, 1, 8, 8, generator=random)[labels] + 0.3 * torch.randn(320, 1, 8, 8, generator=random)
    y = labels[torch.randperm(320, generator=random)]
    torch.manual_seed(0)
    model = WithItsLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.02)
    held = DataLoader(TensorDataset(x[:160], labels[:160]), 20)
    try:
        for _ in range(1 if endless else 12):
            model.train()
            for number, (images, own) in enumerate(DataLoader(TensorDataset(x, y), 32, shuffle=True)):
                if endless and number == 2:
                    images[3, 0, 1, 1] = torch.inf
                optimizer.zero_grad()
                told = model(pixel_values=images, labels=own) if by_name else model(images, own)
                told["loss"].backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                for images, own in held:
                    model(pixel_values=images, labels=own) if by_name else model(images, own)
    finally:
        if watcher is not None:
            watcher.end(None)
    return list(model.parameters())


@pytest.mark.parametrize("endless", [False, True])
def test_a_script_that_gives_them_by_name_from_its_first_step_on(endless: bool, tmp_path: Path) -> None:
    facts, weights = [], [script(None, True, endless)]
    for by_name in (True, False):
        base = tmp_path / str(by_name)
        weights.append(script(base, by_name, endless))
        facts.append(facts_of(base / "s"))
    names = ("input_mean", "batch_size", "batch_neighbours", "distinct_images", "evaluated_seen", "validation_mean",
             "bad_batch")  # fmt: skip
    assert [facts[0].get(name) for name in names] == [facts[1].get(name) for name in names]
    assert all(a.equal(b) for own in weights[1:] for a, b in zip(own, weights[0], strict=True) if not endless)
    if endless:
        assert facts[0]["bad_batch"] == 2
        return
    assert facts[0]["distinct_images"] == [320, 320], "the first batch too"
    history = History(RunFolder(tmp_path / "True" / "s"))
    history.poll()
    assert "F20" in {one.id for one in examine(history)}
    share, chance, *_ = facts[0]["batch_neighbours"]
    assert share < chance + 0.1, "F13 is told by these"
