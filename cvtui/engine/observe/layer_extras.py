"""Numbers that only some kinds of layers have: attention, recurrent gates, a batch norm's running statistics.

All are computed on the layer's device from a few values (one image, one sequence) and read with the sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cvtui.engine.observe.statistics import Number, on_cpu

QUERIES = 64
"""Of an attention, of the first image: of more every n-th one is looked at."""
ONE_TOKEN = 0.9
"""A head looks at one token where the largest weight of its queries is above this on average."""
SEQUENCE = 16
"""Steps of the first sequence whose gates are computed once more."""
OPEN = 0.97
MISFITS = (RuntimeError, MemoryError, ValueError, TypeError, IndexError, KeyError, AttributeError)
"""What such a number may raise on a layer that is called in another way than PyTorch's own."""


def attention_numbers(weights: Tensor) -> dict[str, Tensor]:
    """Entropy in nats and share of heads that look at one token; weights: heads x queries x keys."""
    weights = weights.float()
    entropy = torch.special.entr(weights).sum(-1).mean()
    return {"entropy": entropy, "one_token": (weights.amax(-1).mean(-1) > ONE_TOKEN).float().mean()}


def weights_of(query: Tensor, key: Tensor, mask: Tensor | None, causal: bool, scale: float | None) -> Tensor:
    """Return the first image's attention weights, heads x queries x keys, as scaled_dot_product_attention has them.

    query, key: N x heads x tokens x depth. mask: as that function takes it.
    """
    whole = (*query.shape[:-1], key.shape[-2])
    chosen = slice(None, None, max(1, math.ceil(query.shape[-2] / QUERIES)))
    q, k = query[0].float()[:, chosen], key[0].float()
    if len(k) != len(q):  # several query heads share a key head
        k = k.repeat_interleave(len(q) // len(k), 0)
    scores = q @ k.transpose(-2, -1) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if mask is not None:
        mask = torch.broadcast_to(mask, whole)[0][:, chosen]
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    if causal:
        seen = torch.ones(whole[-2:], dtype=torch.bool, device=q.device).tril()[chosen]
        scores = scores.masked_fill(~seen, -math.inf)
    return scores.softmax(-1).nan_to_num_(0.0)


SMALL = 1 << 16
"""Keys of one image that may be kept until the log is flushed: 256 KB."""

Later = Callable[[], Mapping[str, Number]]
"""Numbers of what was copied, worked out when the log is flushed."""


def attention_later(
    query: Tensor, key: Tensor, mask: Tensor | None = None, causal: bool = False, scale: float | None = None
) -> Later:
    """Keep of an attention what its numbers need; arguments as those of `weights_of`."""
    if mask is not None or key[0].numel() > SMALL:
        found = attention_numbers(weights_of(query, key, mask, causal, scale))
        return lambda: found
    q, k = query[:1].clone(), key[:1].clone()
    return lambda: attention_numbers(weights_of(q, k, None, causal, scale))


_ATTENTION = (
    "query", "key", "value", "embed_dim_to_check", "num_heads", "in_proj_weight", "in_proj_bias", "bias_k", "bias_v",
    "add_zero_attn", "dropout_p", "out_proj_weight", "out_proj_bias", "training", "key_padding_mask", "need_weights",
    "attn_mask", "use_separate_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight", "static_k", "static_v",
    "average_attn_weights", "is_causal",
)  # fmt: skip


def multi_head_later(args: Any, kwargs: Any) -> Later | None:
    """Keep what the numbers of a call of F.multi_head_attention_forward need; None where it adds keys."""
    given = dict(zip(_ATTENTION, args, strict=False)) | kwargs
    if given.get("bias_k") is not None or given.get("add_zero_attn") or given.get("static_k") is not None:
        return None
    query, key, heads = given["query"], given["key"], given["num_heads"]
    itself = query is key
    if query.dim() == 3:
        query, key = query[:, 0], key[:, 0]
    size = query.shape[-1]
    if given.get("use_separate_proj_weight"):
        into = given["q_proj_weight"], given["k_proj_weight"]
    else:
        into = given["in_proj_weight"][:size], given["in_proj_weight"][size : 2 * size]
    bias = given["in_proj_bias"]
    if itself and not given.get("use_separate_proj_weight"):
        weight = given["in_proj_weight"][: 2 * size].detach().float()
        shift = None if bias is None else bias[: 2 * size].detach().float()
        q, k = nn.functional.linear(query.detach().float(), weight, shift).chunk(2, -1)
    else:
        q, k = (
            nn.functional.linear(x.detach().float(), w.detach().float(), None if b is None else b.detach().float())
            for x, w, b in zip(
                (query, key), into, (None, None) if bias is None else (bias[:size], bias[size : 2 * size]), strict=True
            )
        )
    mask, padding = given.get("attn_mask"), given.get("key_padding_mask")
    if mask is not None and mask.dim() == 3:
        mask = mask[:heads]
    if mask is not None and mask.dtype == torch.bool:
        mask = ~mask  # here True hides a token, there it shows one
    if padding is not None:
        padding = padding if padding.dim() == 1 else padding[0]
        hidden = torch.zeros_like(padding, dtype=q.dtype)
        hidden = hidden.masked_fill(padding, -math.inf) if padding.dtype == torch.bool else padding
        if mask is not None and mask.dtype == torch.bool:
            mask = torch.zeros_like(mask, dtype=q.dtype).masked_fill(~mask, -math.inf)
        mask = hidden if mask is None else mask + hidden
    q, k = (x.reshape(len(x), heads, -1).transpose(0, 1)[None] for x in (q, k))
    return attention_later(q, k, mask, bool(given.get("is_causal")) and mask is None)


class RunningStatistics:
    """A batch norm's running mean and variance before and after a step: what it added tells the batch's own.

    share: of the batch's in what they are after the step. eps: the norm's.
    """

    def __init__(self, before: Sequence[Tensor], after: Sequence[Tensor], share: Any, eps: float) -> None:
        self._before, self._after, self._share, self._eps = before, after, share, eps

    def numbers(self) -> Mapping[str, Number]:
        """Compare the running statistics with the batch's: how far off the mean is, the ratio of the spreads.

        running_mean_off: root mean square over channels, in the batch's standard deviations. running_std_ratio: the
        median channel's running standard deviation / the batch's.
        """
        if on_cpu(self._before[0]) and isinstance(self._share, float):
            return self._by_numpy()
        (mean_before, var_before), (mean, var), share = self._before, self._after, self._share
        batch_mean = (mean - (1 - share) * mean_before) / share
        batch_var = ((var - (1 - share) * var_before) / share).clamp_min(0.0) + self._eps
        return {
            "running_mean_off": ((mean - batch_mean).square() / batch_var).mean().sqrt(),
            "running_std_ratio": ((var + self._eps) / batch_var).median().sqrt(),
        }

    def _by_numpy(self) -> Mapping[str, Number]:
        """Return the same in a third of the time."""
        (mean_before, var_before), (mean, var) = ([one.numpy() for one in pair] for pair in (self._before, self._after))
        share, eps = self._share, self._eps
        with np.errstate(all="ignore"):
            batch_mean = (mean - (1 - share) * mean_before) / share
            batch_var = np.maximum((var - (1 - share) * var_before) / share, 0.0) + eps
            off = ((mean - batch_mean) ** 2 / batch_var).mean()
            ratios = np.sort((var + eps) / batch_var)  # (as torch.median: the lower one of two; NaN where any is)
            middle = ratios[-1] if np.isnan(ratios[-1]) else ratios[(len(ratios) - 1) // 2]
            return {"running_mean_off": float(np.sqrt(off)), "running_std_ratio": float(np.sqrt(middle))}


def running_copies(module: nn.Module) -> tuple[Tensor, Tensor] | None:
    """Return copies of the running mean and variance; None of a norm that keeps or has none."""
    norm: Any = module
    if not norm.training or not norm.track_running_stats or norm.running_mean is None:
        return None
    return norm.running_mean.detach().clone(), norm.running_var.detach().clone()


def running_statistics(before: tuple[Tensor, Tensor], module: nn.Module) -> RunningStatistics | None:
    """Return them around a forward pass that is over; None where it has added nothing."""
    norm: Any = module
    share = norm.momentum if norm.momentum is not None else 1.0 / norm.num_batches_tracked.clamp(min=1)
    after = running_copies(module)
    if after is None or (isinstance(share, float) and not share):
        return None
    return RunningStatistics(before, after, share, norm.eps)


def gates(module: nn.Module, inputs: Any) -> dict[str, Tensor]:
    """Return how far each gate of an LSTM or GRU is open, 0..1, and the share of their values that are stuck.

    Of its first layer, forward in time, over the first steps of the first sequence; {} where that can't be told.
    """
    rnn: Any = module
    x = inputs[0] if inputs else None
    if not isinstance(x, Tensor) or (isinstance(rnn, nn.LSTM) and rnn.proj_size) or not x.is_floating_point():
        return {}
    if x.dim() == 3:
        x = x[0] if rnn.batch_first else x[:, 0]
    state, cell = _state(rnn, inputs[1] if len(inputs) > 1 else None, x)
    weights = [rnn.weight_ih_l0.detach(), rnn.weight_hh_l0.detach()]
    biases = [rnn.bias_ih_l0.detach(), rnn.bias_hh_l0.detach()] if rnn.bias else [None, None]
    given = x[:SEQUENCE].detach().to(weights[0].dtype)
    parameters = [*weights, *(bias for bias in biases if bias is not None)]
    options = bool(rnn.bias), 1, 0.0, False, False, False
    lstm = isinstance(rnn, nn.LSTM)
    # PyTorch's own recurrence tells the states; the gates of all steps then follow in one go.
    if lstm:
        states = torch.lstm(given[:, None], (state[None, None], cell[None, None]), parameters, *options)[0][:, 0]
    else:
        states = torch.gru(given[:, None], state[None, None], parameters, *options)[0][:, 0]
    before = torch.cat([state[None], states[:-1]])
    names = ("input", "forget", "output") if lstm else ("reset", "update")
    inside = nn.functional.linear(given, weights[0], biases[0]) + nn.functional.linear(before, weights[1], biases[1])
    parts = inside.float().sigmoid().view(len(inside), -1, rnn.hidden_size)
    values = parts[:, [0, 1, 3]] if lstm else parts[:, :2]
    return {
        **{f"gate:{name}": one for name, one in zip(names, values.mean((0, 2)), strict=True)},
        "stuck_gates": ((values > OPEN) | (values < 1 - OPEN)).float().mean(),
    }


def _state(rnn: Any, given: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first layer's hidden state and cell of the first sequence, as given or 0."""
    zeros = x.new_zeros(rnn.hidden_size, dtype=rnn.weight_hh_l0.dtype)
    if given is None:
        return zeros, zeros
    parts = given if isinstance(given, tuple) else (given, None)
    first = [zeros if part is None else (part[0, 0] if part.dim() == 3 else part[0]).detach() for part in parts]
    return first[0], first[-1]
