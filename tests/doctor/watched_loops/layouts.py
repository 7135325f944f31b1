"""Loops that view numbers in another order than they stand, each beside a sound one."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from tests.doctor.watched_loops.loop import CLASSES, Loop


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
