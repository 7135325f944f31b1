"""Device, number of CPU threads, precision and determinism of a run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from cvtui.engine.runtime.job_rank import local_rank, ranks_here
from cvtui.errors import RequestError
from cvtui.runlog.worker_process import usable_cores, worker_threads


def pick_device(text: str) -> torch.device:
    """Return the device: `auto` is CUDA, else MPS, else the CPU; of several ranks on GPUs each has its own.

    RequestError when what is asked for is not there.
    """
    if text == "auto":
        if torch.cuda.is_available():
            return _own_gpu(0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(text)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            why = "this PyTorch is built without CUDA" if torch.version.cuda is None else "no usable NVIDIA GPU"
            raise RequestError(f"device: {text!r} is not available ({why}); use 'cpu' or 'auto'")
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise RequestError(f"device: {text!r} is not available; this machine has cuda:0 to cuda:{count - 1}")
        return _own_gpu(device.index or 0)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise RequestError("device: 'mps' is not available (it needs a Mac with Apple silicon); use 'cpu' or 'auto'")
    return device


def _own_gpu(first: int) -> torch.device:
    """Return the GPU of this process: of several on one machine each takes the next. RequestError."""
    ranks, count = ranks_here(), torch.cuda.device_count()
    if first + ranks > count:
        raise RequestError(
            f"nproc: {ranks} processes from cuda:{first} on need a GPU each; this machine has {count}; use fewer, or "
            "--device cpu"
        )
    return torch.device("cuda", first + local_rank())


MACS_A_THREAD = 30_000_000
"""Multiply-adds of a step's forward pass for which one more thread is worth its while. Where other programs take cores
too, a step of 29 million took 5.2, 4.1 and 5.2 ms on 1, 2 and 3 threads, one of 105 million 14, 13 and 10 ms; and
threads that wait for a taken core can slow a small net a hundredfold (DESIGN, section 7)."""


def set_threads(asked: int, macs: int) -> int:
    """Set PyTorch's CPU threads to what the recipe asks, or for 0 to a guess; return the number.

    The guess, by the multiply-adds of a step, is where the thread tuner begins (thread_tuner.py): at least 1, at most
    all cores but one; of several ranks a share of the cores each.
    """
    most = worker_threads(0) if ranks_here() == 1 else max(1, usable_cores() // ranks_here())
    threads = asked or min(most, -(-macs // MACS_A_THREAD) or 1)
    torch.set_num_threads(threads)
    return threads


HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Context of forward pass and loss: autocast for bfloat16 and float16, nothing for float32."""
    if precision in HALVES:
        return torch.autocast(device.type, dtype=HALVES[precision])
    return nullcontext()


def make_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler | None:
    """Make what scales the loss of float16; None for other precisions. RequestError where PyTorch has none."""
    if precision != "float16":
        return None
    if device.type == "mps":
        raise RequestError("precision: float16 is for CUDA (and the CPU, slowly); on mps use float32")
    return torch.amp.GradScaler(device.type)


def repeat(device: torch.device, deterministic: str) -> None:
    """Choose cuDNN's deterministic algorithms alone (`on`), or whichever is quickest (`off`); CUDA only."""
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = deterministic == "on"
        torch.backends.cudnn.benchmark = False  # it chooses by times that it measures: another choice every run


TENSOR_FLOAT = (8, 0)
"""Ampere: the first compute capability that multiplies in TF32."""


def arithmetic(device: torch.device, precision: str, deterministic: str) -> dict[str, str]:
    """Name the number formats of `convolutions` and `linear` (float32, tf32 or a half), for the record `run`.

    On CUDA also whether cuDNN is `deterministic`.
    """
    if device.type != "cuda":
        return {"convolutions": precision, "linear": precision}
    able = torch.cuda.get_device_capability(device) >= TENSOR_FLOAT
    formats = {
        "convolutions": "tf32" if able and torch.backends.cudnn.allow_tf32 else "float32",
        "linear": "tf32" if able and torch.backends.cuda.matmul.allow_tf32 else "float32",
    }
    if precision in HALVES:
        formats = dict.fromkeys(formats, precision)
    return {**formats, "deterministic": deterministic}


def describe(device: torch.device) -> str:
    """Device name: `cpu`, or with the GPU's name `cuda:0 (NVIDIA H100)`."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)
