"""Every layer that computes has a row: its kind, the numbers of that kind, and why an output was not seen."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import _get_current_function_mode_stack

from cvtui.engine.observe.layer_extras import ONE_TOKEN
from cvtui.engine.observe.layer_watch import LayerWatch
from cvtui.runlog.events import LayersSampled, LayerStats
from tests.engine.making import one_step


def sample_of(model: nn.Module, *inputs: Tensor, lr: float = 0.0) -> LayersSampled:
    """Return the sample of one step of SGD on the sum of the outputs."""
    optimizer = torch.optim.SGD(model.parameters(), lr)
    watch = LayerWatch(model, optimizer, every=1)
    with one_step(watch, 0):
        output = model(*inputs)
        (output[0] if isinstance(output, tuple) else output).sum().backward()
        optimizer.step()
    return watch.take()[0]


def rows_of(model: nn.Module, *inputs: Tensor) -> dict[str, LayerStats]:
    return {row.name: row for row in sample_of(model, *inputs).layers}


def near(value: float) -> Any:
    """Compare to the six digits of a record."""
    return pytest.approx(value, rel=1e-4, abs=1e-6)


class Kinds(nn.Module):
    """One layer of most kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 8)
        self.lstm, self.gru = nn.LSTM(8, 6, batch_first=True), nn.GRU(6, 6, batch_first=True)
        self.norm, self.line, self.back = nn.LayerNorm(6), nn.Conv1d(6, 4, 3), nn.ConvTranspose1d(4, 4, 3)
        self.batch, self.group, self.root = nn.BatchNorm1d(4), nn.GroupNorm(2, 4), nn.RMSNorm(5)
        self.pool, self.drop, self.none, self.act = nn.MaxPool1d(2), nn.Dropout(0.1), nn.Identity(), nn.Mish()

    def forward(self, x: Tensor) -> Tensor:
        x = self.gru(self.lstm(self.words(x))[0])[0]
        x = self.back(self.line(self.norm(x).transpose(1, 2)))
        x = self.root(self.act(self.group(self.batch(x))))
        return self.none(self.drop(self.pool(x)))


def test_every_layer_that_computes_has_a_row_with_its_kind() -> None:
    torch.manual_seed(1)
    rows = rows_of(Kinds(), torch.randint(7, (3, 5)))
    kinds = {name: row.kind for name, row in rows.items()}
    assert kinds == {
        "words": "embedding", "lstm": "lstm", "gru": "gru", "norm": "layernorm", "line": "conv1d",
        "back": "convtranspose1d", "batch": "batchnorm", "group": "groupnorm", "root": "rmsnorm", "pool": "maxpool1d",
        "act": "mish",
    }  # fmt: skip
    assert all(row.mean is not None and row.std is not None for row in rows.values())
    assert {name for name, row in rows.items() if row.grad_norm is None} == {"pool", "act"}
    assert rows["norm"].weight_norm == pytest.approx(math.sqrt(6))
    assert rows["norm"].weight_histogram is None
    assert rows["lstm"].weight_histogram is not None


def test_running_statistics_against_those_of_the_batch() -> None:
    norm = nn.BatchNorm2d(3, momentum=0.3, eps=1e-9)
    x = torch.randn(8, 3, 4, 4) * torch.tensor([0.5, 1.0, 4.0]).view(3, 1, 1) + 2.0
    row = rows_of(norm, x)["batchnorm"]
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    now_mean, now_var = 0.3 * mean, 0.7 + 0.3 * var
    assert row.running_mean_off == pytest.approx(((now_mean - mean).square() / var).mean().sqrt().item(), rel=1e-4)
    assert row.running_std_ratio == pytest.approx((now_var / var).median().sqrt().item(), rel=1e-4)
    assert rows_of(norm.eval(), x)["batchnorm"].running_mean_off is None


@pytest.mark.parametrize("make", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("first", [True, False])
def test_gates_follow_from_the_layer_s_own_states(make: Any, first: bool) -> None:
    torch.manual_seed(2)
    rnn = make(3, 4, num_layers=1, batch_first=first)
    x = 3 * torch.randn(2, 5, 3)
    given = x if first else x.transpose(0, 1)
    with torch.no_grad():
        states = torch.cat([torch.zeros(1, 4), rnn(given)[0][0 if first else slice(None), slice(None) if first else 0]])
        pre = [
            functional.linear(x[0], rnn.weight_ih_l0, rnn.bias_ih_l0),
            functional.linear(states[:-1], rnn.weight_hh_l0, rnn.bias_hh_l0),
        ]
        opened = (pre[0] + pre[1]).sigmoid().unflatten(1, (-1, 4))
    names = {"input": 0, "forget": 1, "output": 3} if make is nn.LSTM else {"reset": 0, "update": 1}
    row = rows_of(rnn, given)[make.__name__.lower()]
    assert row.gates == pytest.approx({name: opened[:, at].mean().item() for name, at in names.items()}, rel=1e-4)
    chosen = opened[:, list(names.values())]
    assert row.stuck_gates == near(((chosen > 0.97) | (chosen < 0.03)).float().mean().item())


def numbers_of(weights: Tensor) -> tuple[float, float]:
    """Entropy, and share of heads that look at one token, of N x heads x queries x keys."""
    first = weights[0]
    entropy = -(first * first.clamp_min(1e-30).log()).sum(-1).mean().item()
    return entropy, (first.amax(-1).mean(-1) > ONE_TOKEN).float().mean().item()


class Around(nn.Module):
    """PyTorch's attention with a mask of either kind."""

    def __init__(self, mask: Tensor | None, padding: Tensor | None) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=True)
        self.inner.in_proj_weight.data *= 6
        self.mask, self.padding = mask, padding

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x, x, x, need_weights=False, attn_mask=self.mask, key_padding_mask=self.padding)[0]


@pytest.mark.parametrize("kind", ["none", "hidden", "added", "padding"])
def test_what_pytorch_s_attention_looks_at(kind: str) -> None:
    torch.manual_seed(3)
    hidden = torch.ones(5, 5, dtype=torch.bool).triu(1)
    mask = {"hidden": hidden, "added": torch.randn(5, 5)}.get(kind)
    padding = torch.tensor([[False, False, False, True, True]] * 2) if kind == "padding" else None
    model, x = Around(mask, padding), torch.randn(2, 5, 8)
    weights = model.inner(x, x, x, attn_mask=mask, key_padding_mask=padding, average_attn_weights=False)[1]
    sample = sample_of(model, x)
    row = next(row for row in sample.layers if row.name == "inner")
    assert (row.kind, row.entropy, row.one_token) == ("attention", *map(near, numbers_of(weights)))
    assert row.output_norm == pytest.approx(model(x).norm(dim=-1).mean().item(), rel=1e-4)
    assert sample.unseen == {"inner.out_proj": "MultiheadAttention uses its weights without calling it"}


class OwnAttention(nn.Module):
    """As timm's and Hugging Face's: a fused product, or softmax by hand."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.qkv, self.proj, self.fused = nn.Linear(8, 24), nn.Linear(8, 8), fused

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(5 * x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        if self.fused:
            out = functional.scaled_dot_product_attention(q, k, v)
        else:
            out = (q @ k.transpose(-2, -1) / 2).softmax(-1) @ v
        return self.proj(out.transpose(1, 2).flatten(2))


def test_an_attention_of_one_s_own_looks_at_the_same_fused_or_not() -> None:
    x = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(5))
    fused, plain = (rows_of(nn.Sequential(OwnAttention(how)), x)["0"] for how in (True, False))
    model = OwnAttention(False)
    q, k, _ = model.qkv(5 * x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
    expected = numbers_of((q @ k.transpose(-2, -1) / 2).softmax(-1))
    for row in (fused, plain):
        assert (row.kind, row.entropy, row.one_token) == ("attention", *map(near, expected))


class Functional(nn.Module):
    """The same net with activations as modules, or as functions and methods."""

    def __init__(self, functions: bool) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.conv, self.fc, self.head = nn.Conv2d(1, 6, 3), nn.Linear(6, 5), nn.Linear(5, 2)
        self.conv.bias = nn.Parameter(torch.tensor([9.0, -9.0, 9.0, -9.0, 9.0, 9.0]))
        self.first: nn.Module = nn.Identity() if functions else nn.ReLU()
        self.second: nn.Module = nn.Identity() if functions else nn.GELU()
        self.functions = functions

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.conv(x))
        x = functional.relu(x) if self.functions else x
        x = self.second(self.fc(x.mean((2, 3))))
        return self.head(functional.gelu(x) if self.functions else x)


def test_activations_that_are_functions_have_the_rows_of_modules() -> None:
    x = torch.rand(3, 1, 6, 6)
    modules, functions = rows_of(Functional(False), x), rows_of(Functional(True), x)
    assert list(functions) == ["conv", "conv/relu", "fc", "fc/gelu", "head"]
    for one, other in (("first", "conv/relu"), ("second", "fc/gelu")):
        assert modules[one] == LayerStats(**{**_fields(functions[other]), "name": one})
    assert functions["conv/relu"].dead == pytest.approx(2 / 6)


def _fields(row: LayerStats) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def test_a_forward_that_fails_leaves_no_mode_behind() -> None:
    model = Functional(True)
    watch = LayerWatch(model, torch.optim.SGD(model.parameters(), 0.1), every=1)
    watch.begin(0)
    with torch.device("cpu"):
        with pytest.raises(RuntimeError):
            model(torch.rand(1, 2, 6, 6))
        assert len(_get_current_function_mode_stack()) == 1  # the device's own
    assert not _get_current_function_mode_stack()
    watch.cancel()


class Unseen(nn.Module):
    """Layers whose output can't be seen, each for another reason."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen, self.spare, self.head = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2)
        self.numbers, self.used = Most(), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.frozen(x)
        self.numbers(x)
        return self.head(functional.linear(x, self.used.weight))


class Most(nn.Module):
    """Place of the largest value: whole numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return x.argmax(1)


def test_what_was_not_seen_says_why() -> None:
    sample = sample_of(Unseen(), torch.randn(2, 3))
    assert sample.unseen == {
        "frozen": "it ran without gradients (no_grad)",
        "spare": "not called in this step",
        "numbers": "its output is int64, no floating-point numbers",
        "used": "its weights are used without calling it",
    }
    assert [row.name for row in sample.layers if row.mean is not None] == ["head"]


def test_a_layer_that_is_called_in_a_loop_has_no_row_for_each_call() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(50):
                x = self.cell(x)
            return x

    sample = sample_of(Loop(), torch.randn(1, 2))
    assert [row.name for row in sample.layers] == ["cell", *(f"cell#{n}" for n in range(2, 9))]
    assert sample.unseen == {"cell": "called 50 times in this step; the first 8 are shown"}
