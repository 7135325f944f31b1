"""What a CUDA graph can hold, one question a process: `python -m tests.benchmarks.device_probes NAME`.

Each prints one line that begins with `probe NAME:` and says what was found; `device_check.py` runs them all.
"""

from __future__ import annotations

import copy
import sys
import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

PROBES: dict[str, Callable[[], str]] = {}
DEVICE = torch.device("cuda", 0)


def probe(function: Callable[[], str]) -> Callable[[], str]:
    PROBES[function.__name__] = function
    return function


def captured(body: Callable[[], Any], stream: torch.cuda.Stream | None = None) -> torch.cuda.CUDAGraph:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        body()
    return graph


def small_net(dropout: float = 0.0, norm: bool = True) -> nn.Module:
    torch.manual_seed(1)
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1)]
    layers += [nn.BatchNorm2d(16)] if norm else []
    layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Dropout(dropout), nn.Flatten(), nn.Linear(16 * 64, 10)]
    return nn.Sequential(*layers).to(DEVICE, memory_format=torch.channels_last)  # type: ignore[call-overload]


def same(first: Any, second: Any) -> str:
    pairs = list(zip(first, second, strict=True))
    equal = all(torch.equal(a, b) for a, b in pairs)
    worst = max((a.float() - b.float()).abs().max().item() for a, b in pairs)
    return "bits equal" if equal else f"DIFFERENT, by up to {worst:.3g}"


def batches(count: int, size: int = 32) -> list[tuple[Tensor, Tensor]]:
    made = torch.Generator().manual_seed(3)
    return [
        (
            torch.randn(size, 3, 16, 16, generator=made).to(DEVICE, memory_format=torch.channels_last),
            torch.randint(0, 10, (size,), generator=made).to(DEVICE),
        )
        for _ in range(count)
    ]


def against_eager(
    model: nn.Module,
    make: Callable[[nn.Module], torch.optim.Optimizer],
    *,
    steps: int = 12,
    smoothing: float = 0.0,
    found_inf: bool = False,
    autocast: bool = False,
) -> str:
    """Train two copies, one by replays with a rate that changes; compare weights and states."""

    def loss_of(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=autocast):
            return functional.cross_entropy(net(x), y, label_smoothing=smoothing)

    results = []
    for graphed in (False, True):
        torch.manual_seed(5)
        net = copy.deepcopy(model)
        optimizer = make(net)
        flag = torch.zeros((), device=DEVICE) if found_inf else None
        if flag is not None:
            optimizer.found_inf = flag  # type: ignore[attr-defined]
        loss = trained(net, optimizer, loss_of, batches(steps), flag, graphed=graphed)
        random = torch.cuda.get_rng_state()
        state = [value for p in net.parameters() for value in optimizer.state[p].values() if value is not None]
        results.append([*net.state_dict().values(), *[s for s in state if isinstance(s, Tensor)], loss, random])
    return same(*([t.cpu() for t in result] for result in results))


def trained(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[nn.Module, Tensor, Tensor], Tensor],
    data: list[tuple[Tensor, Tensor]],
    flag: Tensor | None,
    *,
    graphed: bool,
) -> Tensor:
    """Train on all batches, from the fourth on by replays of one step; return the last loss."""
    rates = [float(torch.tensor(0.01 * (1 + number)).item()) for number in range(len(data))]
    x, y = data[0][0].clone(), data[0][1].clone()
    rate = torch.zeros((), device=DEVICE)
    stream = torch.cuda.Stream()
    losses: list[Tensor] = []

    def step(x: Tensor, y: Tensor) -> None:
        for p in net.parameters():
            p.grad = None
        loss = loss_of(net, x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.detach())

    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        graph = None
        for number, (pixels, labels) in enumerate(data):
            if flag is not None:
                flag.fill_(1.0 if number == 6 else 0.0)
            for group in optimizer.param_groups:
                group["lr"] = rates[number]
            if not graphed or number < 3:
                step(pixels, labels)
                continue
            x.copy_(pixels)
            y.copy_(labels)
            rate.fill_(rates[number])
            if graph is None:
                for group in optimizer.param_groups:
                    group["lr"] = rate
                losses.clear()
                graph = captured(lambda: step(x, y), stream)
            graph.replay()
    torch.cuda.synchronize()
    return losses[-1]


def ours(name: str, **options: Any) -> Callable[[nn.Module], torch.optim.Optimizer]:
    from cvtui.engine.optim import fused_adam, fused_sgd

    kind: Any = {"adam": fused_adam.Adam, "adamw": fused_adam.AdamW, "sgd": fused_sgd.SGD}[name]
    return lambda net: kind(net.parameters(), lr=0.01, fused=True, **options)


@probe
def versions() -> str:
    return f"torch {torch.__version__}, {torch.cuda.get_device_name()}, cudnn {torch.backends.cudnn.version()}"


@probe
def sgd_tensor_lr() -> str:
    return against_eager(small_net(), ours("sgd"))


@probe
def sgd_found_inf() -> str:
    return against_eager(small_net(), ours("sgd"), found_inf=True)


@probe
def momentum_tensor_lr_found_inf() -> str:
    from cvtui.engine.optim.factory import _from_rest

    make = ours("sgd", momentum=0.9, weight_decay=0.01)
    return against_eager(small_net(), lambda net: _from_rest(make(net)), found_inf=True)  # type: ignore[arg-type]


@probe
def adam_tensor_lr() -> str:
    return against_eager(small_net(), ours("adam"))


@probe
def adamw_tensor_lr_found_inf() -> str:
    return against_eager(small_net(), ours("adamw", weight_decay=0.1), found_inf=True)


@probe
def torch_fused_adamw_capturable() -> str:
    def make(net: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(net.parameters(), lr=torch.tensor(0.01, device=DEVICE), fused=True, capturable=True)

    return against_eager(small_net(), make)


@probe
def rmsprop_capturable_against_itself() -> str:
    def make(net: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(net.parameters(), lr=0.01, capturable=True)

    return against_eager(small_net(), make)


@probe
def adagrad_fused_here() -> str:
    net = small_net()
    optimizer = torch.optim.Adagrad(net.parameters(), lr=0.01, fused=True)
    functional.cross_entropy(net(batches(1)[0][0]), batches(1)[0][1]).backward()
    optimizer.step()
    return "fused Adagrad steps on CUDA"


@probe
def dropout() -> str:
    return against_eager(small_net(0.5), ours("adamw"))


@probe
def label_smoothing() -> str:
    return against_eager(small_net(), ours("sgd"), smoothing=0.1)


@probe
def bfloat16() -> str:
    return against_eager(small_net(0.25), ours("adamw"), autocast=True)


@probe
def cudnn_deterministic() -> str:
    torch.backends.cudnn.deterministic = True
    return against_eager(small_net(0.25), ours("adamw"))


@probe
def cudnn_benchmark() -> str:
    torch.backends.cudnn.benchmark = True
    return against_eager(small_net(), ours("adamw"))


@probe
def rate_float_against_tensor() -> str:
    """Compare the fused kernels given a Python float, one rounded to float32, and a tensor."""
    found = []
    for rate in (0.003, float(torch.tensor(0.003)), torch.tensor(0.003, device=DEVICE)):
        torch.manual_seed(0)
        p, g = torch.randn(10_000, device=DEVICE), torch.randn(10_000, device=DEVICE)
        m, v, s = torch.zeros_like(p), torch.zeros_like(p), torch.ones((), device=DEVICE)
        fused: Any = torch._fused_adamw_
        fused([p], [g], [m], [v], [], [s], amsgrad=False, lr=rate, beta1=0.9, beta2=0.999, weight_decay=0.1,
              eps=1e-8, maximize=False, grad_scale=None, found_inf=None)  # fmt: skip
        q, h = torch.randn(10_000, device=DEVICE), torch.randn(10_000, device=DEVICE)
        plain: Any = torch._fused_sgd_
        plain([q], [h], [], weight_decay=0.1, momentum=0.0, lr=rate, dampening=0.0, nesterov=False, maximize=False,
              is_first_step=False, grad_scale=None, found_inf=None)  # fmt: skip
        found.append((p.cpu(), q.cpu()))
    return f"float64 to tensor: {same(found[0], found[2])}; float32 to tensor: {same(found[1], found[2])}"


@probe
def ema_scalar_against_tensor_weight() -> str:
    torch.manual_seed(0)
    a = [torch.randn(1000, device=DEVICE), torch.randn(77, device=DEVICE)]
    b = [torch.randn_like(t) for t in a]
    first = [t.clone() for t in a]
    weight = 0.1
    torch._foreach_lerp_(first, b, weight)
    second = [t.clone() for t in a]
    tensor = torch.tensor(weight, device=DEVICE)
    for mean, now in zip(second, b, strict=True):
        mean.lerp_(now, tensor)
    return same(first, second)


@probe
def gather_and_index_copy() -> str:
    pixels = torch.randint(0, 255, (1000, 8, 8, 3), dtype=torch.uint8, device=DEVICE)
    index = torch.zeros(32, dtype=torch.int64, device=DEVICE)
    rows, row = torch.zeros(10, device=DEVICE), torch.zeros(1, dtype=torch.int64, device=DEVICE)

    def body() -> None:
        total = pixels.index_select(0, index).float().sum()
        rows.index_copy_(0, row, total[None])
        row.add_(1).remainder_(10)

    graph = captured(body)
    expected = torch.zeros(10)
    for number in range(13):
        numbers = torch.randint(0, 1000, (32,))
        index.copy_(numbers.to(DEVICE))
        graph.replay()
        expected[number % 10] = pixels.cpu()[numbers].float().sum()
    return same([rows.cpu()], [expected])


@probe
def index_of_a_0_dim_tensor() -> str:
    losses, number = torch.zeros(10, device=DEVICE), torch.zeros((), dtype=torch.int64, device=DEVICE)

    def body() -> None:
        losses[number] = 1.0

    captured(body)
    return "captured"


@probe
def generator_after_a_failed_capture() -> str:
    torch.manual_seed(4)
    expected = torch.rand(8, device=DEVICE)
    generator = torch.cuda.default_generators[0]
    torch.manual_seed(4)
    kept = generator.clone_state()
    x = torch.ones(4, device=DEVICE)
    try:
        captured(lambda: (torch.rand(3, device=DEVICE), x.sum().item()))
    except RuntimeError as error:
        first = str(error).splitlines()[0][:70]
    else:
        return "a read was captured"
    try:
        torch.rand(8, device=DEVICE)
        spoiled = "usable even so"
    except RuntimeError as error:
        spoiled = f"unusable ({str(error).splitlines()[0][:60]})"
    generator.graphsafe_set_state(kept)
    try:
        back = same([torch.rand(8, device=DEVICE)], [expected])
    except RuntimeError as error:
        return f"{first}; then {spoiled}; put back: STILL {str(error).splitlines()[0][:80]}"
    model = against_eager(small_net(0.5), ours("adamw"))
    return f"{first}; then {spoiled}; put back: {back}; another capture then: {model}"


@probe
def copy_from_the_host_within() -> str:
    target = torch.zeros(64, device=DEVICE)
    source = torch.ones(64)
    graph = captured(lambda: target.add_(source.to(DEVICE, non_blocking=True)))
    source.fill_(2)
    graph.replay()
    torch.cuda.synchronize()
    return f"captured; a later value is {'read' if target[0].item() == 2 else 'NOT read'}"


@probe
def two_graphs_of_one_pool() -> str:
    net = small_net()
    optimizer = ours("adamw")(net)
    stream = torch.cuda.Stream()
    outs: dict[int, Tensor] = {}
    graphs, inputs = {}, {size: batches(1, size)[0] for size in (32, 20)}

    def step(size: int) -> None:
        for p in net.parameters():
            p.grad = None
        x, y = inputs[size]
        loss = functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        outs[size] = loss.detach()

    twin = copy.deepcopy(net)
    twin_optimizer = ours("adamw")(twin)
    order = [32, 20, 32, 32, 20, 20, 32]
    with torch.cuda.stream(stream):
        for _ in range(3):
            step(32)
        pool = None
        for size in (32, 20):
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=pool, stream=stream):
                step(size)
            pool, graphs[size] = graph.pool(), graph
        for size in order:
            graphs[size].replay()
        net_after = [t.cpu() for t in net.state_dict().values()]
        for size in [32, 32, 32, *order]:
            for p in twin.parameters():
                p.grad = None
            functional.cross_entropy(twin(inputs[size][0]), inputs[size][1]).backward()
            twin_optimizer.step()
    torch.cuda.synchronize()
    return same(net_after, [t.cpu() for t in twin.state_dict().values()])


@probe
def sync_debug_error_in_a_replay() -> str:
    x, y = torch.ones(64, device=DEVICE), torch.zeros((), device=DEVICE)
    graph = captured(lambda: y.copy_(x.sum()))
    index, order = torch.zeros(8, dtype=torch.int64, device=DEVICE), torch.arange(64, device=DEVICE)
    rate = torch.zeros((), device=DEVICE)
    torch.cuda.set_sync_debug_mode("error")
    index.copy_(order[8:16])
    rate.fill_(0.3)
    graph.replay()
    torch.rand(5, generator=torch.Generator()).to(DEVICE, non_blocking=True)
    torch.cuda.set_sync_debug_mode("default")
    return "no synchronisation"


@probe
def foreach_norm_and_guard() -> str:
    gradients = [torch.randn(100, device=DEVICE), torch.randn(7, 9, device=DEVICE)]
    flag, one, norm = torch.zeros((), device=DEVICE), torch.ones((), device=DEVICE), torch.zeros((), device=DEVICE)

    def body() -> None:
        norms = torch._foreach_norm(gradients)
        norm.copy_(torch.linalg.vector_norm(torch.stack(norms).float()))
        flag.zero_()
        check: Any = torch._amp_foreach_non_finite_check_and_unscale_
        check([torch.stack([norm])], flag, one)

    graph = captured(body)
    said = []
    for value in (1.0, float("inf"), 2.0):
        gradients[0][3] = value
        graph.replay()
        said.append(flag.item())
    return f"flags {said} (expected [0, 1, 0])"


@probe
def launch_times() -> str:
    """Microseconds of the host: a kernel, a fill, a copy of an index, a replay of 100 kernels, a Python view."""
    import time

    x, index, order = (torch.zeros(64, device=DEVICE, dtype=torch.int64) for _ in range(3))
    y = torch.zeros(64, device=DEVICE)

    def many() -> None:
        for _ in range(100):
            y.add_(1)

    graph = captured(many)
    found = []
    actions: list[Callable[[], object]] = [
        lambda: x.add_(1), lambda: y.fill_(0.3), lambda: index.copy_(order), graph.replay, lambda: y[3:5],
    ]  # fmt: skip
    for action in actions:
        for _ in range(50):
            action()
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for _ in range(300):
            action()
        host = time.perf_counter() - begun
        torch.cuda.synchronize()
        found.append(f"{host / 300 * 1e6:.1f} ({(time.perf_counter() - begun) / 300 * 1e6:.1f} with the device)")
    words = ("add", "fill", "copy of an index", "replay of 100", "view")
    return ", ".join(f"{word} {times}" for word, times in zip(words, found, strict=True))


def main() -> None:
    name = sys.argv[1]
    if name == "--list":
        print("\n".join(PROBES))
        return
    try:
        print(f"probe {name}: {PROBES[name]()}", flush=True)
    except Exception as error:
        print(f"probe {name}: ERROR {type(error).__name__}: {' '.join(str(error).split())[:300]}", flush=True)
        traceback.print_exc()


if __name__ == "__main__":
    main()
