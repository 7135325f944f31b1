"""Validation: the right numbers, and somebody who asks for a stop is heard between its batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cvtui.calc import trace
from cvtui.calc.net.parser import parse
from cvtui.engine.train.control import StopRequested
from cvtui.engine.train.evaluate import LARGEST_CONFUSION, evaluate
from cvtui.engine.train.validation_batch import validation_batch
from tests.benchmarks.evaluate_memory import measured
from tests.engine.making import pixels_of, recipe, training


def test_loss_accuracy_and_confusion_are_those_of_the_whole_set_in_one_piece() -> None:
    t = training(net="conv8-bn-relu-drop0.5-fc")
    images = t.data.validation
    t.model.eval()
    with torch.no_grad():
        logits = t.model(t.preprocess(pixels_of(images)))
    t.model.train()
    before = [tensor.clone() for tensor in t.model.state_dict().values()]
    found = evaluate(t, between=lambda: None)
    assert found.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, images.labels).item(), rel=1e-5)
    guesses = logits.argmax(1)
    assert found.accuracy == (guesses == images.labels).sum().item() / 360
    for true in range(10):
        for guess in range(10):
            assert found.confusion[true][guess] == ((images.labels == true) & (guesses == guess)).sum().item()
    assert t.model.training
    assert all(torch.equal(a, b) for a, b in zip(before, t.model.state_dict().values(), strict=True))


class Largest(TorchDispatchMode):
    """Notes the size of the largest tensor that an operation gives."""

    values = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.values = max([self.values, *(one.numel() for one in tree_leaves(made) if isinstance(one, torch.Tensor))])
        return made


def test_many_classes_take_no_matrix_of_all_pairs() -> None:
    classes = 3 * LARGEST_CONFUSION
    t = training(net="fc8-relu-fc")
    images = t.data.validation
    t.checked = replace(t.checked, data=replace(t.checked.data, classes=tuple(map(str, range(classes)))))
    with Largest() as largest:
        assert evaluate(t, between=lambda: None).confusion == []
    assert 0 < largest.values <= images.size * 64, "the pixels"


@pytest.mark.long
def test_many_classes_are_counted_without_a_matrix_of_all_pairs() -> None:
    """Peaks of two processes side by side: as it was (a matrix in int64, three times, and as lists), and as it is."""
    before, now = (measured(way, classes=2000, images=200) for way in ("before", "now"))
    assert before[0] > 60_000_000
    assert now[0] <= 0.1 * before[0]
    assert now[1] == before[1], "the accuracy"


def test_a_stop_is_heard_after_a_batch_and_leaves_the_model_in_training_mode() -> None:
    t = training(net="[conv32-relu]*4-fc", batch_size=16)  # 2 million multiply-adds an image
    assert 16 <= t.validation_batch < 360, "a batch takes well under 200 ms"
    calls = []

    def stop() -> None:
        calls.append(t.model.training)
        raise StopRequested("stopped when asked")

    with pytest.raises(StopRequested):
        evaluate(t, between=stop)
    assert calls == [False]
    assert t.model.training


def test_a_validation_takes_so_many_images_that_reading_the_weights_is_little_of_it() -> None:
    t = training(net="fc2048-relu-fc2048-relu-fc", batch_size=16)
    macs, weights = t.checked.table.macs, t.checked.table.parameters
    before, now = 400_000_000 // macs, 400 * weights // macs
    assert before < 100 < 390 < now == t.validation_batch == t.state()["validation_batch"]
    for state, batch in (({}, before), ({"validation_batch": 50}, 50), ({"validation_batch": 10**40}, 4096),
                         ({"validation_batch": -1}, before), ({"validation_batch": "7"}, before),
                         ({"validation_batch": 50, "device": "cuda:0"}, now)):  # fmt: skip
        t.keep_validation_batch(state)
        assert t.validation_batch == batch, state
    of_net = {
        "conv8-relu-fc": 4096,  # its weights are read in no time
        "fc30000-relu-fc30000-relu-fc": 16,  # 900 million multiply-adds: a batch of 5 is 0.1 s
        "[relu]*16-gap-[fc4096-relu]*3-fc": 82,  # 800 thousand outputs an image: of 82 they are 256 MB
    }
    for net, batch in of_net.items():
        table = trace(parse(net), (128, 128, 3) if "gap" in net else (8, 8, 1), 10)
        assert validation_batch(table, 10, 16, torch.device("cpu")) == batch, net
    assert validation_batch(t.checked.table, 10, 16, torch.device("cuda")) == 4096


def test_bfloat16_is_for_the_forward_pass_alone() -> None:
    t = training(precision="bfloat16", net="conv8-relu-fc")
    assert t.recipe == recipe(precision="bfloat16", net="conv8-relu-fc")
    images = t.data.train.batch(torch.arange(8))
    with t.autocast():
        logits = t.model(t.preprocess(images.pixels))
        loss = t.loss(logits, images.labels)
    loss.backward()
    assert logits.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    assert {p.dtype for p in t.model.parameters()} == {torch.float32}
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in t.model.parameters())
    full = evaluate(training(net="conv8-relu-fc"), between=lambda: None)
    assert evaluate(t, between=lambda: None).loss == pytest.approx(full.loss, rel=0.05)
