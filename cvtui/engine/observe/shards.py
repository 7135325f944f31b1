"""What this rank holds of a model that `fully_shard` (FSDP2) has cut over the ranks: parameters that are DTensors.

An operation on a whole DTensor may need all ranks, and what looks at a model runs on rank 0 alone: it reads its shard.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

_PLAIN = (Tensor, nn.Parameter)


def is_shard(tensor: Any) -> bool:
    """Return True for a DTensor."""
    return type(tensor) not in _PLAIN and hasattr(tensor, "placements") and hasattr(tensor, "to_local")


def is_sharded(model: nn.Module) -> bool:
    """Return True for a model of whose parameters this process holds shards, between two steps."""
    return any(map(is_shard, model.parameters())) or any(map(_is_fsdp2, model.modules()))


def own_shard(tensor: Tensor) -> Tensor:
    """Return this rank's shard of a DTensor, without its graph; any other tensor as it is. Nothing is sent."""
    if not is_shard(tensor):
        return tensor
    local: Tensor = tensor._local_tensor  # type: ignore[attr-defined]  # (to_local adds a node where gradients are on)
    return local.detach()


def is_gathered(model: nn.Module) -> bool:
    """Return True for a sharded model whose own parameters a forward pass has left gathered: no optimizer has those."""
    return any(map(_is_fsdp2, model.modules())) and not all(map(is_shard, model.parameters()))


def class_name(module: nn.Module) -> str:
    """Name a module's class, of a DataParallel its net's; fully_shard has put `FSDP` before the name of its own."""
    name = type(module.module if isinstance(module, nn.DataParallel) else module).__name__
    return name.removeprefix("FSDP") if _is_fsdp2(module) else name


def _is_fsdp2(module: nn.Module) -> bool:
    return type(module).__name__.startswith("FSDP") and any(
        base.__name__ == "FSDPModule" for base in type(module).__mro__
    )
