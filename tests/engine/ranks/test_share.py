"""Each batch cut over the ranks: every image once, and the gradients of one process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, distributed

from cvtui.engine.ranks.evaluate import part_of
from cvtui.engine.ranks.link import Link
from cvtui.engine.ranks.passes import RankPasses
from cvtui.engine.ranks.share import rank_batches, rows_of
from cvtui.engine.runtime.job_rank import JobRank
from cvtui.engine.train.control import Signals
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.step import training_step
from tests.engine.making import training

pytestmark = pytest.mark.torch

SMALL: dict[str, Any] = {"net": "conv4s2-relu-fc", "limit": 100, "batch_size": 33}
WORLDS = (2, 3)


@pytest.fixture(scope="module")
def _group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make a process group of this process alone, in which DDP leaves each rank's own gradients."""
    place = tmp_path_factory.mktemp("group") / "store"
    distributed.init_process_group("gloo", init_method=f"file://{place}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [1, 2, 5, 32])
def test_every_image_of_a_batch_counts_on_one_rank(count: int, world: int) -> None:
    cuts = [rows_of(count, rank, world, least=2) for rank in range(world)]
    assert sorted(number for rows, own in cuts for number in rows[:own].tolist()) == list(range(count))
    assert all(len(rows) == max(own, 2) and int(rows.min()) >= 0 and int(rows.max()) < count for rows, own in cuts)
    sizes = [own for _, own in cuts]
    assert max(sizes) - min(sizes) <= 1


def test_parts_of_the_validation_images_are_all_of_them_once() -> None:
    for count in (1, 2, 7, 360):
        for world in (1, 2, 3, 5):
            parts = [range(*part_of(count, rank, world)) for rank in range(world)]
            assert [number for part in parts for number in part] == list(range(count))


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("how", [{}, {"batch_size": 99, "net": "conv4s2-bn-relu-fc"}, {"balance": "sampler"}], ids=str)
def test_the_ranks_have_the_images_of_one_process(how: dict[str, Any], world: int) -> None:
    """Batch by batch, in the order of one process; also of a last one with fewer images, and from mid-epoch on."""
    t = training(**{**SMALL, **how})
    for epoch, first in ((1, 0), (2, 1)):
        whole = list(t.batches(epoch, first))
        ranks = [list(rank_batches(t, epoch, first, rank, world, least=1)) for rank in range(world)]
        assert {len(batches) for batches in ranks} == {len(whole)}
        for number, batch in enumerate(whole):
            pixels = torch.empty_like(batch.pixels)
            for one in (batches[number] for batches in ranks):
                assert one.images == batch.size
                pixels[one.rows[: one.own]] = one.pixels[: one.own]
            assert torch.equal(pixels, batch.pixels)


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "a last batch with fewer images than ranks": {"batch_size": 49},
    "class weights": {"balance": "weights", "imbalance": 0.1, "limit": 0, "batch_size": 300},
    "class weights and mixed labels": {"balance": "weights", "imbalance": 0.1, "limit": 0, "mix": "mixup"},
    "augmented": {"augment": "flip,shift(1),crop(1),rotate(10),cutout(3),jitter(0.3),erasing"},
    "image by image": {"augment": "randaugment,resized-crop", "limit": 40, "batch_size": 15},
    "mixed": {"mix": "mixup,cutmix", "augment": "flip"},
    "accumulated": {"accumulate": 3, "batch_size": 11},
    "accumulated, with class weights": {"accumulate": 3, "batch_size": 99, "balance": "weights", "imbalance": 0.1,
                                        "limit": 0},
    "hinge": {"loss": "hinge"},
    "bce": {"loss": "bce"},
}  # fmt: skip


@pytest.mark.usefixtures("_group")
@pytest.mark.parametrize("how", CASES.values(), ids=CASES)
def test_the_gradients_are_those_of_one_process(how: dict[str, Any]) -> None:
    """Summed over the ranks, against the step of one process, for the first and the last batch of an epoch."""
    t = training(**{**SMALL, **how})
    for world in WORLDS:
        for first in (0, t.checked.steps_per_epoch - 1):
            expected, loss = _one_process(t, first)
            found = [torch.zeros_like(one) for one in expected]
            losses = 0.0
            for rank in range(world):
                passes = RankPasses(t, Link(JobRank(rank, world, "job"), Signals()))
                result = passes(next(rank_batches(t, 1, first, rank, world, least=1)))
                losses += result.loss.item() * float(passes._shares[0])
                for total, parameter in zip(found, t.model.parameters(), strict=True):
                    assert parameter.grad is not None
                    total += parameter.grad / world
            assert losses == pytest.approx(loss, rel=1e-6)
            for mine, one in zip(found, expected, strict=True):
                assert torch.allclose(mine, one, rtol=1e-4, atol=2e-7), (world, first)


def _one_process(t: TrainingState, first: int) -> tuple[list[Tensor], float]:
    """Gradients and loss of a batch; the weights stay as they are."""
    kept = [parameter.detach().clone() for parameter in t.model.parameters()]
    step = t.step
    loss = training_step(t, next(t.batches(1, first))).loss.item()
    found = [parameter.grad.clone() for parameter in t.model.parameters() if parameter.grad is not None]
    with torch.no_grad():
        for parameter, before in zip(t.model.parameters(), kept, strict=True):
            parameter.copy_(before)
    t.step, t.batch_index = step, 0
    return found, loss


@pytest.mark.usefixtures("_group")
def test_a_loss_that_is_not_finite_makes_all_gradients_so() -> None:
    """So that all ranks leave the step out, though only one of them had the bad image."""
    t = training(**SMALL)
    t.loss = lambda logits, _: logits.sum() * 0.0 + float("inf")
    RankPasses(t, Link(JobRank(1, 2, "job"), Signals()))(next(rank_batches(t, 1, 0, 1, 2, least=1)))
    assert all(parameter.grad is not None and parameter.grad.isnan().all() for parameter in t.model.parameters())
