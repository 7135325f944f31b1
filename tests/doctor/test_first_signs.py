"""Signs of the first steps and epochs that need neither data nor labels given: each loop with the fault and without."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam

import cvtui
from cvtui.doctor import Diagnosis, Doctor, examine
from cvtui.runlog.events import Facts, Steps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.doctor.test_second_reader import untrue

CLASSES = 4
Batch = tuple[Tensor, Tensor]


def clouds(count: int = 160, seed: int = 0, spread: float = 0.4) -> Batch:
    """Clouds of 12 numbers, one a class, far apart."""
    random = torch.Generator().manual_seed(seed)
    centres = torch.randn(CLASSES, 12, generator=torch.Generator().manual_seed(99))
    labels = torch.arange(count) % CLASSES
    return centres[labels] + spread * torch.randn(count, 12, generator=random), labels


class Loop:
    """A loop under cvtui.watch with README's lines alone; each test overrides what it does wrong."""

    outputs = CLASSES
    epochs = 2
    steps = 10
    tells = True

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = self.net()
        self.optimizer = self.optimizer_of(self.model)
        self.train, self.validation = clouds(), clouds(60, seed=5)

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, self.outputs))

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return Adam(model.parameters(), lr=3e-3)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y)

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.argmax(1) == y).float().mean()

    def update(self, loss: Tensor, step: int) -> None:  # noqa: ARG002  some update at some steps only
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def batches(self, epoch: int) -> Iterator[Batch]:
        x, y = self.train
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(epoch))
        for index in order.split(16):
            yield x[index], y[index]

    def answers(self, x: Tensor) -> Tensor:
        found: Tensor = self.model(x)
        return found

    def evaluated(self) -> float:
        x, y = self.validation
        self.model.eval()
        with torch.no_grad():
            share = self.right(self.answers(x), y).item()
        self.model.train()
        return share

    def run(self, base: Path) -> dict[str, Diagnosis]:
        with cvtui.watch(self.model, self.optimizer, runs=base, name="run") as run:
            step = 0
            for epoch in range(self.epochs):
                for x, y in self.batches(epoch):
                    outputs = self.answers(x)
                    loss = self.loss(outputs, y)
                    self.update(loss, step)
                    step += 1
                    run.step(loss=loss, accuracy=self.right(outputs, y))
                run.epoch(val_accuracy=self.evaluated())
        history = History(run.folder)
        history.poll()
        assert untrue(RunFolder(base / "run")) == []
        return {one.id: one for one in examine(history) if one.severity != "note"}


class Sound(Loop):
    pass


class Emptied(Loop):
    def update(self, loss: Tensor, step: int) -> None:  # noqa: ARG002
        loss.backward()
        self.optimizer.zero_grad()
        self.optimizer.step()


class SetToZero(Loop):
    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return SGD(model.parameters(), lr=0.1, momentum=0.9)

    def update(self, loss: Tensor, step: int) -> None:  # noqa: ARG002
        loss.backward()
        self.optimizer.zero_grad(set_to_none=False)
        self.optimizer.step()


class OnceAnEpoch(Loop):
    def update(self, loss: Tensor, step: int) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        if step % 10 == 9:
            self.optimizer.step()


class Accumulated(Loop):
    """Five batches an update, divided: nothing is thrown away."""

    def update(self, loss: Tensor, step: int) -> None:
        (loss / 5).backward()
        if step % 5 == 4:
            self.optimizer.step()
            self.optimizer.zero_grad()


class MadeInForward(Loop):
    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.last = nn.Linear(12, 24), nn.Linear(24, CLASSES)

            def forward(self, x: Tensor) -> Tensor:
                return self.last(F.relu(nn.Linear(24, 24)(self.first(x))))

        return Net()


class Rows(nn.Module):
    """An LSTM over three rows of four numbers, or over the images."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.lstm, self.last = nn.LSTM(4, 16, batch_first=batch_first), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.lstm(x.reshape(-1, 3, 4))[0][:, -1])


class OverTheImages(Loop):
    def net(self) -> nn.Module:
        return Rows(batch_first=False)


class OverTheRows(Loop):
    def net(self) -> nn.Module:
        return Rows(batch_first=True)


class TooManyOutputs(Loop):
    outputs = 20


class FromOneOn(Loop):
    outputs = CLASSES + 1

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y + 1)

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.argmax(1) == y + 1).float().mean()


class ReluScores(Loop):
    def net(self) -> nn.Module:
        return nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, CLASSES), nn.ReLU())


class SquaredHinge(Loop):
    """The ReLU is the loss's own."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.relu(1 - outputs * (2 * F.one_hot(y, CLASSES) - 1)).pow(2).mean()


class OneOutput(Loop):
    """Two classes and one logit."""

    outputs = 1

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], (y > 1).float())

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return ((outputs[:, 0] > 0) == (y > 1)).float().mean()


class MinusOne(OneOutput):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], 2 * (y > 1).float() - 1)


class LargestOfOne(OneOutput):
    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.argmax(1) == (y > 1)).float().mean()


class SeveralOfASoftmax(Loop):
    def net(self) -> nn.Module:
        return nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 3), nn.Softmax(1))

    def bits(self, y: Tensor) -> Tensor:
        return torch.stack([y % 2, y // 2, y > 0], 1).float()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy(outputs, self.bits(y))

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return ((outputs > 0.5) == self.bits(y).bool()).float().mean()


class SeveralUnderCross(SeveralOfASoftmax):
    def net(self) -> nn.Module:
        return nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 3))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, self.bits(y))


class SharesUnderCross(Loop):
    """Soft rows that add up to 1: no fault."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, 0.8 * F.one_hot(y, CLASSES) + 0.05)


class Viewed(Loop):
    """Rows of 2 x 2 x 3 numbers seen as 3 x 2 x 2 by view, or by permute."""

    moves = False

    def net(self) -> nn.Module:
        moves = self.moves

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv, self.last = nn.Conv2d(3, 16, 2), nn.Linear(16, CLASSES)

            def forward(self, x: Tensor) -> Tensor:
                x = x.view(-1, 2, 2, 3)
                x = x.permute(0, 3, 1, 2) if moves else x.view(-1, 3, 2, 2)
                return self.last(F.relu(self.conv(x)).flatten(1))

        return Net()


class Permuted(Viewed):
    moves = True


class PlacesAsClasses(Viewed):
    """Scores for each place of a map, taken apart by view(-1, C); four places, four classes."""

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Unflatten(1, (3, 2, 2)), nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Conv2d(16, CLASSES, 1))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        rows = outputs.permute(0, 2, 3, 1).reshape(-1, CLASSES) if self.moves else outputs.view(-1, CLASSES)
        return F.cross_entropy(rows, y.repeat_interleave(4))

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.mean((2, 3)).argmax(1) == y).float().mean()


class PlacesThatVote(PlacesAsClasses):
    moves = True


class ClassLeftOut(Loop):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, ignore_index=0)


class WeightlessClass(Loop):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, weight=torch.tensor([1.0, 0.0, 1.0, 1.0]))


class DividedTwice(Loop):
    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return SGD(model.parameters(), lr=0.05)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y) / len(y)


class DividedByParts(DividedTwice):
    """Sixteen batches of sixteen an update: a share of each."""

    def update(self, loss: Tensor, step: int) -> None:
        loss.backward()
        if step % 16 == 15:
            self.optimizer.step()
            self.optimizer.zero_grad()


class NamedLogits(Loop):
    """A model that is given its input by name and returns a dict; its loss is a squared error of class numbers."""

    class Net(nn.Module):
        def __init__(self, outputs: int) -> None:
            super().__init__()
            self.inner, self.last = nn.Linear(12, 24), nn.Linear(24, outputs)

        def forward(self, values: Tensor) -> dict[str, Tensor]:
            return {"hidden": self.inner(values), "logits": self.last(F.relu(self.inner(values)))}

    outputs = 1

    def net(self) -> nn.Module:
        return self.Net(self.outputs)

    def answers(self, x: Tensor) -> Tensor:
        found: Tensor = self.model(values=x)["logits"]
        return found

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(outputs[:, 0], y.float())

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs[:, 0].round() == y).float().mean()


class NamedScores(NamedLogits):
    outputs = CLASSES

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y)

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.argmax(1) == y).float().mean()


class OneForAll(Loop):
    def __init__(self) -> None:
        super().__init__()
        x, y = clouds(320)
        self.train = x[:1].expand_as(x).contiguous(), y


class Mirrored(Viewed):
    """Rows seen as pictures 3 x 2 x 2; half of the validation are training pictures in a mirror."""

    def __init__(self) -> None:
        super().__init__()
        (x, y), (more, their) = self.train, self.validation
        x, more = x.view(-1, 1, 3, 4), more.view(-1, 1, 3, 4)
        self.train = x, y
        self.validation = torch.cat([more[:30], x[:30].flip(-1)]), torch.cat([their[:30], y[:30]])

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, CLASSES))


class RandomFrozen(Loop):
    """The body is frozen as it was drawn."""

    def net(self) -> nn.Module:
        made = nn.Sequential(nn.Linear(12, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, CLASSES))
        made[:2].requires_grad_(False)
        return made

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return Adam([one for one in model.parameters() if one.requires_grad], lr=0.03)


class NormsInEval(Loop):
    """Batch norms alone are in evaluation mode, from nothing."""

    def net(self) -> nn.Module:
        made = nn.Sequential(nn.Linear(12, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, CLASSES))
        made[1].eval()
        return made

    def evaluated(self) -> float:
        share = super().evaluated()
        self.model.get_submodule("1").eval()
        return share


class KerasMomentum(Loop):
    momentum = 0.99

    def net(self) -> nn.Module:
        norm = nn.BatchNorm1d(24, momentum=self.momentum)
        return nn.Sequential(nn.Linear(12, 24), norm, nn.ReLU(), nn.Linear(24, CLASSES))


class UsualMomentum(KerasMomentum):
    momentum = 0.1


class Penalised(Loop):
    factor = 1.0

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y) + self.factor * sum(
            (one.pow(2).sum() for one in self.model.parameters()), torch.zeros(())
        )


class GentlyPenalised(Penalised):
    factor = 1e-4


class CutToSigns(Loop):
    limit = 1e-5

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return SGD(model.parameters(), lr=0.1, momentum=0.9)

    def update(self, loss: Tensor, step: int) -> None:  # noqa: ARG002
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(self.model.parameters(), self.limit)
        self.optimizer.step()


class CutGently(CutToSigns):
    limit = 1.0


class NeverReset(Loop):
    epochs = 5

    def evaluated(self) -> float:
        self.correct = getattr(self, "correct", 0.0) + super().evaluated()
        return self.correct


class Copied(Loop):
    """Half of the validation images are training images."""

    def __init__(self) -> None:
        super().__init__()
        (x, y), (more, their) = self.train, self.validation
        self.validation = torch.cat([more[:30], x[:30]]), torch.cat([their[:30], y[:30]])


class BothEvaluated(Loop):
    """Training images are evaluated as well, by themselves: no fault."""

    def evaluated(self) -> float:
        with torch.no_grad():
            self.model(self.train[0])
        return super().evaluated()


class Wrong(Loop):
    """Half of the training labels are drawn anew, images come unchanged."""

    epochs = 8

    def __init__(self) -> None:
        super().__init__()
        x, y = clouds(320, spread=0.2)
        random = torch.Generator().manual_seed(3)
        wrong = torch.rand(len(y), generator=random) < 0.5
        self.train = x, torch.where(wrong, torch.randint(CLASSES, y.shape, generator=random), y)


class Rare(Loop):
    """Two classes, one image in twenty is of the second."""

    outputs, epochs = 2, 1

    def __init__(self) -> None:
        super().__init__()
        x, _ = clouds(320)
        self.train = x, (torch.arange(320) % 20 == 0).long()


class RareWeighted(Rare):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, weight=torch.tensor([1.0, 19.0]))


class RandomBody(Loop):
    """The optimizer holds the last layer of a net that is as it was drawn."""

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Linear(12, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, CLASSES))

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        assert isinstance(model, nn.Sequential)
        return Adam(model[-1].parameters(), lr=0.03)


class LoadedBody(RandomBody):
    def net(self) -> nn.Module:
        made = super().net()
        made(clouds()[0])
        return made


class PlanesAsRows(Viewed):
    """A softmax over the four places of each of four channels; sizes before and after are those of PlacesAsClasses."""

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv, self.last = nn.Conv2d(3, 4, 1), nn.Linear(16, CLASSES)

            def forward(self, x: Tensor) -> Tensor:
                x = self.conv(x.view(-1, 3, 2, 2))
                return self.last((x * x.view(-1, 4).softmax(1).view(x.shape)).flatten(1))

        return Net()


class StoredLast(Viewed):
    """Data whose sizes say channels first and whose numbers stand channels last, put right."""

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv, self.last = nn.Conv2d(3, 16, 2), nn.Linear(16, CLASSES)

            def forward(self, x: Tensor) -> Tensor:
                x = x.view(-1, 3, 2, 2).reshape(-1, 2, 2, 3).permute(0, 3, 1, 2)
                return self.last(F.relu(self.conv(x)).flatten(1))

        return Net()


class Unlabelled(Loop):
    """Class 0 is what was not labelled: it counts neither in the loss nor in an accuracy."""

    epochs = 4

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return Adam(model.parameters(), lr=0.01)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, ignore_index=0)

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return super().right(outputs[y > 0], y[y > 0])


class Important(Loop):
    """One class an image, times what the image counts."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, F.one_hot(y, CLASSES) * torch.tensor([0.5, 1, 1, 2])[y][:, None])


class FewImages(Loop):
    """A test of the loop: four images, each of its own class, forty times."""

    epochs = 1

    def batches(self, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        x, y = self.train
        for _ in range(120):
            yield x[:4], y[:4]


class TurnedAtRandom(Mirrored):
    """Half of the training images come in a mirror; all of them are evaluated as they are, and others."""

    def __init__(self) -> None:
        super().__init__()
        self.validation = clouds(60, seed=5)

    def batches(self, epoch: int) -> Iterator[Batch]:
        for x, y in super().batches(epoch):
            yield torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(-1), x), y

    def evaluated(self) -> float:
        with torch.no_grad():
            for x in self.train[0].split(16):
                self.model(x)
        return super().evaluated()


class FixedFirst(Loop):
    """A random projection in front, frozen on purpose; batch norm is trained."""

    def net(self) -> nn.Module:
        made = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.BatchNorm1d(48), nn.Linear(48, CLASSES))
        made[0].requires_grad_(False)
        return made


class LastOfAll(KerasMomentum):
    """One batch an epoch: the last batch is all there is."""

    momentum = 1.0

    def batches(self, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        yield self.train


class MeanTeacher(Loop):
    """A copy that follows by hand, in evaluation mode and without gradients, is a part of the model."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.student = UsualMomentum.net(UsualMomentum.__new__(UsualMomentum))
            self.teacher = copy.deepcopy(self.student).eval()

        def train(self, mode: bool = True) -> MeanTeacher.Net:
            super().train(mode)
            self.teacher.eval()
            return self

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                self.target = self.teacher(x)
                for mine, its in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
                    mine.lerp_(its, 0.05)
            return self.student(x)

    def net(self) -> nn.Module:
        return self.Net()

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return Adam(model.get_submodule("student").parameters(), lr=3e-3)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y) + 0.1 * F.mse_loss(
            outputs.softmax(1), torch.as_tensor(self.model.target).softmax(1)
        )


@pytest.mark.parametrize(
    ("kind", "fault", "words"),
    [
        (Emptied, "F44", "zero_grad() stands between"),
        (SetToZero, "F44", "zero_grad() stands between"),
        (OnceAnEpoch, "F44", "one update in 10 steps"),
        (MadeInForward, "F45", "constructed in forward()"),
        (OverTheImages, "F57", "depends on the images beside it"),
        (TooManyOutputs, "F27", "16 outputs are of no class"),
        (FromOneOn, "F27", "class 0 never comes"),
        (ReluScores, "F42", "a ReLU"),
        (MinusOne, "F40", "is given -1 to 1"),
        (LargestOfOne, "F49", "always number 0"),
        (SeveralOfASoftmax, "F40", "several labels at once"),
        (SeveralUnderCross, "F40", "rows that add up to 0 to 3"),
        (Viewed, "F58", "16 x 2 x 2 x 3 is viewed as 16 x 3 x 2 x 2"),
        (PlacesAsClasses, "F58", "16 x 4 x 2 x 2 is viewed as 64 x 4"),
        (ClassLeftOut, "F59", "images of class 0"),
        (WeightlessClass, "F59", "images of class 1"),
        (DividedTwice, "F16", "divided by the batch once more"),
        (NamedLogits, "F41", "one number for each image"),
        (OneForAll, "F13", "hold 1 different one"),
        (Mirrored, "F20", "30 of the 60 images"),
        (RandomFrozen, "F26", "are frozen (requires_grad is False), and the net is as it was drawn"),
        (NormsInEval, "F46", "1 of the batch norms"),
        (KerasMomentum, "F23", "Keras counts the other way round"),
        (Penalised, "F29", "a sum over the weights"),
        (CutToSigns, "F33", "cut value by value"),
        (NeverReset, "F49", "Is the count set back to 0?"),
        (Copied, "F20", "30 of the 60 images"),
        (Wrong, "F14", "come unchanged each time"),
        (Rare, "F24", "one class"),
        (RandomBody, "F26", "as it was drawn"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_fault_is_named_first(kind: Callable[[], Loop], fault: str, words: str, tmp_path: Path) -> None:
    found = kind().run(tmp_path)
    assert next(iter(found), "nothing") == fault, {one.id: one.sentence for one in found.values()}
    assert words in found[fault].sentence


@pytest.mark.parametrize(
    "kind", [Sound, Accumulated, OverTheRows, OneOutput, SquaredHinge, BothEvaluated, RareWeighted, LoadedBody,
             SharesUnderCross, Permuted, PlacesThatVote, DividedByParts, NamedScores, UsualMomentum, GentlyPenalised,
             CutGently, PlanesAsRows, StoredLast, Unlabelled, Important, FewImages, TurnedAtRandom, FixedFirst,
             LastOfAll, MeanTeacher],
    ids=lambda value: value.__name__,
)  # fmt: skip
def test_a_sound_loop_is_left_in_peace(kind: Callable[[], Loop], tmp_path: Path) -> None:
    found: dict[str, Any] = kind().run(tmp_path)
    assert {one.id: one.sentence for one in found.values()} == {}


@pytest.mark.parametrize(("told", "loss", "impossible"), [(0.5, 0.05, True), (0.9, 0.05, False), (0.5, 0.5, False)])
def test_an_accuracy_that_the_loss_rules_out(told: float, loss: float, impossible: bool) -> None:
    """At a cross-entropy of 0.05 no more than 0.05 / ln 2 = 7.2 % can be wrong; at 0.5 72 %."""
    doctor = Doctor()
    doctor.take(Facts(loss_value="cross-entropy"))
    doctor.take(Steps(first=0, loss=[loss] * 60, accuracy=[told] * 60, grad_norm=[], lr=[0.1] * 60))
    doctor.update()
    assert [one.id for one in doctor.all if one.id == "F49"] == ["F49"] * impossible


@pytest.mark.parametrize(
    ("rates", "faults"),
    [
        ([0.0] * 60, ["F02"]),
        ([0.0] * 10 + [0.1] * 50, []),
        ([0.1] * 10 + [0.0] * 190, ["F32"]),
        ([0.1] * 190 + [0.0] * 10, []),
        ([0.1 * (1 - step / 200) for step in range(200)], []),
    ],
    ids=["never", "warmed up", "gone at 10 of 200", "gone at the end", "a line to 0"],
)
def test_rates_that_are_nothing(rates: list[float], faults: list[str]) -> None:
    """Of a loop whose length is not known a schedule's end is no fault, a schedule that is over at once is."""
    doctor = Doctor()
    doctor.take(Facts(outputs=10, first_loss=2.3, cross_entropy=2.3))
    for first in range(0, len(rates), 10):
        piece = rates[first : first + 10]
        doctor.take(Steps(first=first, loss=[2.3] * 10, accuracy=[0.1] * 10, grad_norm=[1.0] * 10, lr=list(piece)))
        doctor.update()
    assert sorted(one.id for one in doctor.all if one.id in ("F02", "F32")) == faults


@pytest.mark.parametrize(
    ("highest", "fault"), [(2e-5, "F02"), (1e-3, "F36")], ids=["a warm-up that doesn't end", "the usual rate"]
)
def test_a_rate_that_never_came_near_what_is_usual(highest: float, fault: str) -> None:
    """Adam's is 1e-3; 2e-5 is a fiftieth."""
    doctor, steps = Doctor(), 200
    doctor.take(
        Facts(optimizer="adam", outputs=10, batch_size=32, loss_terms=["cross-entropy"], label_counts=[60] * 10)
    )
    rates: list[float | None] = [highest * (step + 1) / steps for step in range(steps)]
    doctor.take(Steps(first=0, loss=[2.3] * steps, accuracy=[0.1] * steps, grad_norm=[0.1] * steps, lr=rates))
    assert [one.id for one in doctor.update() if one.severity != "note"][:1] == [fault]
