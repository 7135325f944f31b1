"""What the first steps tell of a loss, in loops of all kinds: its graph, its calls and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import _get_current_function_mode_stack

import cvtui
from cvtui.doctor import examine
from cvtui.engine.observe.loss_calls import LossCall
from cvtui.engine.observe.loss_probe import class_facts
from cvtui.engine.observe.moved_axes import moved_axes
from cvtui.runlog.events import Facts
from cvtui.runlog.history import History

Loss = Callable[[Tensor, Tensor], Tensor]
SIZE, CLASSES = 6, 3


@pytest.fixture(autouse=True)
def _nothing_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the calls be seen, although another test of this process may have compiled a model."""
    monkeypatch.setattr("cvtui.engine.observe.loss_probe.may_compile", lambda: False)


def net(*head: nn.Module, outputs: int = CLASSES) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(SIZE, 16), nn.ReLU(), nn.Linear(16, outputs), *head)


def batch(step: int, classes: int = CLASSES) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(step)
    labels = torch.randint(0, classes, (12,), generator=random)
    return torch.randn(12, SIZE, generator=random) + labels[:, None], labels


def looped(base: Path, model: nn.Module, loss: Loss, count: int = CLASSES, steps: int = 12, detach: bool = False,
           **options: Any) -> tuple[Facts, list[str]]:  # fmt: skip
    """Run README's lines alone; returns the facts and the ids of what was found, notes apart."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with cvtui.watch(model, optimizer, runs=base, name="run", **options) as run:
        for step in range(steps):
            x, y = batch(step, count)
            value = loss(model(x), y)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            run.step(loss=value.detach() if detach else value)
    history = History(run.folder)
    history.poll()
    assert history.facts is not None
    return history.facts, [one.id for one in examine(history) if one.severity != "note"]


def hot(y: Tensor, outputs: int = CLASSES) -> Tensor:
    return F.one_hot(y, outputs).float()


def keras(p: Tensor, y: Tensor) -> Tensor:
    shares = (p / p.sum(1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
    return -(hot(y) * shares.log()).sum(1).mean()


def keras_binary(p: Tensor, y: Tensor) -> Tensor:
    p, t = p.clamp(1e-7, 1 - 1e-7), (hot(y) if p.shape[1] > 1 else y[:, None].float())
    return -(t * p.log() + (1 - t) * (1 - p).log()).mean()


def by_hand(z: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy as written from the lecture: no softmax, no function of PyTorch's losses."""
    return (z.exp().sum(1).log() - z[torch.arange(len(y)), y]).mean()


FAULTY: dict[str, tuple[str, list[nn.Module], int, Loss, int]] = {
    "softmax over one": ("F38", [nn.Softmax(1)], 1, keras_binary, 2),
    "log-softmax over one": ("F38", [], 1, lambda z, y: F.cross_entropy(z, 0 * y), 2),
    "softmax over the batch": ("F48", [nn.Softmax(0)], 3, lambda p, y: F.nll_loss((p + 1e-9).log(), y), 3),
    "sigmoids, probabilities' loss": ("F39", [nn.Sigmoid()], 3, keras, 3),
    "sigmoids, cross_entropy": ("F39", [nn.Sigmoid()], 3, F.cross_entropy, 3),
    "two sigmoids, binary": ("F39", [nn.Sigmoid()], 2, lambda p, y: F.binary_cross_entropy(p, hot(y, 2)), 2),
    "raw scores as probabilities": ("F40", [], 3, keras, 3),
    "a raw score as a probability": ("F40", [], 1, keras_binary, 2),
    "a ReLU's outputs as probabilities": ("F40", [nn.ReLU()], 3, keras, 3),
    "nll_loss of probabilities": ("F40", [nn.Softmax(1)], 3, F.nll_loss, 3),
    "nll_loss of raw scores": ("F40", [], 3, F.nll_loss, 3),
    "logits' loss of a sigmoid": (
        "F40", [nn.Sigmoid()], 1, lambda p, y: F.binary_cross_entropy_with_logits(p[:, 0], y.float()), 2
    ),
    "a ReLU before cross_entropy": ("F40", [nn.ReLU()], 3, F.cross_entropy, 3),
    "softmax before cross_entropy": ("F15", [nn.Softmax(1)], 3, F.cross_entropy, 3),
    "softmax outside, before cross_entropy": ("F15", [], 3, lambda z, y: F.cross_entropy(z.softmax(1), y), 3),
    "one output, numbers": ("F41", [], 1, lambda z, y: F.mse_loss(z[:, 0], y.float()), 3),
    "one sigmoid, numbers": ("F41", [nn.Sigmoid()], 1, keras_binary, 3),
    "dropout last": ("F42", [nn.Dropout(0.5)], 3, F.cross_entropy, 3),
    "Poisson": ("F43", [], 3, lambda z, y: F.poisson_nll_loss(z, hot(y)), 3),
    "log-cosh": ("F43", [], 3, lambda z, y: torch.log(torch.cosh(z - hot(y))).mean(), 3),
    "flipped": ("F17", [], 3, lambda z, y: -F.cross_entropy(z, y), 3),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTY)
def test_a_head_that_does_not_fit_its_loss_is_named_with_readmes_lines_alone(tmp_path: Path, name: str) -> None:
    fault, head, outputs, loss, classes = FAULTY[name]
    told: dict[str, Any] = (
        {"classes": ["a", "b", "c"]} if name == "log-cosh" else {}
    )  # by hand: nothing shows what it is taken of
    for place, detach in enumerate((False, True)):
        model = net(*head, outputs=outputs)
        facts, said = looped(tmp_path / str(place), model, loss, classes, detach=detach, **told)
        assert said[:1] == [fault], (said, facts.loss_kind, facts.loss_given, facts.given_range)


@pytest.mark.parametrize(
    "name", ["softmax over one", "sigmoids, cross_entropy", "nll_loss of probabilities", "flipped"]
)
def test_where_something_was_compiled_no_mode_is_used_and_the_graph_tells(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvtui.engine.observe.loss_probe.may_compile", lambda: True)
    fault, head, outputs, loss, classes = FAULTY[name]
    facts, said = looped(tmp_path, net(*head, outputs=outputs), loss, classes)
    assert said[:1] == [fault]
    assert facts.loss_calls == []


HEALTHY: dict[str, tuple[list[nn.Module], int, Loss, int]] = {
    "cross_entropy": ([], 3, F.cross_entropy, 3),
    "label smoothing": ([], 3, lambda z, y: F.cross_entropy(z, y, label_smoothing=0.1), 3),
    "soft labels": ([], 3, lambda z, y: F.cross_entropy(z, 0.7 * hot(y) + 0.3 * hot(y.flip(0))), 3),
    "cross-entropy by hand": ([], 3, by_hand, 3),
    "log-softmax and nll_loss": ([nn.LogSoftmax(1)], 3, F.nll_loss, 3),
    "log-softmax and cross_entropy": ([nn.LogSoftmax(1)], 3, F.cross_entropy, 3),
    "softmax and nll_loss of its log": ([nn.Softmax(1)], 3, lambda p, y: F.nll_loss(p.log(), y), 3),
    "softmax and Keras's": ([nn.Softmax(1)], 3, keras, 3),
    "log-probabilities by hand": ([], 3, lambda z, y: F.nll_loss(z - z.logsumexp(1, keepdim=True), y), 3),
    "one sigmoid": ([nn.Sigmoid()], 1, lambda p, y: F.binary_cross_entropy(p[:, 0], y.float()), 2),
    "one sigmoid, Keras's": ([nn.Sigmoid()], 1, keras_binary, 2),
    "one logit": ([], 1, lambda z, y: F.binary_cross_entropy_with_logits(z[:, 0], y.float()), 2),
    "several labels an image": (
        [], 3, lambda z, y: F.binary_cross_entropy_with_logits(z, torch.ones_like(z) - hot(y)), 3
    ),
    "sigmoids, several labels an image": (
        [nn.Sigmoid()], 3, lambda p, y: F.binary_cross_entropy(p, torch.ones_like(p) - hot(y)), 3
    ),
    "focal": ([], 3, lambda z, y: ((1 - (-F.cross_entropy(z, y, reduction="none")).exp()) ** 2
                                   * F.cross_entropy(z, y, reduction="none")).mean(), 3),
    "squares of shares": ([nn.Softmax(1)], 3, lambda p, y: F.mse_loss(p, hot(y)), 3),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_a_loss_that_fits_raises_no_alarm(tmp_path: Path, name: str) -> None:
    head, outputs, loss, classes = HEALTHY[name]
    facts, said = looped(tmp_path, net(*head, outputs=outputs), loss, classes)
    assert said == [], (said, facts.loss_kind, facts.loss_given)


@pytest.mark.parametrize("name", ["cross_entropy", "cross-entropy by hand", "softmax and Keras's", "one logit",
                                  "one sigmoid, Keras's", "log-softmax and nll_loss"])  # fmt: skip
def test_labels_are_known_without_being_told(tmp_path: Path, name: str) -> None:
    head, outputs, loss, classes = HEALTHY[name]
    facts, _ = looped(tmp_path, net(*head, outputs=outputs), loss, classes)
    assert facts.batch_classes == [len(set(batch(step, classes)[1].tolist())) for step in range(10)]
    assert facts.label_range == [0, classes - 1]
    called = name in ("cross_entropy", "log-softmax and nll_loss")
    assert facts.labels_from == ("" if called else "gradient")


def test_no_bit_of_the_training_changes_and_nothing_stays_on_pytorchs_stack(tmp_path: Path) -> None:
    def trained(watched: bool) -> Tensor:
        model = net(nn.Dropout(0.3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run = cvtui.watch(model, optimizer, runs=tmp_path, every=0)
        if watched:
            run.__enter__()
        for step in range(12):
            x, y = batch(step)
            with torch.device("cpu"):
                value = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            if watched:
                run.step(loss=value)
                assert _get_current_function_mode_stack() == []
        if watched:
            run.__exit__(None, None, None)
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    assert torch.equal(trained(True), trained(False))


def test_a_mode_of_the_loops_own_that_is_open_across_the_step_is_left_on(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with cvtui.watch(model, optimizer, runs=tmp_path) as run:
        for step in range(12):
            x, y = batch(step)
            outputs = model(x)
            with torch.device("cpu"):
                value = F.cross_entropy(outputs, y)
                value.backward()
                optimizer.step()
                run.step(loss=value)
                assert torch.zeros(1).device.type == "cpu"
    assert _get_current_function_mode_stack() == []


class Listed(nn.Module):
    """Keeps its middle layers in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(SIZE, 8)
        self.blocks = [nn.Linear(8, 8), nn.Linear(8, 8)]
        self.again = [self.first]
        self.last = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        for block in self.blocks:
            x = block(x).relu()
        return self.last(x)


def test_layers_in_a_list_are_named(tmp_path: Path) -> None:
    torch.manual_seed(0)
    facts, said = looped(tmp_path, Listed(), F.cross_entropy)
    assert (facts.unlisted, facts.foreign_leaves) == (["blocks[0]", "blocks[1]"], 4)
    assert said[0] == "F45"


class Taught(nn.Module):
    """Hides a teacher in a list on purpose, so that nothing trains it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(SIZE, 8), nn.Linear(8, CLASSES)
        self.teacher = [nn.Linear(SIZE, CLASSES)]

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x).relu()) + 0.1 * self.teacher[0](x).detach()


def test_a_teacher_hidden_in_a_list_raises_no_alarm(tmp_path: Path) -> None:
    torch.manual_seed(0)
    facts, said = looped(tmp_path, Taught(), F.cross_entropy)
    assert (facts.unlisted, facts.foreign_leaves, said) == (["teacher[0]"], 0, [])


def test_an_optimizer_that_is_never_asked_is_told(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    said = {}
    for name, every in (("never", 10**9), ("accumulated", 8)):
        with cvtui.watch(model, optimizer, runs=tmp_path, name=name) as run:
            for step in range(70):
                x, y = batch(step)
                value = F.cross_entropy(model(x), y)
                value.backward()
                if step % every == every - 1:
                    optimizer.step()
                    optimizer.zero_grad()
                run.step(loss=value)
        history = History(run.folder)
        history.poll()
        said[name] = [one.id for one in examine(history) if one.severity != "note"]
    assert said["never"][0] == "F44"
    assert "F44" not in said["accumulated"]


class Dropped(nn.Module):
    def __init__(self, right: bool) -> None:
        super().__init__()
        self.first, self.last, self.right = nn.Linear(SIZE, 16), nn.Linear(16, CLASSES), right

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.dropout(self.first(x).relu(), 0.5, training=self.training or not self.right))


@pytest.mark.parametrize("right", [True, False])
def test_dropout_that_goes_on_in_evaluation_is_told(tmp_path: Path, right: bool) -> None:
    torch.manual_seed(0)
    model = Dropped(right)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with cvtui.watch(model, optimizer, runs=tmp_path) as run:
        for step in range(8):
            x, y = batch(step)
            value = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            run.step(loss=value)
        before = torch.get_rng_state()
        run.epoch()
        assert torch.equal(before, torch.get_rng_state())
        assert model.training
    history = History(run.folder)
    history.poll()
    assert [one.id for one in examine(history) if one.severity != "note"] == ([] if right else ["F47"])


def test_training_in_evaluation_mode_after_the_first_epoch_is_told(tmp_path: Path) -> None:
    model = net()
    model.insert(1, nn.BatchNorm1d(16))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with cvtui.watch(model, optimizer, runs=tmp_path) as run:
        for epoch in range(2):
            for step in range(12):
                x, y = batch(12 * epoch + step)
                value = F.cross_entropy(model(x), y)
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                run.step(loss=value)
            model.eval()
            with torch.no_grad():
                model(x)
            run.epoch()
    history = History(run.folder)
    history.poll()
    assert history.facts is not None
    assert history.facts.eval_step == 12
    assert [one.id for one in examine(history) if one.severity != "note"] == ["F46"]


def test_joined_and_parted_axes_are_no_permutation() -> None:
    """Heads joined and places parted, as CoaT does, are not axes in another order."""
    heads = torch.zeros(8, 8, 8, 64)
    assert moved_axes(torch.Tensor.reshape, (heads,), heads.reshape(8, 64, 8, 8)) == []
    images = torch.zeros(8, 16, 16, 3)
    assert moved_axes(torch.Tensor.view, (images,), images.view(8, 3, 16, 16)) == [[8, 16, 16, 3], [8, 3, 16, 16]]


def test_tokens_are_no_view_of_planes() -> None:
    """N x C x H x W as N x HW x C, and back; where axes are joined and parted, or moved, nothing is said."""
    planes, tokens = torch.zeros(8, 48, 6, 6), torch.zeros(8, 36, 48)
    assert moved_axes(torch.Tensor.view, (planes,), planes.view(8, 36, 48)) == [[8, 48, 6, 6], [8, 36, 48]]
    assert moved_axes(torch.Tensor.view, (tokens,), tokens.view(8, 48, 6, 6)) == [[8, 36, 48], [8, 48, 6, 6]]
    last, heads = torch.zeros(8, 6, 6, 48), torch.zeros(8, 4, 8, 8)
    assert moved_axes(torch.Tensor.view, (last,), last.view(8, 36, 48)) == []
    assert moved_axes(torch.Tensor.view, (heads,), heads.view(8, 64, 4)) == []
    made = torch.nn.functional.conv2d(torch.zeros(8, 3, 8, 8), torch.zeros(4, 3, 1, 1, requires_grad=True))
    assert moved_axes(torch.Tensor.view, (made,), made.view(8, 64, 4)) == [[8, 4, 8, 8], [8, 64, 4]]
    flat = planes.flatten(2)
    assert moved_axes(torch.Tensor.view, (flat,), flat.view(8, 48, 6, 6)) == []


@pytest.mark.parametrize("kind", [torch.uint8, torch.int64])
def test_labels_as_bytes_are_not_compared_round_the_end(kind: torch.dtype) -> None:
    """300 is 44 as a byte: a class of weight 0 took another one's images."""
    weights = torch.ones(301)
    weights[300] = 0
    call = LossCall("cross_entropy", torch.zeros(3, 301), torch.tensor([44, 44, 7], dtype=kind), weights=weights)
    assert "left_out_images" not in class_facts(call)
    assert class_facts(call._replace(target=torch.tensor([300, 44, 7])))["left_out_images"] == 1
