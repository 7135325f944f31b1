"""Healthy loops with an unusual net: pretrained, frozen, with several heads, or none."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import WarmedUp, fit
from tests.benchmarks.doctor.real.loops import Loop

# ---------------------------------------------------------------------- pretrained


class Pretrained(Loop):
    """Train the whole net on other patterns first, then put a new head on it."""

    def model(self, shape: tuple[int, ...]) -> nn.Module:
        images, labels, _, _ = parts.pictures((shape[0], shape[1], shape[2]), 8)
        body = parts.layers(self.program.net, shape)
        head = body[-1]
        assert isinstance(head, nn.Linear)
        first = nn.Sequential(*body[:-1], nn.Linear(head.in_features, 8))
        fit(first, images, labels, min(150, self.program.steps))
        return nn.Sequential(*first[:-1], head)


class FrozenBackbone(Pretrained):
    """Freeze all but the head, and keep its batch norms in eval mode."""

    def model(self, shape: tuple[int, ...]) -> nn.Module:
        made = super().model(shape)
        assert isinstance(made, nn.Sequential)
        made[:-1].requires_grad_(False)
        return made

    def before_epoch(self, model: nn.Module) -> None:
        model.train()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
                module.eval()


class HeadOnly(Pretrained):
    """Give the optimizer the head alone; the rest would need gradients, and gets none used."""

    def trained(self, model: nn.Module) -> list[Any]:
        assert isinstance(model, nn.Sequential)
        return list(model[-1].parameters())


class TwoRates(Pretrained):
    """Train the body at a tenth of the head's rate."""

    def trained(self, model: nn.Module) -> list[Any]:
        assert isinstance(model, nn.Sequential)
        return [{"params": model[:-1].parameters(), "lr": 1e-4}, {"params": model[-1].parameters(), "lr": 1e-3}]


class FineTuned(Loop):
    """Go on at a rate of 1e-5 with a net that knows its classes from cleaner images."""

    def model(self, shape: tuple[int, ...]) -> nn.Module:
        images, labels, _, _ = parts.pictures((shape[0], shape[1], shape[2]), self.program.classes, noise=0.5)
        made = super().model(shape)
        fit(made, images, labels, min(60, self.program.steps))
        return made


class Unfrozen(Pretrained):
    """Train the head alone for two epochs, then all."""

    def before_epoch(self, model: nn.Module) -> None:
        super().before_epoch(model)
        assert isinstance(model, nn.Sequential)
        model[:-1].requires_grad_(self.steps > 30)

    def trained(self, model: nn.Module) -> list[Any]:
        return list(model.parameters())


class Coded(Loop):
    """Train an autoencoder first, then its encoder with a head."""

    def model(self, shape: tuple[int, ...]) -> nn.Module:
        made = super().model(shape)
        assert isinstance(made, nn.Sequential)
        images, _, _, _ = self.data()
        encoder, size = made[:-1], images[0].numel()
        head = made[-1]
        assert isinstance(head, nn.Linear)
        decoder = nn.Linear(head.in_features, size)
        optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
        for index in torch.randperm(len(images), generator=self.random).split(32):
            optimizer.zero_grad()
            F.mse_loss(decoder(encoder(images[index])), images[index].flatten(1)).backward()
            optimizer.step()
        return made


# ---------------------------------------------------------------------- several heads


class Heads(nn.Module):
    """A body with a head for the classes and a second one; calling it gives the classes' scores."""

    def __init__(self, first: nn.Module, rest: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.rest, self.second = first, rest, second

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        middle = self.first(x)
        return self.rest(middle), self.second(middle)

    def forward(self, x: Tensor) -> Any:
        return self.both(x) if self.training else self.rest(self.first(x))


def _shape_behind(layers: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    with torch.no_grad():
        return tuple(layers(torch.zeros(2, *shape)).shape[1:])


class TwoHeads(Loop):
    """A second head behind the first layers; subclasses say what it learns."""

    first_net = "conv32 relu pool"
    second_net = "gap fc10"

    def model(self, shape: tuple[int, ...]) -> nn.Module:
        first = parts.layers(self.first_net, shape)
        inside = _shape_behind(first, shape)
        return Heads(first, parts.layers(self.program.net, inside), parts.layers(self.second_net, inside))

    def second_loss(self, outputs: Tensor, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002  a subclass looks at x
        return 0.3 * F.cross_entropy(outputs, y)

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs, second = model(x)
        return F.cross_entropy(outputs, y) + self.second_loss(second, x, y), outputs


class MultiTask(TwoHeads):
    """Learn the classes and the picture's mean colour and contrast at once."""

    second_net = "gap fc2"

    def second_loss(self, outputs: Tensor, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002  the base looks at y
        flat = x.flatten(1)
        return F.mse_loss(outputs, torch.stack([flat.mean(1), flat.std(1)], 1))


class Adversary(TwoHeads):
    """A second net with an optimizer of its own tells the part of an image by its features; the body hides it."""

    second_net = "fc32 relu fc1"

    def trained(self, model: nn.Module) -> list[Any]:
        assert isinstance(model, Heads)
        self.other = torch.optim.Adam(model.second.parameters(), lr=1e-3)
        return [*model.first.parameters(), *model.rest.parameters()]

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        dark = (x.mean((1, 2, 3)) < x.mean()).float()
        outputs, guess = model(x)
        hidden = F.binary_cross_entropy_with_logits(guess[:, 0], dark)
        loss = F.cross_entropy(outputs, y) - 0.05 * hidden
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        self.other.zero_grad()
        _, guess = model(x)
        F.binary_cross_entropy_with_logits(guess[:, 0], dark).backward()
        self.other.step()
        return loss.detach(), outputs.detach()


# ---------------------------------------------------------------------- no head


def _nearest(model: nn.Module, known: tuple[Tensor, Tensor], outputs: Tensor, labels: Tensor) -> float:
    """Return the share of images whose nearest class mean is their own."""
    with torch.no_grad():
        codes = model(known[0][:300])
    means = torch.stack([codes[known[1][:300] == one].mean(0) for one in range(int(labels.max()) + 1)])
    return (torch.cdist(outputs, means).argmin(1) == labels).float().mean().item()


class Triplets(Loop):
    """Learn distances: an image of the same class nearer than one of another."""

    tells_labels = False

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        distances = torch.cdist(outputs, outputs)
        same = y[:, None] == y[None]
        far = (distances * same).max(1).values
        near = distances.masked_fill(same, 1e6).min(1).values
        return F.relu(far - near + 0.5).mean()

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        distances = torch.cdist(outputs, outputs).fill_diagonal_(1e6)
        return (labels[distances.argmin(1)] == labels).float().mean()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        outputs = model(images)
        data = self.data()
        return self.loss(outputs, labels).item(), self.share(outputs, labels).item(), _nearest(
            model, (data[0], data[1]), outputs, labels
        )  # fmt: skip


class Siamese(Loop):
    """Say whether two pictures are of the same class, from the difference of their features."""

    tells_labels = False

    def model(self, shape: tuple[int, ...]) -> nn.Module:
        return Pair(parts.layers(self.program.net, shape))

    def pairs(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return pairs, one half of them of the same class."""
        order = torch.randperm(len(x), generator=self.random)
        wanted = torch.rand(len(x), generator=self.random) < 0.5
        same = y[:, None] == y[None]
        like = torch.multinomial(same.float(), 1, generator=self.random)[:, 0]
        other = torch.where(wanted, like, order)
        return torch.stack([x, x[other]], 1), (y == y[other]).float()

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        both, same = self.pairs(x, y)
        outputs = model(both)
        self.same = same
        return F.binary_cross_entropy_with_logits(outputs[:, 0], same), outputs

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002  the pairs have labels of their own
        return ((outputs[:, 0] > 0) == self.same.bool()).float().mean()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, outputs = self.forward(model, images, labels)
        share = self.share(outputs, labels).item()
        return loss.item(), share, share


class Pair(nn.Module):
    """Two pictures through one body; their absolute difference through a head."""

    def __init__(self, body: nn.Sequential) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(32, 1)

    def forward(self, both: Tensor) -> Tensor:
        return self.head((self.body(both[:, 0]) - self.body(both[:, 1])).abs())


# ---------------------------------------------------------------------- other nets


class CosineHead(nn.Module):
    """Cosines of features and class directions, times 16."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, features))

    def forward(self, x: Tensor) -> Tensor:
        return 16 * F.linear(F.normalize(x), F.normalize(self.weight))


class Cosine(Loop):
    """A head of cosines in place of the last layer."""

    def model(self, shape: tuple[int, ...]) -> nn.Module:
        made = super().model(shape)
        assert isinstance(made, nn.Sequential)
        head = made[-1]
        assert isinstance(head, nn.Linear)
        return nn.Sequential(*made[:-1], CosineHead(head.in_features, head.out_features))


class ZeroLinear(Loop):
    """One linear layer that begins at zero, as in the first tutorials: nothing needs breaking there."""

    def model(self, shape: tuple[int, ...]) -> nn.Module:
        made = super().model(shape)
        for parameter in made.parameters():
            nn.init.zeros_(parameter)
        return made


class Residual(nn.Module):
    """x + bn(conv(relu(bn(conv(x))))), the last scale beginning at 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip
        nn.init.zeros_(self.inside[4].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.inside(x))


class ResNet(Loop):
    """Residual blocks with batch norm."""

    def model(self, shape: tuple[int, ...]) -> nn.Module:
        stem = [nn.Conv2d(shape[0], 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
        end = [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(512, self.program.classes)]
        return nn.Sequential(*stem, Residual(32), nn.MaxPool2d(2), Residual(32), *end)


class Vit(nn.Module):
    """Patches of 4x4, two transformer layers, and a class token."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(shape[0], 48, 4, 4)
        count = (shape[1] // 4) * (shape[2] // 4)
        self.token = nn.Parameter(torch.zeros(1, 1, 48))
        self.place = nn.Parameter(0.02 * torch.randn(1, count + 1, 48))
        layer = nn.TransformerEncoderLayer(48, 4, 96, 0.1, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(48), nn.Linear(48, classes)

    def forward(self, x: Tensor) -> Tensor:
        parts_of = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), parts_of], 1) + self.place
        return self.head(self.norm(self.blocks(x))[:, 0])


class Transformer(WarmedUp):
    """A small vision transformer."""

    def model(self, shape: tuple[int, ...]) -> nn.Module:
        return Vit(shape, self.program.classes)


NETS: dict[str, type[Loop]] = {
    "frozen backbone": FrozenBackbone,
    "head only": HeadOnly,
    "two rates": TwoRates,
    "pretrained": Pretrained,
    "fine-tuned": FineTuned,
    "unfrozen later": Unfrozen,
    "autoencoder first": Coded,
    "auxiliary head": TwoHeads,
    "multi-task": MultiTask,
    "adversary": Adversary,
    "triplets": Triplets,
    "siamese": Siamese,
    "cosine head": Cosine,
    "begins at zero": ZeroLinear,
    "residual": ResNet,
    "transformer": Transformer,
}
