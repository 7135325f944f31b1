"""Nets as people write them: own classes with functional layers, residual blocks, recurrent nets, transformers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LeNet(nn.Module):
    """Two convolutions and three linear layers; activations and pools are functions."""

    def __init__(self, channels: int = 3, classes: int = 10, side: int = 16) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 12, 5)
        self.conv2 = nn.Conv2d(12, 24, 3)
        self.flat = 24 * (((side - 4) // 2 - 2) // 2) ** 2
        self.fc1 = nn.Linear(self.flat, 84)
        self.fc2 = nn.Linear(84, 48)
        self.fc3 = nn.Linear(48, classes)

    def features(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return x.view(-1, self.flat)

    def head(self, x: Tensor) -> Tensor:
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class Block(nn.Module):
    """A basic residual block with batch norm and a projection where the shape changes."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.skip = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        inside = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(inside + self.skip(x))


class SmallResNet(nn.Module):
    """Three residual blocks, global mean, one linear layer called fc."""

    def __init__(self, channels: int = 3, classes: int = 10, width: int = 16) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = Block(width, width)
        self.layer2 = Block(width, 2 * width, 2)
        self.layer3 = Block(2 * width, 4 * width, 2)
        self.fc = nn.Linear(4 * width, classes)

    def features(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return x.mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x))


class RowLSTM(nn.Module):
    """The rows of a picture as a series through an LSTM; the last state is classified."""

    def __init__(self, shape: tuple[int, ...], classes: int = 10, hidden: int = 64, batch_first: bool = True) -> None:
        super().__init__()
        self.lstm = nn.LSTM(shape[0] * shape[2], hidden, batch_first=batch_first)
        self.out = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.permute(0, 2, 1, 3).flatten(2)
        states, _ = self.lstm(rows)
        return self.out(states[:, -1])


class RowGRU(nn.Module):
    """The rows of a picture through a two-layer bidirectional GRU, averaged over time."""

    def __init__(self, shape: tuple[int, ...], classes: int = 10, hidden: int = 32) -> None:
        super().__init__()
        self.gru = nn.GRU(shape[0] * shape[2], hidden, 2, batch_first=True, bidirectional=True, dropout=0.1)
        self.out = nn.Linear(2 * hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.gru(x.permute(0, 2, 1, 3).flatten(2))
        return self.out(states.mean(1))


class TinyViT(nn.Module):
    """Patches of 4x4, transformer layers written by hand, the mean of the tokens."""

    def __init__(self, shape: tuple[int, ...], classes: int = 10, width: int = 48, depth: int = 2) -> None:
        super().__init__()
        self.patch = nn.Linear(shape[0] * 16, width)
        self.place = nn.Parameter(0.02 * torch.randn(1, (shape[1] // 4) * (shape[2] // 4), width))
        self.blocks = nn.ModuleList([Attending(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        patches = F.unfold(x, 4, stride=4).transpose(1, 2)
        x = self.patch(patches) + self.place
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x.mean(1)))


class Attending(nn.Module):
    """A pre-norm transformer layer of four heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, tokens, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width)
        x = x + self.proj(mixed)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Mixer(nn.Module):
    """Two layers of an MLP-Mixer."""

    def __init__(self, shape: tuple[int, ...], classes: int = 10, width: int = 48) -> None:
        super().__init__()
        tokens = (shape[1] // 4) * (shape[2] // 4)
        self.patch = nn.Conv2d(shape[0], width, 4, 4)
        self.over = nn.ModuleList([_mlp(tokens) for _ in range(2)])
        self.inside = nn.ModuleList([_mlp(width) for _ in range(2)])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(4)])
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        for index in range(2):
            x = x + self.over[index](self.norms[2 * index](x).transpose(1, 2)).transpose(1, 2)
            x = x + self.inside[index](self.norms[2 * index + 1](x))
        return self.head(x.mean(1))


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def mobile(channels: int = 3, classes: int = 10, width: int = 24) -> nn.Sequential:
    """Depthwise separable convolutions with batch norm and SiLU."""
    made: list[nn.Module] = [nn.Conv2d(channels, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.SiLU()]
    for before, after in ((width, 2 * width), (2 * width, 4 * width)):
        made += [nn.Conv2d(before, before, 3, 1, 1, groups=before, bias=False), nn.BatchNorm2d(before), nn.SiLU(),
                 nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after), nn.SiLU()]  # fmt: skip
    return nn.Sequential(*made, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16 * width, classes))


def vgg(channels: int = 3, classes: int = 10, width: int = 16, head: int = 64) -> nn.Sequential:
    """Four 3x3 convolutions in two stages and two linear layers, 16x16 in."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveMaxPool2d(4),
        nn.Flatten(), nn.Linear(32 * width, head), nn.ReLU(inplace=True), nn.Linear(head, classes),
    )  # fmt: skip


def mlp(inputs: int, *sizes: int, between: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers with an activation between them."""
    made: list[nn.Module] = [nn.Flatten()]
    for before, after in zip((inputs, *sizes[:-1]), sizes, strict=True):
        made += [nn.Linear(before, after), between()]
    return nn.Sequential(*made[:-1])


class Dense(nn.Module):
    """Layers whose outputs are all kept beside each other (a dense block), then a linear layer."""

    def __init__(self, channels: int = 3, classes: int = 10, growth: int = 12) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 16, 3, 2, 1)
        widths = [16 + growth * step for step in range(3)]
        self.layers = nn.ModuleList(
            [nn.Sequential(nn.BatchNorm2d(w), nn.ReLU(), nn.Conv2d(w, growth, 3, padding=1)) for w in widths]
        )
        self.norm = nn.BatchNorm2d(16 + 3 * growth)
        self.classifier = nn.Linear(4 * (16 + 3 * growth), classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return self.classifier(F.adaptive_avg_pool2d(F.relu(self.norm(x)), 2).flatten(1))
