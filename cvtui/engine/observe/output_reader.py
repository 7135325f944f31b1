"""What a sampled step copies of a layer's output, and its exact sum."""

from __future__ import annotations

import torch
from torch import Tensor

from cvtui.engine.observe.gathered import GATHERED, Places
from cvtui.engine.observe.layer_rows import LayerRows
from cvtui.engine.observe.statistics import channel_sums, is_flat


class OutputReader:
    """Reader of outputs, right when they are there: the next layer may write over them."""

    def __init__(self) -> None:
        self.places = Places()
        self._tokens = False
        """The last layer with weights was a linear one: its channels lie along the last axis."""

    def _look(self, name: str, kind: str, output: Tensor) -> LayerRows:
        count = output.numel()
        last = not output.is_contiguous()
        if count <= GATHERED or output.dtype != torch.float32 or (last and not is_flat(output)):
            return self._look_slowly(name, kind, output)
        flat = output.as_strided((count,), (1,))
        rows = LayerRows(name, kind, flat.index_select(0, self.places.of(count, output.device)))
        rows.size = count
        if kind == "relu":
            rows.channels = flat.view(-1, output.shape[1]).sum(0) if last else self._channels(output)
        else:  # All of them: one NaN shows. (A sum takes half the time of a mean, which is two kernels.)
            rows.total = flat.sum()
        return rows

    def _look_slowly(self, name: str, kind: str, output: Tensor) -> LayerRows:
        """Look at an output that is small, of another type, or has gaps."""
        rows = LayerRows(name, kind, self.places.gather(output))
        if kind == "relu":
            rows.channels = self._channels(output)
        if (count := output.numel()) > GATHERED:
            rows.size = count
            if rows.channels is None or output.dtype != torch.float32:
                rows.total = output.sum(dtype=torch.float32)
        return rows

    def _channels(self, output: Tensor) -> Tensor:
        return channel_sums(output.reshape(-1, output.shape[-1]) if self._tokens and output.dim() > 2 else output)
