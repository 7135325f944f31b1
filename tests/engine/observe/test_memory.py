"""Short memory: refused before anything is allocated, told with the training's own need.

It never ends a run because somebody watched it.
"""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from cvtui.engine.nn.model import Net
from cvtui.engine.observe import output_reader, watch_budget
from cvtui.engine.observe.first_batch import KEPT_BYTES
from cvtui.engine.observe.first_steps import Probe
from cvtui.engine.observe.gathered import GATHERED
from cvtui.engine.observe.layer_sample import LayerSample
from cvtui.engine.observe.layer_watch import LayerWatch
from cvtui.engine.observe.weight_sample import WeightSample
from cvtui.engine.runtime.memory import check_fits, is_out_of_memory, smaller_batch
from cvtui.engine.train import preparation as room_of_training
from cvtui.engine.train.snapshots import Snapshots
from cvtui.errors import RequestError
from cvtui.recipe.free_memory import GIB
from cvtui.recipe.memory_check import memory_need
from cvtui.recipe.validation import check
from cvtui.runlog.events import AnyRecord, LayersSampled, Log, PictureSaved, RunEnded
from tests.engine.making import folder, one_step, recipe, records, train, training

MOST = 256_000_000


def run(code: str, *arguments: str) -> str:
    """Run code in a process of its own; returns what it prints."""
    words = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------------ before anything is allocated


@pytest.mark.parametrize(
    ("optimizer", "ema"), [("sgd", 0.0), ("momentum", 0.0), ("adam", 0.0), ("adamw", 0.9), ("rmsprop", 0.0)]
)
def test_weights_gradients_and_state_are_what_pytorch_holds(optimizer: str, ema: float) -> None:
    t = training(net="conv8-relu-fc", optimizer=optimizer, ema=ema)
    images = t.data.train.part(0, 32)
    t.loss(t.model(t.preprocess(images.pixels)), images.labels).backward()
    t.optimizer.step()
    need = memory_need(t.checked)
    parameters = list(t.model.parameters())
    state = [v for one in t.optimizer.state.values() for v in one.values() if isinstance(v, torch.Tensor) and v.dim()]
    mean = list(t.ema.model.parameters()) if t.ema is not None else []
    assert need.weights == sum(p.nbytes for p in parameters)
    assert need.gradients == sum(p.grad.nbytes for p in parameters if p.grad is not None)
    assert need.optimizer == sum(tensor.nbytes for tensor in (*state, *mean))


def test_the_engine_itself_refuses_it_before_a_single_module_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("it was built")

    monkeypatch.setattr(room_of_training, "Net", never)
    monkeypatch.setattr(room_of_training, "load", never)
    code, _, err = train(folder(tmp_path, net="fc2000000-fc2000000-fc"))
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "don't fit" in err


def test_on_a_gpu_it_is_the_gpus_memory_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers of torch.cuda are set here: what they are compared with is not."""
    checked = check(recipe(net="fc100-fc", optimizer="adam", batch_size=32))
    need = memory_need(checked)
    cuda = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 1000)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda _: 1.0)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 400)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (need.total - 600, 80 * GIB))
    assert check_fits(checked, cuda) == ""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (need.fixed, 80 * GIB))
    assert "it may run out of memory" in check_fits(checked, cuda)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (need.fixed - 601, 80 * GIB))
    with pytest.raises(RequestError, match=r"don't fit.*cuda:0 has .* free"):
        check_fits(checked, cuda)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (need.total, 80 * GIB))
    assert check_fits(checked, cuda) == ""
    share = (need.total - 100) / (80 * GIB)  # where more is free than this process may have
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda _: share)
    assert "it may run out of memory" in check_fits(checked, cuda)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_real_gpu() -> None:
    free, _ = torch.cuda.mem_get_info(0)
    before = torch.cuda.memory_allocated(0)
    side = int((free / 4) ** 0.5) + 1000
    with pytest.raises(RequestError, match="don't fit"):
        check_fits(check(recipe(net=f"fc{side}-fc{side}-fc", device="cuda")), torch.device("cuda", 0))
    assert torch.cuda.memory_allocated(0) == before


def test_the_batch_size_to_try_is_one_that_fits() -> None:
    checked = check(recipe(net="[conv64-relu]*4-fc", batch_size=1024))
    half = memory_need(checked, 512).total
    assert smaller_batch(checked, half) == 512
    assert smaller_batch(checked, half - 1) == 256
    assert smaller_batch(check(recipe(batch_size=1)), GIB) == 0


# ------------------------------------------------------------------ watching


PEAK = """
import sys, torch
from tests.peak import peak_bytes
from cvtui.engine.observe import statistics as s
from cvtui.engine.observe.gathered import Places, describe, saturation
torch.set_num_threads(1)
kind = sys.argv[1]
if kind == "float32":
    x = torch.rand(70_000_000)
elif kind == "bfloat16":
    x = torch.rand(70_000_000, dtype=torch.bfloat16)
else:
    x = torch.rand(28, 2_500_000, 2)[..., 0]
gather = Places().gather
work = [s.moments, s.norm, s.all_finite, lambda t: describe([gather(t)]), lambda t: saturation(gather(t), "tanh")]
for one in work:
    one(torch.rand(1000))
before = peak_bytes()
for one in work:
    one(x)
print(peak_bytes() - before)
"""


@pytest.mark.long
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "view"])
def test_no_statistic_of_70_million_values_takes_more_than_256_mb(kind: str) -> None:
    """The kernel's own peak. In one piece, moments take 280 MB, and of bfloat16 or of a view as much again."""
    assert int(run(PEAK, kind)) < MOST


STEP = """
import sys
from tests.peak import forget_peak, peak_bytes
from cvtui.engine.runtime.fast_start import end, leave_dynamo_out
import torch
import torch.utils.flop_counter  # with triton, 80 MB, which torch._dynamo or a watched step would load
leave_dynamo_out()  # 1.7 s, in which the optimizer loads it
from torch import nn
import cvtui
torch.set_num_threads(1)
side = int(sys.argv[1])
def train(runs):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(side, side, bias=False), nn.ReLU(), nn.Linear(side, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = torch.rand(4, side), torch.tensor([0, 1, 0, 1])
    def step():
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        return loss
    if runs:
        with cvtui.watch(model, optimizer, every=1, runs=runs) as run:
            run.step(loss=step(), labels=y)
    else:
        step()
    print(peak_bytes(), model[0].weight.double().sum().item())
for runs in sys.argv[2:]:
    forget_peak()
    train(runs)
end(0)
"""


TIGHT = """
import os, resource, sys
from pathlib import Path
from cvtui.engine.runtime.fast_start import end, loading
with loading():
    import torch
from torch import nn
import cvtui
from cvtui.engine.observe import watch_budget
watch_budget.SHARE = float("inf")   # every step is sampled
torch.set_num_threads(1)
here = sys.argv[-1] + "/tight"
def size():
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
def train(watch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 4096), nn.ReLU(), nn.Linear(4096, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x, y = torch.rand(2048, 8), torch.arange(2048) % 10
    now = {"step": 0}
    none = resource.RLIM_INFINITY
    def tighten(*_):
        if watch and now["step"] == 1:
            resource.setrlimit(resource.RLIMIT_AS, (size() + (4 << 20), none))
    def lift(*_):
        resource.setrlimit(resource.RLIMIT_AS, (none, none))
    model[0].register_forward_hook(tighten)   # before ours: it is there first
    model[1].register_forward_pre_hook(lift)
    def step():
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        return loss
    if watch:
        with cvtui.watch(model, optimizer, every=1, runs=here) as run:
            for now["step"] in range(3):
                run.step(loss=step(), labels=y)
    else:
        for _ in range(3):
            step()
    return model.state_dict()
one, other = train(False), train(True)
print(all(torch.equal(one[name], other[name]) for name in one))
"""


def test_a_sample_finds_room_where_4_mb_are_left_and_a_large_step_takes_little_more(tmp_path: Path) -> None:
    """By the kernel's own limit, in the middle of the second forward pass, beside an output of 32 MB (a mask: 8).

    Then, in the same process, a step of 2900² weights: 0.5 MB more than a plain one were seen, with a mask 8.7.
    """
    same, *both = run(TIGHT + STEP, "2900", "", str(tmp_path)).splitlines()
    assert same == "True"
    (log,) = tmp_path.glob("tight/*/events.jsonl")
    found = [msgspec.json.Decoder(AnyRecord).decode(line) for line in log.read_bytes().splitlines()]
    assert [record.step for record in found if isinstance(record, LayersSampled)][:2] == [0, 1]
    assert not [record.text for record in found if isinstance(record, Log) and "no memory" in record.text]
    assert isinstance(found[-1], RunEnded)
    assert found[-1].status == "finished"
    check_a_step(both, 2900, 6_000_000, tmp_path)


@pytest.mark.long
def test_a_watched_step_of_very_many_weights_takes_little_more_than_a_plain_one(tmp_path: Path) -> None:
    """67 million weights take 1.24 GB, and 1.02 times that is 25 MB more.

    In processes of their own: after a plain step 8200² take 4 MB more than without.
    """
    lines = [line for way in ("", str(tmp_path)) for line in run(STEP, "8200", way).splitlines()]
    check_a_step(lines, 8200, 32_000_000, tmp_path)


def check_a_step(lines: list[str], side: int, most: int, runs: Path) -> None:
    """Everything that cvtui.watch does is counted: statistics, the doctor's facts, the log."""
    plain, watched = (line.split() for line in lines)
    assert plain[1] == watched[1], "no bit of the weights is another"
    assert int(watched[0]) - int(plain[0]) < most
    log = next(runs.glob("*/events.jsonl")).read_text()
    assert f'"update_sampled":{round(side * side / GATHERED)}' in log
    assert '"update_ratio"' in log


def test_an_error_of_any_other_kind_in_a_statistic_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> torch.Tensor:
        raise RuntimeError("expected scalar type Float but found Half")

    monkeypatch.setattr(output_reader, "channel_sums", broken)
    t = training()
    with pytest.raises(RuntimeError, match="expected scalar type"), one_step(LayerWatch(t.model, t.optimizer, 1), 0):
        t.model(t.preprocess(t.data.train.part(0, 4).pixels))


@pytest.fixture(scope="module")
def plain_weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Weights of a run that nothing looks at."""
    plain = folder(tmp_path_factory.mktemp("plain"), watch_every=0)
    assert train(plain)[0] == 0
    found: dict[str, torch.Tensor] = torch.load(plain.checkpoints / "last.pt", weights_only=True)["model"]
    return found


@pytest.mark.parametrize(
    ("part", "where"),
    [
        (LayerSample, "_look"),
        (WeightSample, "look_at_gradients"),
        (WeightSample, "look_at_update"),
        (LayerSample, "gathered"),
    ],
)
def test_wherever_in_a_sample_memory_runs_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plain_weights: dict[str, torch.Tensor],
    part: type,
    where: str,
) -> None:
    """torch.OutOfMemoryError, as CUDA's allocator raises it, from each part of every sample but the first."""
    original, begin = getattr(part, where), LayerSample.begin
    steps = []

    def begun(self: LayerSample, step: int, *how: Any, **named: Any) -> None:
        steps.append(step)
        begin(self, step, *how, **named)

    def short(self: LayerSample | WeightSample, *arguments: Any) -> Any:
        if steps[-1]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 64.00 GiB.")
        return original(self, *arguments)

    monkeypatch.setattr(LayerSample, "begin", begun)
    monkeypatch.setattr(part, where, short)
    monkeypatch.setattr(watch_budget, "SHARE", math.inf)
    watched = folder(tmp_path, "watched", watch_every=2)
    assert train(watched)[0] == 0
    found = records(watched)
    said = [record.text for record in found if isinstance(record, Log) and "no memory" in record.text]
    assert said[0] == "no memory to look at the layers at step 2: left out; training continues"
    assert len(said) <= 2, "once, and at the tenth"
    assert [record.step for record in found if isinstance(record, LayersSampled)] == [0]
    assert isinstance(found[-1], RunEnded)
    assert found[-1].status == "finished"
    other = torch.load(watched.checkpoints / "last.pt", weights_only=True)["model"]
    assert all(torch.equal(one, other[name]) for name, one in plain_weights.items())


def test_pictures_that_find_no_memory_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(_self: Snapshots) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Snapshots, "_mistakes", short)
    run = folder(tmp_path)
    assert train(run)[0] == 0
    found = records(run)
    said = [record.text for record in found if isinstance(record, Log) and "no memory" in record.text]
    assert said == ["no memory for the pictures: they are left out; training continues"]
    assert any(isinstance(record, PictureSaved) for record in found), "those before are there"


def test_what_running_out_of_memory_looks_like() -> None:
    for error in (
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried …"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ):
        assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(OSError("no space left: out of memory"))


def test_a_watched_step_writes_over_what_a_plain_one_writes_over() -> None:
    """Our hooks ask a ReLU for no copy: the sample is the same, and one layer's output less is held."""
    found = []
    for over in (False, True):
        t = training(net="conv8-relu-conv8-bn-relu-fc16-relu-fc")
        assert isinstance(t.model, Net)
        if over:
            t.model.write_over()
        images = t.data.train.part(0, 64)
        watch = LayerWatch(t.model, t.optimizer, 1)
        seen: list[int] = []
        layers, note = t.model.layers(), seen.append
        with one_step(watch, 0):
            layers["conv1"].register_forward_hook(lambda _m, _i, out, note=note: note(out.data_ptr()))
            layers["conv2"].register_forward_pre_hook(lambda _m, given, note=note: note(given[0].data_ptr()))
            t.loss(t.model(t.preprocess(images.pixels)), images.labels).backward()
            t.optimizer.step()
        assert (seen[0] == seen[1]) is over
        (sample,) = watch.take()
        found.append(sample.layers)
    assert found[0] == found[1]


def test_the_first_step_holds_no_output_that_pytorch_lets_go() -> None:
    class Double(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2  # needs nothing of its input in the backward pass

    model = nn.Sequential(nn.Linear(3, 4), Double(), nn.Linear(4, 2))
    probe = Probe(model, torch.optim.SGD(model.parameters(), lr=0.1))
    seen: list[StorageWeakRef] = []
    gone: list[bool] = []
    model[0].register_forward_hook(lambda _m, _i, out: seen.append(StorageWeakRef(out.untyped_storage())))
    model[2].register_forward_pre_hook(lambda *_: gone.append(seen[0].expired()))
    model(torch.rand(5, 3)).sum().backward()
    assert gone == [True]
    probe.close()


def test_of_a_large_first_batch_only_some_images_are_kept() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 200 * 200, 2), nn.BatchNorm1d(2))
    probe = Probe(model, torch.optim.SGD(model.parameters(), lr=0.1))
    images, labels = torch.rand(160, 3, 200, 200), torch.arange(160) % 2
    loss = nn.functional.cross_entropy(model(images), labels)
    probe.step(loss.detach(), labels)
    assert probe.batch is not None
    kept, told = probe.batch
    assert kept.untyped_storage().nbytes() <= KEPT_BYTES < images.nbytes
    assert torch.equal(kept, images[: len(kept)])
    assert torch.equal(told, labels[: len(kept)])
    assert probe.mode_losses() is not None
    probe.close()
