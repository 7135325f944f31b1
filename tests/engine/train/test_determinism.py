"""What repeats on a GPU, what can't, and in which arithmetic it computes: said in the record, the log and the help."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cvtui.engine.runtime.device import arithmetic, repeat
from cvtui.engine.train.determinism import determinism_warning, without_deterministic_form
from cvtui.engine.train.state import TrainingState
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.worker_process import launch
from tests.cli.running import within
from tests.engine.making import folder, history, train, training
from tests.waiting import wait_until

CUDA = torch.device("cuda", 0)


class _PutBack(torch.autograd.Function):
    """Passes on what it gets; its gradient goes through `put_`, which has no deterministic form anywhere."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        flat = gradients[0].contiguous()
        return torch.empty_like(flat).put_(torch.arange(flat.numel()), flat)


class Unsure(nn.ReLU):
    def forward(self, x: Tensor) -> Tensor:
        return _PutBack.apply(torch.relu(x))


NET = "conv4-bn-relu-drop0.5-fc"


def unsure() -> TrainingState:
    made = training(net=NET)
    made.model.relu1 = Unsure()
    return made


def on_cuda(made: TrainingState, deterministic: str = "on") -> TrainingState:
    """Return the same training as if it were on a GPU (its tensors stay where they are)."""
    recipe = msgspec.structs.replace(made.recipe, deterministic=deterministic)
    return replace(made, device=CUDA, checked=replace(made.checked, recipe=recipe))


def test_an_operation_without_a_deterministic_form_is_named_once_and_nothing_is_changed() -> None:
    made = unsure()
    before = [tensor.clone() for tensor in made.model.state_dict().values()]
    random = torch.get_rng_state()
    weight = made.model.get_parameter("fc1.weight")
    weight.grad = torch.ones_like(weight)
    assert without_deterministic_form(made) == ["put_"]
    assert all(torch.equal(*pair) for pair in zip(before, made.model.state_dict().values(), strict=True))
    assert torch.equal(random, torch.get_rng_state())
    assert torch.equal(weight.grad, torch.ones_like(weight))
    assert made.model.get_parameter("conv1.weight").grad is None
    assert not torch.are_deterministic_algorithms_enabled()
    assert determinism_warning(on_cuda(made)) == (
        "two runs may differ in their last bits: put_ has no deterministic form in this PyTorch"
    )


def test_nothing_is_said_where_all_have_one_or_it_is_not_asked_for() -> None:
    assert without_deterministic_form(training(net=NET)) == []
    assert determinism_warning(on_cuda(training(net=NET))) == ""
    assert determinism_warning(on_cuda(unsure(), "off")) == ""
    assert determinism_warning(unsure()) == "", "on the CPU runs repeat by themselves"


def test_it_sets_cudnn_and_leaves_it_alone_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "deterministic", False)
    repeat(torch.device("cpu"), "on")
    assert not cudnn.deterministic
    repeat(CUDA, "on")
    assert cudnn.deterministic
    assert not cudnn.benchmark
    repeat(CUDA, "off")
    assert not cudnn.deterministic


@pytest.mark.parametrize(
    ("capability", "precision", "expected"),
    [
        ((9, 0), "float32", {"convolutions": "tf32", "linear": "float32", "deterministic": "on"}),
        ((8, 0), "float32", {"convolutions": "tf32", "linear": "float32", "deterministic": "on"}),
        ((7, 5), "float32", {"convolutions": "float32", "linear": "float32", "deterministic": "on"}),
        ((9, 0), "bfloat16", {"convolutions": "bfloat16", "linear": "bfloat16", "deterministic": "on"}),
    ],
)
def test_the_arithmetic_is_what_pytorch_says(
    capability: tuple[int, int], precision: str, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert arithmetic(CUDA, precision, "on") == expected
    cudnn, cublas = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, cublas.allow_tf32
    cudnn.allow_tf32, cublas.allow_tf32 = False, True
    try:
        if precision == "float32" and capability >= (8, 0):
            assert arithmetic(CUDA, precision, "on") == {**expected, "convolutions": "float32", "linear": "tf32"}
    finally:
        cudnn.allow_tf32, cublas.allow_tf32 = before


def test_the_record_says_it(tmp_path: Path) -> None:
    run = folder(tmp_path, epochs=1)
    assert train(run) == (0, "", "")
    found = history(run).run
    assert found is not None
    assert found.arithmetic == {"convolutions": "float32", "linear": "float32"}
    assert found.recipe["deterministic"] == "on"


def test_the_help_says_it(tmp_path: Path) -> None:
    said = " ".join(within("--help", cwd=tmp_path, COLUMNS="200").stdout.split())
    assert "float32 convolutions in TF32" in said
    assert "--deterministic" in said
    assert "cuDNN then takes only algorithms that give the same bits every time" in said


# ---------------------------------------------------------------- on a GPU

NETS: dict[str, dict[str, Any]] = {
    "default": {},
    "cifar": {"data": "shapes", "limit": 2000, "net": "[(conv32-bn-relu)*2-pool-drop0.25]*3-fc"},
    "residual": {"net": "conv16-bn-relu-[res(conv16-bn-relu-conv16-bn)-relu]*2-gap-fc"},
    "mlp": {"net": "fc256-relu-drop0.5-fc256-relu-fc"},
}
gpu = pytest.mark.gpu
there = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")


def on_gpu(base: Path, name: str, **fields: Any) -> RunFolder:
    return folder(base, name, device="cuda", epochs=3, batch_size=32, augment="shift(1)", **fields)


def assert_equal(one: RunFolder, other: RunFolder) -> None:
    np.testing.assert_array_equal(history(one).steps.loss, history(other).steps.loss)
    weights = [torch.load(run.checkpoints / "last.pt", weights_only=True, map_location="cpu") for run in (one, other)]
    assert all(torch.equal(weights[0]["model"][name], weights[1]["model"][name]) for name in weights[0]["model"])


@gpu
@there
@pytest.mark.parametrize("name", NETS)
def test_two_runs_of_one_seed_on_a_gpu_are_equal_to_the_last_bit(tmp_path: Path, name: str) -> None:
    fields = {"net": "[(conv32-bn-relu)*2-pool-drop0.25]*2-fc", **NETS[name]}
    runs = [on_gpu(tmp_path, number, **fields) for number in ("one", "two")]
    for run in runs:
        assert launch(run, detached=False).wait(300) == 0, run.log.read_text()
    assert_equal(*runs)
    assert not any("deterministic form" in log.text for log in history(runs[0]).logs)


@gpu
@there
def test_killed_and_resumed_on_a_gpu_equals_uninterrupted(tmp_path: Path) -> None:
    fields = {"net": "[(conv32-bn-relu)*2-pool-drop0.25]*2-fc", "ema": 0.9}
    whole, killed = on_gpu(tmp_path, "whole", **fields), on_gpu(tmp_path, "killed", **fields)
    assert launch(whole, detached=False).wait(300) == 0
    worker = launch(killed, detached=False)
    seen = History(killed)
    wait_until(lambda: (seen.poll() and seen.steps_done >= 50) or worker.poll() is not None, 120, "50 steps")
    worker.send_signal(signal.SIGKILL)
    worker.wait(10)
    assert launch(killed, detached=False, resume=True).wait(300) == 0
    assert_equal(whole, killed)


@gpu
@there
def test_the_record_of_a_gpu_says_tf32_and_what_was_asked(tmp_path: Path) -> None:
    run = on_gpu(tmp_path, "run", net="conv4-relu-fc", deterministic="off")
    assert launch(run, detached=False).wait(300) == 0
    found = history(run).run
    assert found is not None
    able = torch.cuda.get_device_capability(0) >= (8, 0)
    assert found.arithmetic == {
        "convolutions": "tf32" if able else "float32", "linear": "float32", "deterministic": "off",
    }  # fmt: skip
