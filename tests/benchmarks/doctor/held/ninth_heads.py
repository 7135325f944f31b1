"""The ninth set: heads, losses, tokens, and what the optimizer holds."""

from __future__ import annotations

from tests.benchmarks.doctor.held.ninth_base import CLASSIC, PRACTICE, STILL, TOO_FAST, Script


class ManyLabelsOneLoss(Script):
    """Several labels a picture, rows of zeros and ones, nn.CrossEntropyLoss: the loss falls, the scores mean nothing."""

    truth, why = (
        ("F43", "F40", "F39"),
        "a softmax makes labels that hold together exclude each other: BCEWithLogitsLoss",
    )
    source = f"discuss.pytorch.org, {CLASSIC}: multi-label with CrossEntropyLoss"
    repair = (("criterion = nn.CrossEntropyLoss()", "criterion = nn.BCEWithLogitsLoss()"),)
    text = '''
import torch
import torch.nn as nn
from torch.utils.data import Dataset, DataLoader
from tests.benchmarks.doctor.held.ninth_images import photos

class MultiLabel(Dataset):
    """Two tiles side by side; which kinds of thing are in the picture?"""
    def __init__(self, tiles, kinds, n, seed):
        g = torch.Generator().manual_seed(seed)
        pairs = torch.randint(len(tiles), (n, 2), generator=g)
        tiles = torch.from_numpy(tiles).permute(0, 3, 1, 2).float() / 255
        self.x = torch.cat([tiles[pairs[:, 0]], tiles[pairs[:, 1]]], 3)
        pairs[n // 2:, 1] = pairs[n // 2:, 0]
        self.y = torch.zeros(n, 9)
        kinds = torch.from_numpy(kinds)
        for k in (0, 1):
            self.y[torch.arange(n), kinds[pairs[:, k]]] = 1.0

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return (self.x[i] - 0.45) / 0.22, self.y[i]

x, y, xv, yv = photos(9, 16, 600, noise=0.8)
train_dl = DataLoader(MultiLabel(x, y, 640, 0), batch_size=32, shuffle=True)
val_dl = DataLoader(MultiLabel(xv, yv, 200, 1), batch_size=50)

class Tagger(nn.Module):
    def __init__(self, n_tags):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(3, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(24, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2))
        self.out = nn.Linear(48 * 4 * 8, n_tags)

    def forward(self, x):
        return self.out(self.cnn(x).flatten(1))

net = Tagger(9)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(8):
    net.train()
    for images, tags in train_dl:
        optimizer.zero_grad()
        loss = criterion(net(images), tags)
        loss.backward()
        optimizer.step()
    net.eval()
    exact = n = 0
    with torch.no_grad():
        for images, tags in val_dl:
            pred = (torch.sigmoid(net(images)) > 0.5).float()
            exact += (pred == tags).all(1).sum().item()
            n += len(tags)
    print(f"epoch {epoch} loss {loss.item():.3f} exact match acc {exact / n:.3f}")
'''


class GradeByMeanSquares(Script):
    """Five kinds of fruit as the numbers 0 to 4, one output, MSELoss, and round(): a third is right."""

    truth, why = ("F43", "F41"), "kinds have no order: between 0 and 4 it says 2"
    source = f"Stack Overflow, {CLASSIC}"
    repair = (
        ("nn.Linear(64, 1)", "nn.Linear(64, 5)"),
        ("criterion = nn.MSELoss()", "criterion = nn.CrossEntropyLoss()"),
        ("criterion(model(xb).squeeze(1), yb.float())", "criterion(model(xb), yb)"),
        ("model(x_test).squeeze(1).round().long()", "model(x_test).argmax(1)"),
    )
    text = """
import torch
from torch import nn
from torch.optim import Adam
from torch.utils.data import DataLoader, TensorDataset
from tests.benchmarks.doctor.held.ninth_images import photos

x_train, y_train, x_test, y_test = map(torch.from_numpy, photos(5, 20, 500, noise=2.4))
x_train = x_train.permute(0, 3, 1, 2).float().div(255).sub(0.45).div(0.22)
x_test = x_test.permute(0, 3, 1, 2).float().div(255).sub(0.45).div(0.22)

model = nn.Sequential(
    nn.Conv2d(3, 16, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(800, 64), nn.ReLU(), nn.Linear(64, 1),
)
criterion = nn.MSELoss()
optimizer = Adam(model.parameters(), lr=1e-3)
dataloader = DataLoader(TensorDataset(x_train, y_train), batch_size=25, shuffle=True)

history = []
for epoch in range(8):
    epoch_loss = 0.0
    for xb, yb in dataloader:
        optimizer.zero_grad()
        loss = criterion(model(xb).squeeze(1), yb.float())
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item()
    with torch.no_grad():
        predictions = model(x_test).squeeze(1).round().long()
    history.append(epoch_loss / len(dataloader))
    print(f"epoch {epoch}: loss={history[-1]:.4f} acc {(predictions == y_test).float().mean():.3f}")
"""


class FcBehindTheOptimizer(Script):
    """The head is replaced when the optimizer is already made: fine-tuning stays near a guess."""

    truth, why = ("F26",), "the optimizer holds the old head, the new one is never moved"
    source = f"discuss.pytorch.org, {CLASSIC}"
    repair = (
        ("    optimizer = build_optimizer(model, cfg)\n    model.fc", "    model.fc"),
        (
            "    model.train()\n    step = 0",
            "    optimizer = build_optimizer(model, cfg)\n    model.train()\n    step = 0",
        ),
    )
    text = """
import dataclasses
import torch
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet
from tests.benchmarks.doctor.held.ninth_images import photos

@dataclasses.dataclass
class Config:
    lr: float = 0.01
    weight_decay: float = 0.01
    batch_size: int = 24
    steps: int = 150
    num_classes: int = 6
    image_size: int = 32

def build_optimizer(model, cfg):
    decay = [p for p in model.parameters() if p.ndim > 1]
    no_decay = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.AdamW([{"params": decay, "weight_decay": cfg.weight_decay},
                              {"params": no_decay, "weight_decay": 0.0}], lr=cfg.lr)

def batches(x, y, size):
    while True:
        for index in torch.randperm(len(x)).split(size):
            yield x[index], y[index]

def main(cfg):
    torch.manual_seed(0)
    x, y, xv, yv = (torch.from_numpy(a) for a in photos(cfg.num_classes, cfg.image_size, 480))
    x, xv = ((a.permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.22 for a in (x, xv))
    model = ResNet(Bottleneck, [1, 1, 1, 1], width_per_group=32)
    optimizer = build_optimizer(model, cfg)
    model.fc = nn.Linear(model.fc.in_features, cfg.num_classes)
    for name, p in model.named_parameters():
        p.requires_grad = name.startswith("fc.")
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    model.train()
    step = 0
    for xb, yb in batches(x, y, cfg.batch_size):
        loss = criterion(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 50 == 0:
            model.eval()
            with torch.no_grad():
                acc = (model(xv).argmax(1) == yv).float().mean().item()
            model.train()
            print(f"step {step} loss {loss.item():.3f} acc {acc:.3f}")
        if step == cfg.steps:
            break

main(Config())
"""


class TokensByView(Script):
    """A ViT of one's own: the patches' features come by x.view(B, N, C) from B x C x H x W: it learns badly."""

    truth, why = ("F58",), "view mixes channels and places: each token holds one channel of many patches"
    source = f"{PRACTICE}: flatten(2).transpose(1, 2) of a patch embedding"
    symptoms = (*STILL, *TOO_FAST)
    repair = (("x = x.view(B, H * W, C)", "x = x.flatten(2).transpose(1, 2)"),)
    text = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from tests.benchmarks.doctor.held.ninth_images import photos

class PatchEmbed(nn.Module):
    def __init__(self, patch=4, dim=48):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=patch, stride=patch)

    def forward(self, x):
        x = self.proj(x)
        B, C, H, W = x.shape
        x = x.view(B, H * W, C)
        return x

class Block(nn.Module):
    def __init__(self, dim, heads=4):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))

class ViT(nn.Module):
    def __init__(self, size=24, dim=48, depth=3, classes=6):
        super().__init__()
        self.patch_embed = PatchEmbed(4, dim)
        self.pos_embed = nn.Parameter(torch.randn(1, (size // 4) ** 2, dim) * 0.02)
        self.blocks = nn.Sequential(*[Block(dim) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.patch_embed(x) + self.pos_embed
        return self.head(self.norm(self.blocks(x)).mean(1))

x, y, xv, yv = (torch.from_numpy(a) for a in photos(6, 24, 600, noise=1.4))
x, xv = ((a.permute(0, 3, 1, 2).contiguous().float() / 255 - 0.45) / 0.22 for a in (x, xv))
model = ViT()
opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
epochs, bs = 12, 40
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 2e-3, total_steps=epochs * (len(x) // bs))
for epoch in range(epochs):
    model.train()
    for i in torch.randperm(len(x)).split(bs):
        loss = F.cross_entropy(model(x[i]), y[i])
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        sched.step()
    model.eval()
    with torch.no_grad():
        print(epoch, f"loss {loss.item():.3f} acc {(model(xv).argmax(1) == yv).float().mean().item():.3f}")
"""
