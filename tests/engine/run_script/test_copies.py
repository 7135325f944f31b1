"""What a script does with its model beside training comes out as without the watch: files, copies, traces, counts."""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from cvtui import watch
from tests.engine.run_script import scripts
from tests.engine.run_script.test_watcher import history, run

pytestmark = pytest.mark.torch


def saved(model: nn.Module) -> Any:
    file = io.BytesIO()
    torch.save(model, file)
    return file.getvalue()


def counted(model: nn.Module) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        model(torch.ones(2, 1, 6, 6))
    return counter.get_total_flops()


def without_values(model: nn.Module) -> Any:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        return tuple(model(mode.from_tensor(torch.ones(2, 1, 6, 6))).shape)


def gradient_of_each_image(model: nn.Module) -> Any:
    frozen = copy.deepcopy(model).eval()
    values = dict(frozen.named_parameters())

    def loss(values: Any, image: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model.eval(), values, (image[None],)).square().sum()

    found = torch.func.vmap(torch.func.grad(loss), (None, 0))(values, torch.ones(3, 1, 6, 6))
    model.train()
    return [tuple(one.shape) for one in found.values()]


BESIDE: dict[str, Callable[[nn.Module], Any]] = {
    "saved whole": saved,
    "copied": lambda model: [len(one._forward_hooks) for one in copy.deepcopy(model).modules()],
    "scripted": lambda model: torch.jit.script(model)(torch.ones(1, 1, 6, 6)).shape,
    "traced": lambda model: re.findall(r"aten::\w+", str(torch.jit.trace(model.eval(), torch.ones(1, 1, 6, 6)).graph)),
    "traced by its symbols": lambda model: str(torch.fx.symbolic_trace(model).graph),
    "counted": counted,
    "without values": without_values,
    "a gradient of each image": gradient_of_each_image,
}


@pytest.mark.parametrize("begun", ["before", "between steps"])
@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
def test_what_is_done_with_the_model_comes_out_as_without_the_watch(name: str, begun: str, tmp_path: Path) -> None:
    def script() -> tuple[Any, list[float]]:
        train, _ = scripts.data()
        model = scripts.net()
        losses: list[float] = []
        found: list[Any] = []
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for x, y in DataLoader(train, 8):
            if len(losses) == (2 if begun == "between steps" else 0):
                found.append(BESIDE[name](model))
                model.train()
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return found, losses

    alone, told = run(script, None), run(script, tmp_path)
    assert told == alone
    assert len(history(tmp_path / "s").steps.loss) == len(alone[1])


def test_the_model_of_a_block_is_saved_whole_and_its_hooks_stay(tmp_path: Path) -> None:
    model = scripts.net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    before = nn.Module.__getstate__, torch.jit.script, torch.jit.trace
    with watch(model, optimizer, name="s", runs=tmp_path, every=1) as one:
        loaded = torch.load(io.BytesIO(saved(model)), weights_only=False)
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in loaded.modules())
        for _ in range(3):
            torch.jit.script(model)
            loss = model(torch.ones(4, 1, 6, 6)).square().mean()
            loss.backward()
            optimizer.step()
            one.step(loss=loss)
    assert (nn.Module.__getstate__, torch.jit.script, torch.jit.trace) == before
    assert history(tmp_path / "s").layers_at(1) is not None
