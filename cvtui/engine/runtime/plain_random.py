"""The generators of Python and NumPy, from which a net of PyTorch code may draw as well."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def seed_global(seed: int) -> None:
    """Seed PyTorch's generator of this process, Python's and NumPy's."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)


def plain_state() -> dict[str, Any]:
    """Return where the generators of Python and NumPy are, as tensors and plain values."""
    version, words, gauss = random.getstate()
    state: Any = np.random.get_state(legacy=False)
    numpy = {"key": torch.from_numpy(state["state"]["key"].astype(np.int64)), "pos": int(state["state"]["pos"])}
    return {
        "python": {"version": version, "words": torch.tensor(words), "gauss": gauss},
        "numpy": {**numpy, "has_gauss": int(state["has_gauss"]), "gauss": float(state["gauss"])},
    }


def set_plain_state(states: Mapping[str, Any]) -> None:
    """Put both where `plain_state` found them; checkpoints of before this hold neither, and change nothing."""
    if python := states.get("python"):
        random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
    if numpy := states.get("numpy"):
        key = numpy["key"].cpu().numpy().astype(np.uint32)
        np.random.set_state(("MT19937", key, numpy["pos"], numpy["has_gauss"], numpy["gauss"]))
