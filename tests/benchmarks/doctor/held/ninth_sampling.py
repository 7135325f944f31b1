"""The ninth set: what is drawn, weighed, and changed before the net sees it."""

from __future__ import annotations

from tests.benchmarks.doctor.held.ninth_base import CLASSIC, Script


class OneWeightAClass(Script):
    """WeightedRandomSampler is given a weight for each class: training is perfect, validation is not."""

    truth, why = ("F60",), "four weights: only the first four images are ever drawn"
    source = f"discuss.pytorch.org, {CLASSIC}"
    symptoms = ("F18", "F24", "F36")
    repair = (("WeightedRandomSampler(class_weights,", "WeightedRandomSampler(class_weights[targets],"),)
    text = """
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler
from tests.benchmarks.doctor.held.ninth_images import photos

images, targets, test_images, test_targets = photos(4, 24, 600)
keep = np.concatenate([np.where(targets == c)[0][:n] for c, n in enumerate([150, 150, 60, 60])])
keep = np.random.RandomState(0).permutation(keep)
images, targets = torch.from_numpy(images[keep]), torch.from_numpy(targets[keep])

class_sample_count = torch.bincount(targets)
class_weights = 1.0 / class_sample_count.float()
sampler = WeightedRandomSampler(class_weights, num_samples=len(targets), replacement=True)

prepare = lambda a: (a.permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.22
train_loader = DataLoader(TensorDataset(prepare(images), targets), batch_size=32, sampler=sampler)
val_loader = DataLoader(TensorDataset(prepare(torch.from_numpy(test_images)), torch.from_numpy(test_targets)), batch_size=50)

model = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(32 * 36, 64), nn.ReLU(), nn.Linear(64, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(16):
    model.train()
    train_correct = 0
    for data, label in train_loader:
        optimizer.zero_grad()
        out = model(data)
        loss = criterion(out, label)
        loss.backward()
        optimizer.step()
        train_correct += (out.argmax(1) == label).sum().item()
    model.eval()
    with torch.no_grad():
        val_correct = sum((model(d).argmax(1) == l).sum().item() for d, l in val_loader)
    print(f"epoch {epoch} train {train_correct / len(targets):.3f} val acc {val_correct / len(test_targets):.3f}")
"""


class WeightsUpsideDown(Script):
    """The loss is weighed by the share of each class: the rare ones are found even less than before."""

    truth, why = ("F24",), "a class of a twentieth has a weight of a twentieth: it counts a four-hundredth"
    source = f"Stack Overflow, {CLASSIC}"
    symptoms = ("F37", "F36", "F19", "F59")
    repair = (("weights = counts / counts.sum()", "weights = counts.sum() / (len(counts) * counts)"),)
    text = '''
import numpy as np
import torch
import torch.nn as nn
from collections import Counter
from torch.utils.data import DataLoader, Dataset
from tests.benchmarks.doctor.held.ninth_images import photos

NAMES = ["healthy", "rust", "scab", "mildew"]

class Leaves(Dataset):
    """Most leaves are healthy."""
    def __init__(self, train=True):
        x, y, xt, yt = photos(4, 24, 1600, noise=2.2)
        x, y = (x, y) if train else (xt, yt)
        if train:
            take = np.concatenate([np.where(y == c)[0][:n] for c, n in enumerate([400, 24, 20, 20])])
            x, y = x[take], y[take]
        self.x, self.y = x, y
    def __len__(self):
        return len(self.y)
    def __getitem__(self, i):
        x = torch.from_numpy(self.x[i]).permute(2, 0, 1).float() / 255
        return (x - 0.45) / 0.22, torch.tensor(self.y[i])

class LeafNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(),
                                  nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(3))
        self.head = nn.Linear(288, len(NAMES))
    def forward(self, x):
        return self.head(self.body(x).flatten(1))

train_set, test_set = Leaves(), Leaves(train=False)
counts = torch.tensor([float(Counter(train_set.y.tolist())[c]) for c in range(4)])
weights = counts / counts.sum()
print(dict(zip(NAMES, weights.tolist())))
train_dl, test_dl = DataLoader(train_set, 32, shuffle=True), DataLoader(test_set, 100)
net, loss_fn = LeafNet(), nn.CrossEntropyLoss(weight=weights)
opt = torch.optim.Adam(net.parameters(), 1e-3)
for epoch in range(14):
    net.train()
    for x, y in train_dl:
        opt.zero_grad()
        loss = loss_fn(net(x), y)
        loss.backward()
        opt.step()
    net.eval()
    pred, true = [], []
    with torch.no_grad():
        for x, y in test_dl:
            pred.append(net(x).argmax(1)); true.append(y)
    pred, true = torch.cat(pred), torch.cat(true)
    recall = [(pred[true == c] == c).float().mean().item() for c in range(4)]
    print(epoch, "recall", [round(r, 2) for r in recall], "acc %.3f" % np.mean(recall))
'''


class MeanTakenOffInPlace(Script):
    """img -= mean in __getitem__, of an array that the dataset keeps: fine at first, worse with each epoch."""

    truth, why = ("F61",), "each visit takes off the mean once more and divides once more"
    source = f"Stack Overflow, {CLASSIC}: an array is changed in place"
    symptoms = ("F11", "F21", "F36", "F18", "F03", "F07", "F01")
    repair = (("        img = self.images[idx]\n", "        img = self.images[idx].copy()\n"),)
    text = """
import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset, DataLoader
from tests.benchmarks.doctor.held.ninth_images import photos

class ArrayDataset(Dataset):
    def __init__(self, images, labels, mean, std):
        self.images = images.astype(np.float32).transpose(0, 3, 1, 2) / 255.0
        self.labels = labels
        self.mean = np.asarray(mean, dtype=np.float32).reshape(3, 1, 1)
        self.std = np.asarray(std, dtype=np.float32).reshape(3, 1, 1)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, idx):
        img = self.images[idx]
        img -= self.mean
        img /= self.std
        return torch.from_numpy(img), int(self.labels[idx])

def get_loaders(bs=32):
    x, y, xv, yv = photos(6, 24, 480, noise=2.2)
    mean, std = (x / 255).mean((0, 1, 2)), (x / 255).std((0, 1, 2))
    return (DataLoader(ArrayDataset(x, y, mean, std), bs, shuffle=True, num_workers=0),
            DataLoader(ArrayDataset(xv, yv, mean, std), bs, num_workers=0))

def train(model, train_dl, val_dl, epochs=12):
    optim = torch.optim.Adam(model.parameters(), lr=1e-3)
    lossf = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        tot = 0.0
        for xb, yb in train_dl:
            optim.zero_grad()
            l = lossf(model(xb), yb)
            l.backward()
            optim.step()
            tot += l.item() * len(yb)
        model.eval()
        good = 0
        with torch.no_grad():
            for xb, yb in val_dl:
                good += (model(xb).argmax(1) == yb).sum().item()
        print(f"epoch {epoch:2d} loss {tot / len(train_dl.dataset):.4f} acc {good / len(val_dl.dataset):.3f}")

net = nn.Sequential(
    nn.Conv2d(3, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(24, 32, 3, padding=1), nn.ReLU(),
    nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 36, 6))
train(net, *get_loaders())
"""


class TransformOfTheTest(Script):
    """The training transform normalises, the one of the test set was forgotten: 0.95 and 0.3."""

    truth, why = ("F21",), "test images lie in 0..1, training's have a mean of 0"
    source = f"discuss.pytorch.org, {CLASSIC}"
    symptoms = ("F18", "F11", "F23")
    repair = (("test_tf = T.Compose([T.ToTensor()])", "test_tf = T.Compose([T.ToTensor(), T.Normalize(MEAN, STD)])"),)
    text = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision.transforms as T
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torch.optim.lr_scheduler import CosineAnnealingLR
from tests.benchmarks.doctor.held.ninth_images import photos

MEAN, STD = (0.45, 0.45, 0.45), (0.11, 0.11, 0.11)
train_tf = T.Compose([T.RandomCrop(24, padding=1), T.ToTensor(), T.Normalize(MEAN, STD)])
test_tf = T.Compose([T.ToTensor()])

class Cifar(Dataset):
    data = photos(8, 24, 640)
    def __init__(self, train, transform):
        self.images, self.labels = self.data[:2] if train else self.data[2:]
        self.transform = transform
    def __getitem__(self, i):
        return self.transform(Image.fromarray(self.images[i])), int(self.labels[i])
    def __len__(self):
        return len(self.images)

class BasicBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout)
        self.c2, self.b2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout)
        self.short = nn.Conv2d(cin, cout, 1, stride, bias=False)
    def forward(self, x):
        return F.relu(self.b2(self.c2(F.relu(self.b1(self.c1(x))))) + self.short(x))

class ResNet8(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.stages = nn.Sequential(BasicBlock(16, 24, 1), BasicBlock(24, 32, 2), BasicBlock(32, 48, 2))
        self.fc = nn.Linear(48, classes)
    def forward(self, x):
        return self.fc(self.stages(F.relu(self.stem(x))).mean((2, 3)))

trainloader = DataLoader(Cifar(True, train_tf), 32, shuffle=True)
testloader = DataLoader(Cifar(False, test_tf), 64)
net = ResNet8(8)
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
scheduler = CosineAnnealingLR(optimizer, T_max=8)
for epoch in range(8):
    net.train()
    for x, y in trainloader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    scheduler.step()
    net.eval()
    correct = test_loss = 0
    with torch.no_grad():
        for x, y in testloader:
            out = net(x)
            test_loss += F.cross_entropy(out, y, reduction="sum").item()
            correct += out.argmax(1).eq(y).sum().item()
    print(f"{epoch}: train {loss.item():.3f} test {test_loss / len(testloader.dataset):.3f} acc {correct / len(testloader.dataset):.3f}")
"""
