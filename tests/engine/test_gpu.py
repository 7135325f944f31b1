"""On an NVIDIA GPU: the captured step against the uncaptured one, waits for the device, memory. `pytest -m gpu`."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from cvtui.engine.observe import recorder
from cvtui.engine.observe.step_metrics import StepMetrics
from cvtui.engine.train import graph as capturing
from cvtui.engine.train.control import Signals
from cvtui.engine.train.graph import GraphStepper
from cvtui.engine.train.trainer import Trainer
from cvtui.engine.worker import train_folder
from cvtui.runlog.events import Log, RunEnded
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.writer import EventWriter
from tests.engine.making import folder, records, train, training
from tests.engine.optim.test_ema import StopsAfter
from tests.engine.train.test_graph import columns
from tests.engine.train.test_resume import assert_equal_runs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU"),
]

FIELDS: dict[str, Any] = {
    "device": "cuda", "net": "[(conv32-bn-relu)*2-pool-drop0.25]*2-fc", "batch_size": 32, "epochs": 3,
}  # fmt: skip
CAPTURED: dict[str, dict[str, Any]] = {
    "default": {},
    "sgd, hinge": {"optimizer": "sgd", "loss": "hinge", "lr": 0.01},
    "momentum, clipped, mean of the weights": {"optimizer": "momentum", "clip": 0.5, "ema": 0.99, "lr": 0.01},
    "adam, all augmentations": {
        "optimizer": "adam", "augment": "flip, shift(1), crop(1), rotate(10), cutout(2), jitter(0.2)",
    },
    "bfloat16, smoothed": {"precision": "bfloat16", "loss": "cross-entropy(smoothing=0.1)"},
    "residual": {"net": "conv16-bn-relu-[res(conv16-bn-relu-conv16-bn)-relu]*2-gap-fc"},
    "bad steps left out": {"optimizer": "sgd", "lr": 1e15, "on_nan": "skip(steps=1000)"},
}  # fmt: skip
UNCAPTURED = {"rmsprop": {"optimizer": "rmsprop", "lr": 1e-3}, "muon": {"optimizer": "muon"}}


@pytest.fixture(autouse=True)
def _augmented_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Capture augmentation, which a recipe gets only once these tests have shown its bits."""
    monkeypatch.setattr(capturing, "AUGMENTED", True)


def on_gpu(base: Path, name: str, **fields: Any) -> RunFolder:
    return folder(base, name, **{**FIELDS, **fields})


def said(run: RunFolder) -> str:
    return "; ".join(record.text for record in records(run) if isinstance(record, Log))


def ended(run: RunFolder) -> RunEnded:
    (end,) = (record for record in records(run) if isinstance(record, RunEnded))
    return end


@pytest.mark.parametrize("changes", CAPTURED.values(), ids=CAPTURED.keys())
def test_replayed_steps_give_the_bits_of_uncaptured_ones(changes: dict[str, Any], tmp_path: Path) -> None:
    plain, graphed = (on_gpu(tmp_path, graph, graph=graph, **changes) for graph in ("off", "auto"))
    codes = train(plain)[0], train(graphed)[0]
    assert codes[0] == codes[1]
    assert "steps of 32 images are a CUDA graph from here on" in said(graphed)
    assert columns(graphed) == columns(plain)


@pytest.mark.parametrize("changes", UNCAPTURED.values(), ids=UNCAPTURED.keys())
def test_what_is_not_captured_trains_and_says_why(changes: dict[str, Any], tmp_path: Path) -> None:
    plain, graphed = (on_gpu(tmp_path, graph, graph=graph, **changes) for graph in ("off", "auto"))
    assert train(plain)[0] == train(graphed)[0] == 0
    assert f"the step is not captured: {changes['optimizer']} has no kernel" in said(graphed)
    assert columns(graphed) == columns(plain)


def test_stopped_and_resumed_equals_uninterrupted_with_and_without_graph(tmp_path: Path) -> None:
    whole, stopped = on_gpu(tmp_path, "whole", graph="off"), on_gpu(tmp_path, "stopped")
    assert train(whole)[0] == 0
    assert train_folder(stopped.path, StopsAfter(61)) == 143
    assert train(stopped, resume=True)[0] == 0
    assert said(stopped).count("are a CUDA graph from here on") == 2
    assert_equal_runs(whole, stopped)


def test_a_capture_that_fails_leaves_dropout_its_random_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's generator is unusable after one ("Offset increment outside graph capture") unless it is put back."""
    plain, graphed = (on_gpu(tmp_path, graph, graph=graph) for graph in ("off", "auto"))
    assert train(plain)[0] == 0
    body = GraphStepper._body

    def reads(self: GraphStepper, known: Any) -> None:
        body(self, known)
        self.rates.sum().item()

    monkeypatch.setattr(GraphStepper, "_body", reads)
    assert train(graphed)[0] == 0, ended(graphed).reason
    assert "graph: the step is not captured: " in said(graphed)
    assert columns(graphed) == columns(plain)


@contextmanager
def no_waits() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("graph", ["off", "auto"])
@pytest.mark.parametrize("augment", ["none", "flip, crop(1)"])
def test_a_step_does_not_wait_for_the_device(
    graph: str, augment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a watched one, nor the first ones, which the doctor looks at; what reads is the flush alone."""
    monkeypatch.setattr(recorder, "FLUSH_SECONDS", math.inf)
    fields = {**FIELDS, "graph": graph, "augment": augment, "clip": 0.5, "ema": 0.9, "watch_every": 4}
    run = folder(tmp_path, **fields)
    with EventWriter(run) as writer:
        trainer = Trainer(training(**fields), run, writer, Signals())
        with trainer.stepper.stream():
            batches = trainer.stepper.batches()
            for number, batch in zip(range(40), batches, strict=False):
                if number in (0, 10, 11):  # kernels are loaded; the capture itself
                    trainer.stepper.step(batch)
                    continue
                with no_waits():
                    trainer.stepper.step(batch)
            trainer.recorder.flush()
        assert isinstance(trainer.stepper, GraphStepper) == (graph == "auto")
        trainer.close()


BIG: dict[str, Any] = {"data": "shapes", "net": "[(conv64-bn-relu)*3-pool]*2-fc", "batch_size": 256, "epochs": 1}


@pytest.fixture
def limited() -> Iterator[Any]:
    """Limit the GPU's memory to so many bytes."""
    total = torch.cuda.mem_get_info(0)[1]

    def limit(size: float) -> None:
        _empty()
        torch.cuda.set_per_process_memory_fraction(min(1.0, size / total), 0)

    yield limit
    torch.cuda.set_per_process_memory_fraction(1.0, 0)
    _empty()


def _empty() -> None:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(0)


def _peaks(run: RunFolder) -> tuple[int, int]:
    """Train; bytes that were allocated and reserved at most."""
    _empty()
    assert train(run)[0] == 0, said(run)
    return torch.cuda.max_memory_allocated(0), torch.cuda.max_memory_reserved(0)


def test_out_of_memory_names_batch_size_peak_and_the_way_out(tmp_path: Path, limited: Any) -> None:
    limited(300 << 20)
    run = on_gpu(tmp_path, "run", **BIG)
    assert train(run)[0] == 1
    assert ended(run).status == "failed"
    assert "out of memory on cuda:0 after" in ended(run).reason
    assert "at batch size 256" in ended(run).reason
    assert "; try batch size " in ended(run).reason


def test_where_a_second_set_of_activations_finds_no_memory_the_step_stays_uncaptured(
    tmp_path: Path, limited: Any
) -> None:
    plain, graphed = (on_gpu(tmp_path, graph, graph=graph, **{**BIG, "watch_every": 0}) for graph in ("off", "auto"))
    _, reserved = _peaks(plain)
    limited(1.25 * reserved)
    assert train(graphed)[0] == 0, ended(graphed).reason
    assert "the step is not captured: " in said(graphed)
    assert columns(graphed) == columns(plain)


@pytest.mark.parametrize("graph", ["off", "auto"])
def test_watching_takes_next_to_no_memory(graph: str, tmp_path: Path) -> None:
    plain, watched = (on_gpu(tmp_path, f"every-{n}", **{**BIG, "graph": graph, "watch_every": n}) for n in (0, 10))
    (plain_peak, _), (watched_peak, _) = _peaks(plain), _peaks(watched)
    print(f"graph {graph}: {plain_peak / 2**20:.1f} MB, watched {watched_peak / 2**20:.1f} MB")
    assert watched_peak <= 1.02 * plain_peak


def test_a_loop_may_tell_floats_beside_tensors_of_the_gpu() -> None:
    """As `loss.item()` does, with a step that GradScaler leaves out; PyTorch joins none of two devices."""
    on_it, metrics = torch.ones((), device="cuda"), StepMetrics()
    metrics.add_share(0.5, None, None)
    metrics.add_share(0.5, (on_it, on_it), on_it)
    metrics.add_share(on_it, on_it, 0.25)
    found = metrics.read()
    assert (found.loss, found.accuracy[1:], found.without) == ([0.5, 0.5, 1.0], [1.0, 0.25], {0})
    assert found.grad_norm[1:] == pytest.approx([math.sqrt(2), 1.0])
