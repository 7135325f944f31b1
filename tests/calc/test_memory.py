"""The memory to train against what autograd really keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings
from torch import nn

from cvtui.calc import Chain, Size, trace
from cvtui.calc.memory import kept_activations, training_memory
from cvtui.calc.net.parser import parse
from cvtui.errors import RequestError
from cvtui.recipe.choices.optimizers import OPTIMIZERS
from tests.calc.nets import nets, sizes
from tests.calc.oracle import Built, as_shape
from tests.examples import examples

BATCH = 3


def kept_by_autograd(chain: Chain, size: Size) -> int:
    """Bytes of the distinct tensors that one training forward pass keeps, without parameters and buffers."""
    module = Built(chain, as_shape(size), classes=7).module.train()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*module.parameters(), *module.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = module(torch.rand(BATCH, *as_shape(size)))
    held = sum(storage.nbytes() for storage in kept.values())
    del output
    return held


@pytest.mark.parametrize(
    "net",
    [
        "[(conv8-relu)*2-pool]*2-(fc32-relu)-fc",
        "(conv8-bn-relu)*2-avgpool-conv4-gap-fc-softmax",
        "conv8-leakyrelu-conv8-tanh-conv8-sigmoid-conv8-gelu-conv8-silu-conv8-elu-fc",
        "conv8-res(conv8-relu-conv8)-relu-res(conv16s2-bn-relu)-fc",
        "conv8-cat(conv4f1|pool3s1p1-conv4f1|conv4f5)-relu-sumpool-fc",
        "relu-pool-conv8-drop0.5-ln-fc",
        "flatten-fc32-relu-drop0-fc",
        "pool-relu-flatten",
    ],
)
def test_what_is_kept_for_the_backward_pass_is_what_autograd_keeps(net: str) -> None:
    chain, size = parse(net), (12, 12, 3)
    assert kept_activations(trace(chain, size, 7), BATCH) == kept_by_autograd(chain, size)


@settings(max_examples=examples(150), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(nets, sizes)
def test_random_nets_keep_what_autograd_keeps(chain: Chain, size: Size) -> None:
    try:
        table = trace(chain, size, 7)
    except RequestError:
        reject()
    if any(row.kind in ("bn", "ln") and row.activations == 1 for row in table.rows):
        reject()  # PyTorch's batch norm refuses to train on one number a channel
    assert kept_activations(table, BATCH) == kept_by_autograd(chain, size)


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("sgd", torch.optim.SGD),
        ("momentum", lambda p: torch.optim.SGD(p, momentum=0.9)),
        ("nesterov", lambda p: torch.optim.SGD(p, momentum=0.9, nesterov=True)),
        ("adagrad", torch.optim.Adagrad),
        ("rmsprop", torch.optim.RMSprop),
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
    ],
)
def test_optimizer_state_is_what_pytorch_keeps(name: str, optimizer: Callable[..., torch.optim.Optimizer]) -> None:
    model = nn.Linear(30, 7)
    made = optimizer(model.parameters())
    model(torch.rand(2, 30)).sum().backward()
    made.step()
    state = [value for entry in made.state.values() for value in entry.values() if isinstance(value, torch.Tensor)]
    held = sum(value.numel() * value.element_size() for value in state if value.dim())  # without the step counters
    memory = training_memory(trace(parse("fc7"), (30,)), 2)
    copies = OPTIMIZERS[name].state(OPTIMIZERS[name].defaults())
    assert memory.state(copies) == held
    assert memory.parameters == memory.gradients == 4 * 217
    assert memory.total(copies) == memory.parameters + memory.gradients + memory.activations + held
