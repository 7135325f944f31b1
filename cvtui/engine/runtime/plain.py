"""One switch for bug reports: `CVTUI_PLAIN=1` trains without what leans on private behaviour of one PyTorch version.

Off are then the stand-in for `torch._dynamo` (fast_start.py: a start takes 1.7 s longer), the lean import of PyTorch
(lean_torch.py: 0.5 s) and the fused optimizers' own `step` (optim/fused_base.py: PyTorch's classes train instead).
Every loss stays the same. Frozen layers are computed in every step then, too (train/feature_cache.py keeps what they
give), which may change a last bit.
"""

from __future__ import annotations

import os


def plain() -> bool:
    """Return True if CVTUI_PLAIN=1 is set."""
    return os.environ.get("CVTUI_PLAIN") == "1"
