"""The ninth set: splits, episodes, averaged weights, decay."""

from __future__ import annotations

from tests.benchmarks.doctor.held.ninth_base import CLASSIC, PRACTICE, Script


class OversampledThenSplit(Script):
    """Rare classes are repeated until all are even, then the set is split: 0.98, and one half in use."""

    truth, why = ("F20",), "copies of the same images lie in both halves of the split"
    source = f"Kaggle's forum, {CLASSIC}"
    symptoms = ("F18",)
    repair = (
        ("X, y = oversample(X, y)\nX_train, X_val, y_train, y_val = split(X, y)\n",
         "X_train, X_val, y_train, y_val = split(X, y)\nX_train, y_train = oversample(X_train, y_train)\n"),
    )  # fmt: skip
    text = """
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tests.benchmarks.doctor.held.ninth_images import photos

rng = np.random.RandomState(123)

def load():
    x, y, _, _ = photos(3, 24, 700, noise=7.0)
    take = np.concatenate([np.flatnonzero(y == c)[:n] for c, n in ((0, 180), (1, 60), (2, 60))])
    return x[take].astype(np.float32).transpose(0, 3, 1, 2) / 255, y[take]

def oversample(X, y):
    most = np.bincount(y).max()
    idx = np.concatenate([rng.choice(np.flatnonzero(y == c), most, replace=np.sum(y == c) < most) for c in np.unique(y)])
    return X[idx], y[idx]

def split(X, y, test_size=0.25):
    order = rng.permutation(len(y))
    cut = int(len(y) * (1 - test_size))
    return X[order[:cut]], X[order[cut:]], y[order[:cut]], y[order[cut:]]

X, y = load()
X, y = oversample(X, y)
X_train, X_val, y_train, y_val = split(X, y)
mean, std = X_train.mean(), X_train.std()
as_ds = lambda a, b: TensorDataset(torch.from_numpy((a - mean) / std), torch.from_numpy(b))
train_loader = DataLoader(as_ds(X_train, y_train), batch_size=16, shuffle=True)
val_loader = DataLoader(as_ds(X_val, y_val), batch_size=64)

model = nn.Sequential(
    nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=7e-4)
criterion = nn.CrossEntropyLoss()
best = 0
for epoch in range(12):
    model.train()
    for xb, yb in train_loader:
        optimizer.zero_grad()
        criterion(model(xb), yb).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        acc = np.mean([(model(xb).argmax(1) == yb).float().mean().item() for xb, yb in val_loader])
    best = max(best, acc)
    print(f"epoch {epoch} val acc {acc:.3f} best {best:.3f}")
"""


class EpisodesLabels(Script):
    """A prototypical net: queries come class by class, their labels are numbered in turn: accuracy of a guess."""

    truth, why = ("F13",), "repeat(5) numbers 0 1 2 3 4 0 1 …, the queries lie as 0 0 0 … 1 1 1"
    source = f"{PRACTICE}: repeat and repeat_interleave"
    repair = (("torch.arange(self.way).repeat(self.query)", "torch.arange(self.way).repeat_interleave(self.query)"),)
    text = """
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tests.benchmarks.doctor.held.ninth_images import photos

def block(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2))

class EpisodeSampler:
    def __init__(self, images, labels, way=5, shot=3, query=5):
        self.by_class = [images[labels == c] for c in labels.unique()]
        self.way, self.shot, self.query = way, shot, query

    def __call__(self):
        support, query = [], []
        for c in np.random.choice(len(self.by_class), self.way, replace=False):
            pick = torch.randperm(len(self.by_class[c]))[:self.shot + self.query]
            chosen = self.by_class[c][pick]
            support.append(chosen[:self.shot])
            query.append(chosen[self.shot:])
        return torch.cat(support), torch.cat(query), torch.arange(self.way).repeat(self.query)

class ProtoNet(nn.Module):
    def __init__(self, way, shot):
        super().__init__()
        self.encoder = nn.Sequential(block(3, 32), block(32, 32), block(32, 32), nn.Flatten())
        self.way, self.shot = way, shot

    def forward(self, support, query):
        z = self.encoder(torch.cat([support, query]))
        prototypes = z[:len(support)].view(self.way, self.shot, -1).mean(1)
        return -torch.cdist(z[len(support):], prototypes) ** 2 / 16

x, y, xt, yt = [torch.from_numpy(a) for a in photos(16, 20, 960, noise=1.2)]
norm = lambda a: (a.permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.22
train, test = EpisodeSampler(norm(x), y), EpisodeSampler(norm(xt), yt)
model = ProtoNet(5, 3)
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(1, 201):
    model.train()
    support, query, labels = train()
    logits = model(support, query)
    loss = F.cross_entropy(logits, labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 50 == 0:
        model.eval()
        with torch.no_grad():
            accs = []
            for _ in range(20):
                support, query, labels = test()
                accs.append((model(support, query).argmax(1) == labels).float().mean().item())
        print(f"step {step} loss {loss.item():.3f} acc {np.mean(accs):.3f}")
"""


class EmaOfAShortRun(Script):
    """The averaged weights (decay 0.9999) are validated after a few hundred steps: a guess, training is fine."""

    truth, why = ("F23", "F21"), "after 150 steps the average is still 98 % of the first weights"
    source = f"{PRACTICE}: timm's --model-ema on a small data set"
    symptoms = ("F18", "F36", "F70", "F02", "F37")
    repair = (("EMA_DECAY = 0.9999", "EMA_DECAY = 0.9"),)
    text = """
import copy
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tests.benchmarks.doctor.held.ninth_images import photos

EMA_DECAY = 0.9999

class ModelEma(nn.Module):
    def __init__(self, model, decay):
        super().__init__()
        self.module = copy.deepcopy(model).eval()
        self.decay = decay
        for p in self.module.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        for ema_v, model_v in zip(self.module.state_dict().values(), model.state_dict().values()):
            if ema_v.dtype.is_floating_point:
                ema_v.mul_(self.decay).add_(model_v, alpha=1 - self.decay)
            else:
                ema_v.copy_(model_v)

def create_model(num_classes):
    return nn.Sequential(
        nn.Conv2d(3, 32, 4, 4), nn.GroupNorm(1, 32), nn.Conv2d(32, 32, 5, padding=2, groups=32), nn.GroupNorm(1, 32),
        nn.Conv2d(32, 96, 1), nn.GELU(), nn.Conv2d(96, 48, 1), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(192, num_classes))

def validate(model, loader):
    model.eval()
    hit = loss = n = 0
    with torch.no_grad():
        for x, y in loader:
            out = model(x)
            loss += nn.functional.cross_entropy(out, y, reduction="sum").item()
            hit += (out.argmax(1) == y).sum().item()
            n += len(y)
    return loss / n, hit / n

x, y, xv, yv = (torch.from_numpy(a) for a in photos(7, 24, 560))
prep = lambda a: (a.permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.22
train_loader = DataLoader(TensorDataset(prep(x), y), 32, shuffle=True)
val_loader = DataLoader(TensorDataset(prep(xv), yv), 70)
model = create_model(7)
model_ema = ModelEma(model, EMA_DECAY)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.02)
for epoch in range(9):
    model.train()
    for inputs, target in train_loader:
        loss = nn.functional.cross_entropy(model(inputs), target, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model_ema.update(model)
    val_loss, acc = validate(model_ema.module, val_loader)
    print(f"Train: {epoch} loss {loss.item():.3f}  Test (EMA): loss {val_loss:.3f} acc {acc:.3f}")
"""


class DecayAgainstOverfitting(Script):
    """weight_decay=0.5 against overfitting, SGD with momentum: neither training nor the test gets anywhere."""

    truth, why = ("F29",), "each step takes half a hundredth of the weights, and momentum ten times as much"
    source = f"Stack Overflow, {CLASSIC}"
    symptoms = ("F36", "F37", "F19", "F02", "F06")
    repair = (("--wd', default=0.5", "--wd', default=5e-4"),)
    text = """
import argparse
import torch, torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
from tests.benchmarks.doctor.held.ninth_images import photos

def get_args():
    p = argparse.ArgumentParser()
    p.add_argument('--lr', default=0.01, type=float)
    p.add_argument('--wd', default=0.5, type=float, help='weight decay')
    p.add_argument('--momentum', default=0.9, type=float)
    p.add_argument('--epochs', default=12, type=int)
    p.add_argument('--seed', default=3, type=int)
    return p.parse_args([])

def vgg(cfg, classes):
    layers, c = [], 3
    for v in cfg:
        if v == 'M':
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(c, v, 3, padding=1), nn.ReLU(inplace=True)]
            c = v
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(c * 9, 96), nn.ReLU(), nn.Linear(96, classes))

def run_epoch(model, loader, criterion, optimizer=None):
    training = optimizer is not None
    model.train(training)
    loss_sum = correct = total = 0
    with torch.set_grad_enabled(training):
        for x, y in loader:
            out = model(x)
            loss = criterion(out, y)
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(y)
            correct += (out.argmax(1) == y).sum().item()
            total += len(y)
    return loss_sum / total, correct / total

def main():
    args = get_args()
    torch.manual_seed(args.seed)
    x, y, xv, yv = photos(6, 24, 480)
    ds = [TensorDataset((torch.tensor(a).permute(0, 3, 1, 2) / 255. - .45) / .22, torch.tensor(b)) for a, b in ((x, y), (xv, yv))]
    train, val = DataLoader(ds[0], 32, shuffle=True), DataLoader(ds[1], 60)
    model = vgg([16, 'M', 32, 'M', 32, 'M'], 6)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), args.lr, args.momentum, weight_decay=args.wd)
    for epoch in range(args.epochs):
        tl, ta = run_epoch(model, train, criterion, optimizer)
        vl, va = run_epoch(model, val, criterion)
        print(f'{epoch} train {tl:.3f} {ta:.3f} val {vl:.3f} acc {va:.3f}')

main()
"""
