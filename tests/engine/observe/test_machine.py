"""What a run tells of its machine, and how long its steps wait for data."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from cvtui.engine.observe.clock import Clock
from cvtui.engine.observe.data_waits import BatchWaits, LoaderWaits
from cvtui.engine.observe.machine import GpuMeter, MachineMeter, _nvml_handle
from cvtui.runlog.machine import Gpu

pytestmark = pytest.mark.torch


class Watch:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now, self.step_count, self.clock = 0.0, 0, Clock()

    def __call__(self) -> float:
        return self.now

    @property
    def step(self) -> int:
        return self.step_count

    @step.setter
    def step(self, step: int) -> None:
        self.step_count = step


def test_the_wait_for_batches_is_what_their_iterator_took() -> None:
    watch = Watch()

    def batches() -> Iterator[int]:
        for batch in range(4):
            watch.now += 3
            yield batch

    waits = BatchWaits(watch)
    assert waits.take() is None
    seen = []
    for batch in waits.over(batches()):
        watch.now += 5  # the step
        seen.append(batch)
    assert seen == [0, 1, 2, 3]
    assert waits.take() == pytest.approx(3 / 8)
    assert waits.take() is None


class Slow(torch.utils.data.Dataset[torch.Tensor]):
    """Four images, each of which takes a while."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def __len__(self) -> int:
        return 4

    def __getitem__(self, place: int) -> torch.Tensor:
        if place == 4:
            raise IndexError
        self.watch.now += 2
        return torch.ones(2)


class Inner(torch.utils.data.Dataset[torch.Tensor]):
    """Its images come out of another loader."""

    def __init__(self, loader: torch.utils.data.DataLoader[torch.Tensor]) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return 4

    def __getitem__(self, place: int) -> torch.Tensor:
        return next(iter(self.loader))[0]


def test_a_custom_loop_waits_for_its_loader_alone_and_leaves_no_trace() -> None:
    """A sleep behind the step, a validation and another thread's batches are no waits of its steps."""
    iterator = torch.utils.data.dataloader._BaseDataLoaderIter
    made, watch = vars(iterator)["__next__"], Watch()
    waits, also = LoaderWaits(watch, watch), LoaderWaits(watch, watch)
    loader = torch.utils.data.DataLoader(Slow(watch), batch_size=1)
    for _ in range(2):
        for _batch in loader:  # four steps of 8 s, 2 of them a wait; of the last one its end is not seen
            watch.now += 3
            watch.step += 1
            watch.now += 3
        with torch.no_grad():
            list(loader)
        watch.now += 100
    other = threading.Thread(target=lambda: list(loader))
    other.start()
    other.join()
    assert waits.take() == also.take() == pytest.approx(2 / 8)
    assert waits.take() is None
    for number, _batch in enumerate(loader):  # two batches a step
        watch.now += 4
        watch.step += number % 2
        if number == 2:
            waits.leave_out()
    assert waits.take() == pytest.approx(4 / 12)
    for number, _batch in enumerate(loader):  # a pause in the second step, which is left out
        watch.now += 2 if number != 1 else 100
        watch.clock.exclude(98.0 if number == 1 else 0.0)
        watch.step += 1
    assert waits.take() == pytest.approx(2 / 4)
    for _batch in torch.utils.data.DataLoader(Inner(loader), batch_size=1):  # 2 s a batch, told once
        watch.now += 6
        watch.step += 1
    assert waits.take() == pytest.approx(2 / 8)
    waits.close()
    list(loader)
    assert waits.take() is None, "it is over"
    also.close()
    also.close()
    assert vars(iterator)["__next__"] is made


def test_a_record_comes_every_few_seconds_and_agrees_with_psutil(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch()
    meter = MachineMeter(tmp_path, torch.device("cpu"), lambda: watch.step, watch, SimpleNamespace(take=lambda: 0.25))
    assert meter.take() is None
    watch.step, watch.now = 40, 2.0
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 5)
    record = meter.take()
    monkeypatch.undo()
    assert record is not None
    assert (record.step, record.waited, record.step_seconds, record.gpus) == (40, 0.25, 0.05, [])
    assert record.memory == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)
    assert record.disk_free == pytest.approx(psutil.disk_usage(str(tmp_path)).free, rel=0.1)
    assert 0 < record.memory_free <= psutil.virtual_memory().total  # type: ignore[operator]
    assert record.cpu is None or 0 <= record.cpu <= 1
    assert meter.take() is None


class NVMLError(Exception):
    """NVML's, by its document."""


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ("", "pip install 'cvtui[gpu]'"),
        ("GPU-4f1c", ""),
        ("MIG-4f1c", "NVML: Not Supported"),
        ("GPU-0000", "NVML: Not Found"),
        ("no driver", "NVML: Driver Not Loaded"),
    ],
)
def test_a_gpu_is_asked_by_its_uuid_and_its_use_may_be_missing(
    monkeypatch: pytest.MonkeyPatch, known: str, said: str
) -> None:
    """No GPU is here: CUDA's answers and NVML's are stand-ins by their documents; this has never run on a GPU."""

    def start() -> None:
        if known == "no driver":
            raise NVMLError("Driver Not Loaded")

    def handle_of(uuid: str) -> str:
        if uuid != known:
            raise NVMLError("Not Found")
        return uuid

    def use_of(handle: str) -> SimpleNamespace:
        if handle.startswith("MIG-"):
            raise NVMLError("Not Supported")
        return SimpleNamespace(gpu=57, memory=12)

    nvml = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=start,
        nvmlDeviceGetHandleByUUID=handle_of,
        nvmlDeviceGetUtilizationRates=use_of,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml if known else None)
    facts = SimpleNamespace(name="NVIDIA X", uuid="4f1c")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: facts)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (30, 100))
    meter = GpuMeter(torch.device("cuda", 0))
    gpu = meter.read()
    assert (gpu.name, gpu.memory, gpu.memory_total) == ("NVIDIA X", 70, 100)
    assert (gpu.use, gpu.why) == (None if said else 0.57, said)

    def gone_for_nvml(_: object) -> None:
        raise NVMLError("GPU is lost")

    def gone_for_cuda(_: object) -> None:
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(nvml, "nvmlDeviceGetUtilizationRates", gone_for_nvml)
    gone = meter.read()
    assert (gone.use, gone.why) == (None, said if not known.startswith(("GPU-4", "MIG-4")) else "NVML: GPU is lost")
    monkeypatch.setattr(torch.cuda, "mem_get_info", gone_for_cuda)
    assert meter.read() == Gpu(name="NVIDIA X")


def test_nvml_without_a_driver_says_so() -> None:
    pynvml = pytest.importorskip("pynvml", reason="needs the extra gpu")
    said = ""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        said = str(error)
    assert _nvml_handle("4f1c") == (None, None, f"NVML: {said or 'Not Found'}")
