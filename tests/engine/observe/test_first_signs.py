"""Signs of the first steps, each beside what looks like it: by hand, on tensors of a few numbers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD, Adam

from cvtui.engine.observe.bounded_scores import bounded_scores
from cvtui.engine.observe.fingerprints import beside_each_other, changed
from cvtui.engine.observe.first_norm import FirstNorm
from cvtui.engine.observe.first_signs import STEPS, FirstSigns, plain_tensors, repeated_layers
from cvtui.engine.observe.loss_calls import LossCalls
from cvtui.engine.observe.model_facts import LeftOut
from cvtui.engine.observe.output_sizes import OutputSizes

NONE = torch.empty(0)


def steps(model: nn.Module, optimizer: torch.optim.Optimizer, seed: bool = False, attack: bool = False) -> FirstSigns:
    signs = FirstSigns(model, [optimizer])
    held = {id(p) for p in model.parameters()}
    for _ in range(STEPS):
        if seed:
            torch.manual_seed(0)
        x = torch.ones(4, 6, requires_grad=attack)
        signs.before_forward(x)
        outputs = model(x)
        signs.after_forward()
        optimizer.zero_grad()
        outputs.square().mean().backward()
        signs.before_update(held)
        optimizer.step()
        signs.after_update()
    return signs


@pytest.mark.parametrize(("maximize", "sign"), [(False, -1), (True, 1)])
def test_the_first_update_of_plain_descent_is_along_the_gradient_exactly(maximize: bool, sign: int) -> None:
    model = nn.Linear(6, 3)
    facts = steps(model, SGD(model.parameters(), 0.1, maximize=maximize)).facts(NONE)
    assert facts["first_update"] == pytest.approx(sign, abs=1e-3)
    assert facts["attacked"] is False
    assert "same_random" not in facts  # nothing was drawn


def test_random_states_and_images_with_gradients() -> None:
    model = nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.5))
    optimizer = Adam(model.parameters())
    assert steps(model, optimizer, seed=True).facts(NONE)["same_random"] is True
    facts = steps(model, optimizer, attack=True).facts(NONE)
    assert (facts["same_random"], facts["attacked"]) == (False, True)


@pytest.mark.parametrize(("labels", "told"), [([0, 1, 2, 1], [2, 4]), ([1, 0, 1, 0], None)], ids=["any", "one class"])
def test_blank_images_of_several_classes(labels: list[int], told: list[int] | None) -> None:
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    images[::2] = 0.0
    signs = FirstSigns(nn.Linear(2, 2), [])
    signs.before_forward(images)
    assert signs.facts(torch.tensor(labels)).get("blank_images") == told


def test_weights_that_are_the_first_again() -> None:
    model = nn.Linear(6, 3)
    first = {name: one.clone() for name, one in model.state_dict().items()}
    signs = steps(model, SGD(model.parameters(), 0.1))
    signs.new_epoch(12)
    assert signs.set_back() == {}
    assert signs.no_update() == {"updates": 0, "moved_otherwise": True}
    model.load_state_dict(first)
    signs.new_epoch(12)
    assert signs.set_back() == {"set_back": 12}


def test_one_block_four_times_and_a_shared_activation() -> None:
    block, prelu = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), nn.PReLU()
    assert repeated_layers(nn.ModuleDict({"body": nn.Sequential(*[block] * 3)})) == ["body.0", "body.1", "body.2"]
    assert repeated_layers(nn.Sequential(nn.Linear(3, 3), prelu, nn.Linear(3, 3), prelu)) == []


def test_a_plain_tensor_and_a_layer_of_the_first_call() -> None:
    model: Any = nn.Linear(6, 3)
    model.scale, model.table = torch.ones(3, requires_grad=True), torch.ones(3)
    assert list(plain_tensors(model, set()).values()) == ["scale"]
    assert plain_tensors(model, {id(model.scale)}) == {}
    optimizer = SGD([model.weight, model.bias], 0.1)
    left = LeftOut(model, [optimizer])
    model.late = nn.Linear(3, 2)
    left.look_again(model, [optimizer])
    assert left.facts(None)["left_out"] == ["late.weight", "late.bias"]


@pytest.mark.parametrize(
    ("scores", "name"),
    [
        (lambda x, w: (x @ w.T).tanh(), "tanh"),
        (lambda x, w: 15 * (x @ w.T / 15).tanh(), ""),
        (lambda x, w: F.linear(F.normalize(x), F.normalize(w)), "cosine"),
        (lambda x, w: F.normalize(x) @ F.normalize(w).T, "cosine"),
        (lambda x, w: 16 * F.linear(F.normalize(x), F.normalize(w)), ""),
        (lambda x, w: F.linear(F.normalize(x), w), ""),
    ],
    ids=["tanh", "capped at 15", "cosine", "cosine by hand", "scaled", "one side alone"],
)
def test_scores_between_minus_one_and_one(scores: Any, name: str) -> None:
    x, w = torch.randn(4, 6, requires_grad=True), torch.randn(3, 6, requires_grad=True)
    assert bounded_scores(F.cross_entropy(scores(x, w), torch.tensor([0, 1, 2, 0])).grad_fn) == name


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(
    ("loss", "sizes"),
    [
        (lambda out, y: F.mse_loss(out, y), [[4, 1], [4]]),
        (lambda out, y: (y * out.sigmoid().log()).mean(), [[4], [4, 1]]),
        (lambda out, y: F.mse_loss(out[:, 0], y), []),
        (lambda out, _: (out - out.T).relu().mean(), []),
        (lambda out, y: out.mean() + (y == y.unsqueeze(1)).float().mean(), []),
    ],
    ids=["squares", "by hand", "one size", "pairs of outputs", "a mask of labels"],
)
def test_each_output_against_each_label(loss: Any, sizes: list[list[int]]) -> None:
    calls = LossCalls()
    calls.begin()
    calls.images = 4
    loss(torch.randn(4, 1, requires_grad=True), torch.tensor([0.0, 1.0, 1.0, 0.0]))
    assert calls.broadcast == sizes
    calls.end()


def test_what_a_loss_was_called_with() -> None:
    calls = LossCalls()
    calls.begin()
    out = torch.randn(4, 3, requires_grad=True)
    F.cross_entropy(out, torch.tensor([0, 1, 2, 0]), label_smoothing=0.9)
    F.binary_cross_entropy_with_logits(out[:, 0], torch.ones(4), pos_weight=torch.tensor(7.0))
    told = calls.calls
    calls.end()
    assert told[0].smoothing == 0.9
    assert told[1].positive is not None
    assert told[1].positive.item() == 7


def test_images_that_were_written_over_and_images_that_are_brighter() -> None:
    images = torch.rand(40, 64, generator=torch.Generator().manual_seed(0))
    factor, shift, share = changed([images], [(images.flip(0) - 0.45) / 0.22])
    assert (factor, shift, share) == pytest.approx((1 / 0.22, -0.45 / 0.22, 1.0), rel=1e-3)
    assert changed([images], [images * torch.linspace(0.8, 1.2, 40)[:, None]]) == []
    assert changed([images], [torch.rand(40, 64)]) == []
    channels = torch.arange(64) // 22
    means, sizes = torch.tensor([0.48, 0.45, 0.40])[channels], torch.tensor([0.20, 0.22, 0.25])[channels]
    factor, shift, share, count = changed([images], [(images - means) / sizes], channels)
    own = [1 / 0.20, 1 / 0.22, 1 / 0.25], [-0.48 / 0.20, -0.45 / 0.22, -0.40 / 0.25]
    assert (factor, shift, share, count) == pytest.approx((sum(own[0]) / 3, sum(own[1]) / 3, 1.0, 3), rel=1e-3)
    assert changed([images], [images * torch.linspace(0.8, 1.2, 40)[:, None] + means], channels) == []


def test_neighbours_of_a_batch_share_labels_that_belong_to_them() -> None:
    random = torch.Generator().manual_seed(1)
    labels = [torch.randint(4, (40,), generator=random) for _ in range(5)]
    kinds = torch.rand(4, 64, generator=random)
    batches = [kinds[own] + 0.1 * torch.rand(40, 64, generator=random) for own in labels]
    share, chance, near, count = beside_each_other(batches, labels)
    assert (share, count) == (1.0, 200)
    pairs = [((own[:, None] == own).sum().item() - 40) / (40 * 39) for own in labels]
    assert chance == pytest.approx(sum(pairs) / 5)
    assert near < 0.5
    foreign = [torch.randint(4, (40,), generator=random) for _ in range(5)]
    assert abs(beside_each_other(batches, foreign)[0] - chance) < 0.1
    noise = [torch.randn(40, 64, generator=random) for _ in range(5)]
    assert beside_each_other(noise, labels)[2] > 0.7
    assert beside_each_other([one[:8] for one in batches], [one[:8] for one in labels]) == []


@pytest.mark.parametrize("first", [False, True])
def test_sequence_layers_that_take_images_for_places(first: bool) -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.last = nn.LSTM(4, 8, batch_first=first), nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.last(self.lstm(x)[0][:, -1])
            return out

    def told(images: torch.Tensor, model: nn.Module) -> list[str]:
        sizes = OutputSizes(model)
        model(images)
        facts = sizes.take()
        return facts.across_images if facts is not None else []

    assert told(torch.rand(6, 5, 4), Rows()) == ([] if first else ["lstm"])
    assert told(torch.rand(6, 6, 4), Rows()) == []  # as many places as images: either may be meant
    assert told(torch.rand(6, 1, 4), Rows()) == []  # a layer over the batch, on purpose
    in_time = nn.LSTM(4, 3, batch_first=first)  # its input and its output have time first
    assert told(torch.rand(6, 5, 4), in_time) == []


def test_the_first_batch_norm_of_a_trained_body() -> None:
    """Half as large as before: a spread of a half; of a new net nothing is told."""
    body = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.BatchNorm2d(2))
    nn.init.ones_(body.get_parameter("0.weight"))  # a weight of 0.003, as chance draws, is less than its eps
    images = torch.randn(64, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    new = FirstNorm(body)
    body(images)
    assert new.facts() == {}
    for _ in range(80):
        body(images)
    body.eval()
    norm = FirstNorm(body)
    body(images / 2)
    facts = norm.facts()
    assert facts["norm_frozen"] is True
    assert facts["norm_spread"] == pytest.approx(0.5, abs=0.01)
    assert facts["norm_shift"] == pytest.approx(0.0, abs=0.1)
    assert not body[1]._forward_pre_hooks


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_a_copy_that_follows_the_weights(decay: float) -> None:
    """Beside a teacher of its own weights, a copy that is trained itself, and a net of other sizes."""
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    optimizer = SGD(model.parameters(), lr=0.1)
    signs = FirstSigns(model, [optimizer])
    average, trained = copy.deepcopy(model).eval(), copy.deepcopy(model)
    others = [nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval(),
              nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).eval()]  # fmt: skip
    for _ in range(20):
        F.cross_entropy(model(torch.rand(8, 6)), torch.arange(8) % 3).backward()
        optimizer.step()
        with torch.no_grad():
            for mean, own in zip(average.parameters(), model.parameters(), strict=True):
                mean.mul_(decay).add_(own, alpha=1 - decay)
    share, along = signs.follower(model)["copy_follows"]
    assert (share > 0.8) == (decay == 0.5)
    assert (share < 0.05) == (decay == 0.999)
    assert along > 0.7
    average.train()  # (is trained itself)
    assert signs.follower(model)["copy_follows"][1] < 0.5
    del others, trained
