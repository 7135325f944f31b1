"""Real steps of larger and larger batches until memory runs short: `python -m cvtui.engine --batch`, a recipe on stdin.

The process ends afterwards, and with it whatever running out of memory has left behind.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import torch

from cvtui.engine.nn.freeze import train_mode
from cvtui.engine.runtime.memory import free_on_gpu, is_out_of_memory
from cvtui.engine.train.preparation import prepare
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.step import training_step
from cvtui.errors import RequestError
from cvtui.recipe.auto_batch import BatchFit, most_images, powers_up_to
from cvtui.recipe.toml import loads
from cvtui.recipe.validation import check

SHARE = 0.8
"""Of the free memory that steps may have held at most: the watched layers and fragments come on top."""
STEPS = 3
"""Steps of each size: libraries choose and allocate in the first."""


def largest(sizes: Sequence[int], peak_of: Callable[[int], int], free: int) -> BatchFit:
    """Try sizes in rising order, until one runs out of memory or the next would; return the last that fits.

    peak_of: (size) -> most bytes that its steps have held; an out-of-memory error where they did not fit. The next
    size is not tried where this one's growth says that it won't fit. RequestError where not even the first fits.
    """
    best, before = None, None
    for size in sizes:
        try:
            peak = peak_of(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            break
        if peak > SHARE * free:
            break
        best = BatchFit(size, peak, free)
        growth = 0 if before is None else max(0, peak - before)
        before = peak
        if peak + 2 * growth > free:
            break
    if best is None:
        raise RequestError(f"batch_size: not even a batch of {sizes[0]:,} fits into memory", hint="take a smaller net")
    return best


def peak_of_steps(training: TrainingState, size: int) -> int:
    """Train STEPS steps of this batch size on the device; return the most bytes that it held."""
    recipe = msgspec.structs.replace(training.recipe, batch_size=size)
    training.checked = replace(training.checked, recipe=recipe)
    torch.cuda.reset_peak_memory_stats(training.device)
    images = training.data.train
    for _ in range(STEPS):
        training.update_lr()
        training_step(training, images.batch(torch.arange(recipe.step_images, device=images.labels.device)))
    torch.cuda.synchronize(training.device)
    return torch.cuda.max_memory_reserved(training.device)


def tell_batch() -> int:
    """Print the batch size that fits, as a JSON line; return the exit code."""
    try:
        checked = check(loads(sys.stdin.buffer.read().decode()))
        sizes = powers_up_to(most_images(checked.recipe, checked.data))
        start = sizes[min(1, len(sizes) - 1)]  # a batch norm may need two
        first = msgspec.structs.replace(checked.recipe, batch_size=start)
        training = prepare(check(first))
        train_mode(training.model)
        held = torch.cuda.memory_reserved(training.device)
        free = free_on_gpu(training.device) + held
        fit = largest([size for size in sizes if size >= start], lambda size: peak_of_steps(training, size), free)
    except RequestError as error:
        print(f"cvtui: {error.message}", file=sys.stderr)
        return 2
    print(json.dumps({"batch": fit.size, "need": fit.need, "free": fit.free}), flush=True)
    return 0
