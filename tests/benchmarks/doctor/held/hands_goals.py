"""Healthy runs in other hands' style: what is learnt is unusual."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from tests.benchmarks.doctor.held.hands_base import HandsCase, OwnLoop, Spread, encoder, share, updated
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.parts import Data


class TwoPlayers(OwnLoop):
    """A generator and a critic of images, an Adam each at 2e-4 with betas (0.5, 0.999)."""

    steps_of = 180

    def net(self) -> nn.Module:
        drawing = nn.Sequential(
            nn.ConvTranspose2d(32, 48, 4), nn.BatchNorm2d(48), nn.ReLU(), nn.ConvTranspose2d(48, 24, 4, 2, 1),
            nn.BatchNorm2d(24), nn.ReLU(), nn.ConvTranspose2d(24, 3, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip
        telling = nn.Sequential(
            nn.Conv2d(3, 24, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(24, 48, 4, 2, 1), nn.BatchNorm2d(48),
            nn.LeakyReLU(0.2), nn.Conv2d(48, 1, 4), nn.Flatten(),
        )  # fmt: skip
        return nn.ModuleDict({"G": drawing, "D": telling})

    def optimizer(self, model: nn.Module) -> Any:
        assert isinstance(model, nn.ModuleDict)
        return [torch.optim.Adam(model[name].parameters(), lr=2e-4, betas=(0.5, 0.999)) for name in "GD"]

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002  no labels here
        drawing, telling = model["G"], model["D"]
        ones, zeros = torch.ones(len(x), 1), torch.zeros(len(x), 1)
        drawn = drawing(torch.randn(len(x), 32, 1, 1))
        judged = F.binary_cross_entropy_with_logits
        first = updated(optimizer[1], judged(telling(x), ones) + judged(telling(drawn.detach()), zeros))
        return first + updated(optimizer[0], judged(telling(drawn), ones))

    def rated(self, model: Any, images: Tensor, labels: Tensor) -> float:  # noqa: ARG002
        return (model["D"](images) > 0).float().mean().item()


class TwoViewsOfEach(OwnLoop):
    """Contrastive learning without labels: two noisy views of an image are each other's class in the batch."""

    batch = 48

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(), nn.Linear(64, 64), nn.ReLU(inplace=True), nn.Linear(64, 32))

    def seen(self, x: Tensor) -> Tensor:
        moved = torch.roll(x, tuple(torch.randint(-2, 3, (2,)).tolist()), (2, 3))
        return moved * (0.8 + 0.4 * torch.rand(len(x), 1, 1, 1)) + 0.2 * torch.randn_like(x)

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002
        code = F.normalize(model(torch.cat([self.seen(x), self.seen(x)])), dim=1)
        near = code @ code.T / 0.2
        near = near.masked_fill(torch.eye(len(near), dtype=torch.bool), float("-inf"))
        other = torch.arange(len(near)).roll(len(x))
        return updated(optimizer, F.cross_entropy(near, other))

    def rated(self, model: Any, images: Tensor, labels: Tensor) -> float:
        code = F.normalize(model(images), dim=1)
        near = (code @ code.T).fill_diagonal_(-2)
        return (labels[near.argmax(1)] == labels).float().mean().item()


class SlowTwin(OwnLoop):
    """A net predicts what its own slow average says of another view (BYOL): no labels, no other images."""

    batch = 48

    def net(self) -> nn.Module:
        online = nn.Sequential(encoder(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32))
        target = copy.deepcopy(online)
        for one in target.parameters():
            one.requires_grad = False
        guess = nn.Sequential(nn.Linear(32, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32))
        return nn.ModuleDict({"online": online, "target": target, "predictor": guess})

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002
        views = [x + 0.3 * torch.randn_like(x) for _ in range(2)]
        loss = torch.zeros(())
        for one, other in (views, views[::-1]):
            with torch.no_grad():
                wanted = model["target"](other)
            loss = loss + (2 - 2 * F.cosine_similarity(model["predictor"](model["online"](one)), wanted)).mean()
        told = updated(optimizer, loss)
        with torch.no_grad():
            for slow, quick in zip(model["target"].parameters(), model["online"].parameters(), strict=True):
                slow.mul_(0.99).add_(0.01 * quick)
        return told

    def rated(self, model: Any, images: Tensor, labels: Tensor) -> float:
        code = F.normalize(model["online"](images), dim=1)
        return (labels[(code @ code.T).fill_diagonal_(-2).argmax(1)] == labels).float().mean().item()


class Denoiser(OwnLoop):
    """A convolutional autoencoder takes noise off: squared error of pixels, no label anywhere."""

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU(), nn.Conv2d(24, 32, 3, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(32, 24, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(24, 3, 4, 2, 1),
        )  # fmt: skip

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002
        return updated(optimizer, nn.MSELoss()(model(x + 0.3 * torch.randn_like(x)), x))

    def rated(self, model: Any, images: Tensor, labels: Tensor) -> float:  # noqa: ARG002
        return max(0.0, 1 - (F.mse_loss(model(images), images) / images.var()).item())


class Variational(OwnLoop):
    """A variational autoencoder of digits: summed cross-entropy of pixels plus KL, divided by the batch."""

    classes = 10

    def data(self) -> Data:
        images, labels, more, their = parts.digits(16)
        return images[:960], labels[:960], more, their

    def net(self) -> nn.Module:
        class Vae(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.fc1, self.mu, self.log_var = nn.Linear(256, 128), nn.Linear(128, 8), nn.Linear(128, 8)
                self.fc3, self.fc4 = nn.Linear(8, 128), nn.Linear(128, 256)

            def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
                h = F.relu(self.fc1(x.flatten(1)))
                mu, log_var = self.mu(h), self.log_var(h)
                z = mu + torch.randn_like(mu) * (0.5 * log_var).exp()
                return self.fc4(F.relu(self.fc3(z))).sigmoid(), mu, log_var

        return Vae()

    def cost(self, model: Any, x: Tensor) -> Tensor:
        drawn, mu, log_var = model(x)
        pixels = F.binary_cross_entropy(drawn, x.flatten(1), reduction="sum")
        return (pixels - 0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())) / len(x)

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002
        return updated(optimizer, self.cost(model, x))

    def rated(self, model: Any, images: Tensor, labels: Tensor) -> float:  # noqa: ARG002
        return max(0.0, 1 - self.cost(model, images).item() / 178)


class HowBright(OwnLoop):
    """Regression on purpose: how bright the middle of an image is, standardised, smooth L1."""

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(), nn.Linear(64, 1))

    def wanted(self, x: Tensor) -> Tensor:
        return x[:, :, 4:12, 4:12].mean((1, 2, 3)) / 0.15

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002
        return updated(optimizer, F.smooth_l1_loss(model(x).squeeze(1), self.wanted(x)))

    def rated(self, model: Any, images: Tensor, labels: Tensor) -> float:  # noqa: ARG002
        error = F.mse_loss(model(images).squeeze(1), self.wanted(images)) / self.wanted(images).var()
        return max(0.0, 1 - error.item())


class MarginPairs(OwnLoop):
    """One body for two pictures, and their distance: near for the same class, a margin for others (Hadsell)."""

    steps_of = 200

    def net(self) -> nn.Module:
        class Twins(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.code = encoder(), nn.Linear(64, 16)

            def one(self, x: Tensor) -> Tensor:
                return self.code(self.body(x))

            def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
                return self.one(a), self.one(b)

        return Twins()

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        order = torch.randperm(len(x))
        one, two = model(x, x[order])
        far, same = (one - two).norm(dim=1), (y == y[order]).float()
        return updated(optimizer, (same * far.pow(2) + (1 - same) * F.relu(1.0 - far).pow(2)).mean())

    def rated(self, model: Any, images: Tensor, labels: Tensor) -> float:
        code = model.one(images)
        return (labels[torch.cdist(code, code).fill_diagonal_(9e9).argmin(1)] == labels).float().mean().item()


class Proxies(OwnLoop):
    """Metric learning by a proxy a class; the proxies have an optimizer of their own, a hundred times as quick."""

    def net(self) -> nn.Module:
        made = nn.Sequential(encoder(), nn.Linear(64, 16), Spread())
        made.register_parameter("proxies", nn.Parameter(torch.randn(6, 16)))
        return made

    def optimizer(self, model: nn.Module) -> Any:
        own = [one for name, one in model.named_parameters() if name != "proxies"]
        return [torch.optim.AdamW(own, lr=1e-3), torch.optim.SGD([model.get_parameter("proxies")], lr=0.1)]

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        near = model(x) @ F.normalize(model.proxies).T
        loss = F.cross_entropy(8 * near, y)
        for one in optimizer:
            one.zero_grad()
        loss.backward()
        for one in optimizer:
            one.step()
        return loss.detach()

    def rated(self, model: Any, images: Tensor, labels: Tensor) -> float:
        return share(model(images) @ F.normalize(model.proxies).T, labels)


class Episodes(OwnLoop):
    """Few-shot episodes: three classes drawn for each, four images of each as prototypes, four to tell."""

    classes, noise = 10, 0.7

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(), nn.Linear(64, 32))

    def whole(self, model: nn.Module, optimizer: Optimizer, run: Any) -> float:
        images, labels, more, their = self.data()
        rated = 0.0
        for number in range(self.program.steps):
            model.train()
            loss, right = self.episode(model, images, labels)
            updated(optimizer, loss)
            run.step(loss=loss.item(), accuracy=right)
            if number % 30 == 29:
                model.eval()
                with torch.no_grad():
                    rated = sum(self.episode(model, more, their)[1] for _ in range(10)) / 10
                run.epoch(val_accuracy=rated)
        return rated

    def episode(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, float]:
        rows = [(labels == kind).nonzero()[:, 0] for kind in torch.randperm(10)[:3].tolist()]
        rows = [row[torch.randint(len(row), (8,))] for row in rows]
        code = model(images[torch.stack(rows).flatten()]).view(3, 8, -1)
        scores = -torch.cdist(code[:, 4:].flatten(0, 1), code[:, :4].mean(1)).pow(2)
        wanted = torch.arange(3).repeat_interleave(4)
        return F.cross_entropy(scores, wanted), share(scores, wanted)


class BagsOfPictures(OwnLoop):
    """Bags of eight, a label a bag: do some of them show class 0? Attention pools, a bag is a step."""

    steps_of, noise = 400, 0.5
    optim = ("Adam", {"lr": 2e-3})

    def net(self) -> nn.Module:
        class Bag(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = encoder(norm=lambda width: nn.GroupNorm(4, width))
                self.look = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 1))
                self.out = nn.Linear(64, 1)

            def forward(self, x: Tensor) -> Tensor:
                found = self.body(x)
                return self.out((self.look(found).softmax(0) * found).sum(0))

        return Bag()

    def whole(self, model: nn.Module, optimizer: Optimizer, run: Any) -> float:
        images, labels, more, their = self.data()
        rated = 0.0
        for number in range(self.program.steps):
            model.train()
            x, wanted = self.bag(images, labels)
            loss = F.binary_cross_entropy_with_logits(model(x), wanted)
            run.step(loss=updated(optimizer, loss))
            if number % 60 == 59:
                model.eval()
                with torch.no_grad():
                    bags = [self.bag(more, their) for _ in range(40)]
                    rated = sum(float((model(x) > 0) == (wanted > 0)) for x, wanted in bags) / 40
                run.epoch(val_accuracy=rated)
        return rated

    def bag(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        others = (labels != 0).nonzero()[:, 0]
        rows = others[torch.randint(len(others), (8,))]
        if torch.rand(()) < 0.5:
            shown = (labels == 0).nonzero()[:, 0]
            rows[:4] = shown[torch.randint(len(shown), (4,))]
        return images[rows], (labels[rows] == 0).any().float()[None]


class SureOfFew(OwnLoop):
    """Half-supervised (FixMatch): 60 labelled images, and of the others those answers that are sure teach."""

    count, steps_of, noise = 480, 200, 0.6

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(), nn.Linear(64, 6))

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002
        images, labels, _, _ = self.data()
        index = torch.randint(60, (16,), generator=self.random)
        known = F.cross_entropy(model(images[index]), labels[index])
        with torch.no_grad():
            sure, answer = model(x + 0.05 * torch.randn_like(x)).softmax(1).max(1)
        strong = model(torch.roll(x, 1, 3) + 0.3 * torch.randn_like(x))
        unknown = (F.cross_entropy(strong, answer, reduction="none") * (sure > 0.9)).mean()
        return updated(optimizer, known + unknown)


class WeighedByDoubt(OwnLoop):
    """Two tasks weighed by a learned uncertainty each (Kendall): the loss goes below zero as they are learnt."""

    optim = ("Adam", {"lr": 3e-3})
    steps_of = 240

    def net(self) -> nn.Module:
        made = nn.Sequential(encoder(), nn.Linear(64, 7))
        made.register_parameter("log_vars", nn.Parameter(torch.zeros(2)))
        return made

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        outputs = model(x)
        tasks = torch.stack([F.cross_entropy(outputs[:, :6], y), F.mse_loss(outputs[:, 6], x.mean((1, 2, 3)) / 0.1)])
        return updated(optimizer, (tasks * (-model.log_vars).exp() + model.log_vars).sum())

    def rated(self, model: Any, images: Tensor, labels: Tensor) -> float:
        return share(model(images)[:, :6], labels)


class TwelveTags(HandsCase):
    """Twelve tags an image, each true of one in ten: BCE with logits, the share of right tags is 0.9 from the start."""

    patterns, steps_of = 12, 240
    tells_labels = False

    def tags(self, y: Tensor) -> Tensor:
        return ((y[:, None] * 7 + torch.arange(12) * 5) % 12 < 1).float()

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(), nn.Linear(64, 12))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return nn.BCEWithLogitsLoss()(outputs, self.tags(y))

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs.sigmoid() > 0.5) == self.tags(labels).bool()).float().mean()
