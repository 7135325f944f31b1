"""The ninth set: transformers, norms, accumulation, mixers."""

from __future__ import annotations

from tests.benchmarks.doctor.held.ninth_base import CLASSIC, STILL, TOO_FAST, Script


class BatchIsTheSequence(Script):
    """nn.TransformerEncoderLayer without batch_first=True, given B x N x D: another answer in another batch."""

    truth, why = ("F57",), "attention runs over the images of the batch, not over the patches of an image"
    source = f"Stack Overflow, {CLASSIC}"
    symptoms = (*STILL, "F23")
    repair = (("dim_feedforward=96, dropout=0.0)", "dim_feedforward=96, dropout=0.0, batch_first=True)"),)
    text = '''
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tests.benchmarks.doctor.held.ninth_images import written_digits

class RowTransformer(nn.Module):
    """Each row of the digit is a token."""
    def __init__(self, rows=16, d_model=48, n_layers=2, n_classes=10):
        super().__init__()
        self.embed = nn.Linear(rows, d_model)
        self.cls = nn.Parameter(torch.zeros(1, 1, d_model))
        self.pos = nn.Parameter(0.02 * torch.randn(1, rows + 1, d_model))
        layer = nn.TransformerEncoderLayer(d_model, nhead=4, dim_feedforward=96, dropout=0.0)
        self.encoder = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
        self.fc = nn.Linear(d_model, n_classes)

    def forward(self, x):
        x = self.embed(x.squeeze(1))
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1) + self.pos
        x = self.encoder(x)
        return self.fc(x[:, 0])

def fit(model, train_loader, test_loader, epochs, lr):
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        model.train()
        total_loss = 0
        for data, target in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(data), target)
            loss.backward()
            optimizer.step()
            total_loss += loss.item()
        model.eval()
        correct = 0
        with torch.no_grad():
            for data, target in test_loader:
                correct += model(data).argmax(dim=1).eq(target).sum().item()
        print(f"Epoch {epoch}: {total_loss / len(train_loader):.4f}, acc {correct / len(test_loader.dataset):.3f}")

a, b, c, d = (torch.from_numpy(v) for v in written_digits())
make = lambda img, lab, shuffle: DataLoader(TensorDataset(img.unsqueeze(1).float() / 255, lab), 32, shuffle=shuffle)
fit(RowTransformer(), make(a, b, True), make(c, d, False), epochs=8, lr=2e-3)
'''


class TwoImagesAndNorms(Script):
    """The card's memory holds two images, the net has batch norms: training jumps, validation is worse."""

    truth, why = ("F22",), "means and variances of two images are noise"
    source = f"discuss.pytorch.org, {CLASSIC}"
    symptoms = (*STILL, "F23", *TOO_FAST)
    repair = (("BATCH_SIZE = 2 ", "BATCH_SIZE = 24 "),)
    text = """
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
from tests.benchmarks.doctor.held.ninth_images import photos

BATCH_SIZE = 2  # CUDA out of memory with more
LR = 0.01
EPOCHS = 8

class ConvBNReLU(nn.Sequential):
    def __init__(self, c1, c2, k=3, s=1):
        super().__init__(nn.Conv2d(c1, c2, k, s, k // 2, bias=False), nn.BatchNorm2d(c2), nn.ReLU(inplace=True))

class SEBlock(nn.Module):
    def __init__(self, c, r=4):
        super().__init__()
        self.fc = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, c // r, 1), nn.ReLU(), nn.Conv2d(c // r, c, 1), nn.Sigmoid())
    def forward(self, x):
        return x * self.fc(x)

class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.stem = ConvBNReLU(3, 16, s=2)
        self.stage1 = nn.Sequential(ConvBNReLU(16, 32, s=2), SEBlock(32), ConvBNReLU(32, 32))
        self.stage2 = nn.Sequential(ConvBNReLU(32, 48, s=2), SEBlock(48))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 64),
                                  nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, n))
    def forward(self, x):
        return self.head(self.stage2(self.stage1(self.stem(x))))

def load():
    x, y, xv, yv = (torch.from_numpy(a) for a in photos(6, 24, 360, noise=1.3))
    f = lambda a: (a.permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.22
    return TensorDataset(f(x), y), TensorDataset(f(xv), yv)

train_set, val_set = load()
train_loader = DataLoader(train_set, batch_size=BATCH_SIZE, shuffle=True)
val_loader = DataLoader(val_set, batch_size=30)
model = Net(6)
opt = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9)
ce = nn.CrossEntropyLoss()
for epoch in range(EPOCHS):
    model.train()
    for imgs, labels in train_loader:
        opt.zero_grad()
        loss = ce(model(imgs), labels)
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        ok = sum((model(i).argmax(1) == l).sum().item() for i, l in val_loader)
    print(f"[{epoch + 1}/{EPOCHS}] acc {ok / len(val_set):.3f}")
"""


class AddedUpUndivided(Script):
    """Eight small batches before each update to stand for a large one, nothing divided: it diverges at a usual rate."""

    truth, why = ("F50", *TOO_FAST), "gradients of eight mean losses are added up: the step is eight times as large"
    source = f"discuss.pytorch.org, {CLASSIC}"
    symptoms = (*STILL, "F07", "F04", "F03")
    repair = (("            loss.backward()", "            (loss / self.accum).backward()"),)
    text = """
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from tests.benchmarks.doctor.held.ninth_images import photos

class Learner:
    def __init__(self, model, dls, lr=0.1, accum=8):
        self.model, self.dls, self.accum = model, dls, accum
        self.opt = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)

    def one_epoch_train(self):
        self.model.train()
        self.opt.zero_grad()
        for step, (xb, yb) in enumerate(self.dls["train"], 1):
            loss = F.cross_entropy(self.model(xb), yb)
            loss.backward()
            if step % self.accum == 0:
                self.opt.step()
                self.opt.zero_grad()
        return loss.item()

    @torch.no_grad()
    def one_epoch_valid(self):
        self.model.eval()
        preds, targs = zip(*[(self.model(xb).argmax(1), yb) for xb, yb in self.dls["valid"]])
        return (torch.cat(preds) == torch.cat(targs)).float().mean().item()

    def fit(self, n_epochs):
        for n in range(n_epochs):
            loss = self.one_epoch_train()
            print(f"{n} {loss:.3f} acc {self.one_epoch_valid():.3f}")

def get_model(n_out):
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, n_out))

x, y, xv, yv = [torch.from_numpy(a) for a in photos(6, 24, 1600)]
n = lambda a: (a.permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.22
dls = {"train": DataLoader(TensorDataset(n(x), y), 16, shuffle=True), "valid": DataLoader(TensorDataset(n(xv), yv), 64)}
Learner(get_model(6), dls).fit(12)
"""


class MixersInAList(Script):
    """A mixer whose blocks are kept in a Python list: the summary shows far too few parameters."""

    truth, why = ("F45", "F26"), "layers in a list are not the model's: they are never trained"
    source = f"Stack Overflow, {CLASSIC}"
    repair = (("self.blocks = [MixerBlock(dim, n) for _ in range(depth)]",
               "self.blocks = nn.ModuleList([MixerBlock(dim, n) for _ in range(depth)])"),)  # fmt: skip
    text = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tests.benchmarks.doctor.held.ninth_images import photos

class MixerBlock(nn.Module):
    def __init__(self, dim, tokens):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.tokens = nn.Sequential(nn.Linear(tokens, tokens), nn.GELU(), nn.Linear(tokens, tokens))
        self.channels = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x):
        x = x + self.tokens(self.ln1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.ln2(x))

class Mixer(nn.Module):
    def __init__(self, size=24, patch=4, dim=40, depth=3, num_classes=8):
        super().__init__()
        n = (size // patch) ** 2
        self.stem = nn.Conv2d(3, dim, patch, patch)
        self.blocks = [MixerBlock(dim, n) for _ in range(depth)]
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(1))

train_x, train_y, val_x, val_y = [torch.from_numpy(a) for a in photos(8, 24, 560, noise=1.8)]
t = lambda a: (a.permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.22
train_loader = DataLoader(TensorDataset(t(train_x), train_y), batch_size=28, shuffle=True, drop_last=True)
val_loader = DataLoader(TensorDataset(t(val_x), val_y), batch_size=70)
model = Mixer()
print("parameters:", sum(p.numel() for p in model.parameters()))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 8 * len(train_loader))
loss_function = nn.CrossEntropyLoss()
for epoch in range(8):
    model.train()
    for inputs, targets in train_loader:
        optimizer.zero_grad()
        loss = loss_function(model(inputs), targets)
        loss.backward()
        optimizer.step()
        scheduler.step()
    model.eval()
    with torch.no_grad():
        score = sum((model(i).argmax(1) == t).float().sum().item() for i, t in val_loader) / 140
    print(f"epoch {epoch} acc {score:.3f}")
"""
