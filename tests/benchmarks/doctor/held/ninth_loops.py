"""The ninth set: loops of homework, and what they do with gradients, order and rate."""

from __future__ import annotations

from tests.benchmarks.doctor.held.ninth_base import CLASSIC, STILL, TOO_FAST, Script


class SquashedTwice(Script):
    """Cat or dog, torch.sigmoid in forward and BCEWithLogitsLoss: it always says the same, near 0.69."""

    truth, why = ("F40", "F15"), "the loss takes the sigmoid of a sigmoid: no score is below 0"
    source = "discuss.pytorch.org 145203"
    repair = (("return torch.sigmoid(self.fc2(x))", "return self.fc2(x)"), ("(out > 0.5)", "(out > 0)"))
    text = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import TensorDataset, DataLoader
from tests.benchmarks.doctor.held.ninth_images import photos

x, y, xt, yt = photos(classes=2, side=24, count=400, noise=5.0)
x, xt = (torch.from_numpy(a.transpose(0, 3, 1, 2).copy()).float().div(127.5).sub(1) for a in (x, xt))
y, yt = torch.from_numpy(y).float().unsqueeze(1), torch.from_numpy(yt).float().unsqueeze(1)

class CatDog(nn.Module):
    def __init__(self):
        super(CatDog, self).__init__()
        self.conv1 = nn.Conv2d(3, 16, 5)
        self.conv2 = nn.Conv2d(16, 32, 5)
        self.fc1 = nn.Linear(32 * 3 * 3, 64)
        self.fc2 = nn.Linear(64, 1)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.view(x.size(0), -1)))
        return torch.sigmoid(self.fc2(x))

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = CatDog().to(device)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
loader = DataLoader(TensorDataset(x, y), batch_size=20, shuffle=True)

for epoch in range(8):
    model.train()
    running = 0.0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        out = model(images)
        loss = criterion(out, labels)
        loss.backward()
        optimizer.step()
        running += loss.item()
    model.eval()
    with torch.no_grad():
        out = model(xt.to(device)).cpu()
        acc = ((out > 0.5).float() == yt).float().mean().item()
    print("[%d] loss: %.3f acc %.3f" % (epoch + 1, running / len(loader), acc))
"""


class ClearedBeforeTheStep(Script):
    """zero_grad() between backward() and step(): the loss stays where it was, to the last digit."""

    truth, why = ("F44", "F26"), "the step finds no gradients"
    source = f"discuss.pytorch.org, {CLASSIC}"
    repair = (("    loss.backward()\n        opt.zero_grad()\n", "    opt.zero_grad()\n        loss.backward()\n"),)
    text = """
# assignment 2: classify handwritten digits with an MLP
import numpy as np
import torch
from torch import nn
from tests.benchmarks.doctor.held.ninth_images import written_digits

X_train, y_train, X_test, y_test = written_digits()
X_train = torch.tensor(X_train.reshape(len(X_train), -1) / 255, dtype=torch.float32)
X_test = torch.tensor(X_test.reshape(len(X_test), -1) / 255, dtype=torch.float32)
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)

mlp = nn.Sequential(nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.Adam(mlp.parameters())
loss_fn = nn.CrossEntropyLoss()
batch_size, n_epochs = 40, 8

for epoch in range(n_epochs):
    perm = np.random.permutation(len(X_train))
    for start in range(0, len(perm), batch_size):
        idx = perm[start:start + batch_size]
        pred = mlp(X_train[idx])
        loss = loss_fn(pred, y_train[idx])
        loss.backward()
        opt.zero_grad()
        opt.step()
    with torch.no_grad():
        acc = (mlp(X_test).argmax(1) == y_test).float().mean()
    print(f"epoch {epoch}: loss {loss:.4f} acc {acc:.4f}")
"""


class TwoShuffles(Script):
    """np.random.shuffle(X) and np.random.shuffle(y), one after the other: accuracy of one tenth."""

    truth, why = ("F13",), "pictures and labels are mixed in two different orders"
    source = f"Stack Overflow, {CLASSIC}"
    repair = (
        ("np.random.shuffle(X)\nnp.random.shuffle(y)\n", "p = np.random.permutation(len(X))\nX, y = X[p], y[p]\n"),
    )
    text = """
import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from tests.benchmarks.doctor.held.ninth_images import written_digits

Xa, ya, Xb, yb = written_digits(16, 1100)
X, y = np.concatenate([Xa, Xb]).astype("float32") / 255.0, np.concatenate([ya, yb])
np.random.shuffle(X)
np.random.shuffle(y)
split = int(0.8 * len(X))
X_train, X_val = X[:split], X[split:]
y_train, y_val = y[:split], y[split:]

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x):
        return self.net(x)

model = Model()
opt = optim.Adam(model.parameters(), lr=0.002)
crit = nn.CrossEntropyLoss()
BS = 32

def batches(X, y):
    for i in range(0, len(X), BS):
        yield torch.from_numpy(X[i:i + BS]).unsqueeze(1), torch.from_numpy(y[i:i + BS])

for epoch in range(7):
    model.train()
    losses = []
    for xb, yb in batches(X_train, y_train):
        opt.zero_grad()
        loss = crit(model(xb), yb)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    model.eval()
    hits = 0
    with torch.no_grad():
        for xb, yb in batches(X_val, y_val):
            hits += int((model(xb).argmax(1) == yb).sum())
    print("Epoch", epoch, "train loss", np.mean(losses), "val acc %.3f" % (hits / len(X_val)))
"""


class RateOfTheExercise(Script):
    """The rate of the SGD exercise, 0.1, kept when the optimizer became Adam: 2.3 for ever."""

    truth, why = (*TOO_FAST, "F04"), "each weight moves by a tenth at each step"
    source = f"a course's forum, {CLASSIC}"
    symptoms = (*STILL, "F07", "F05")
    repair = (("learning_rate = 0.1", "learning_rate = 0.001"),)
    text = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from tests.benchmarks.doctor.held.ninth_images import photos

num_classes = 8
num_epochs = 10
learning_rate = 0.1
batch_size = 32

xtr, ytr, xte, yte = photos(num_classes, 24, 640)
to = lambda a: (torch.from_numpy(a).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
train_loader = DataLoader(TensorDataset(to(xtr), torch.from_numpy(ytr)), batch_size, shuffle=True)
test_loader = DataLoader(TensorDataset(to(xte), torch.from_numpy(yte)), batch_size)

class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 3 * 3, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 3 * 3)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)

model = ConvNet()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
n_total_steps = len(train_loader)
for epoch in range(num_epochs):
    for i, (images, labels) in enumerate(train_loader):
        outputs = model(images)
        loss = criterion(outputs, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (i + 1) % 10 == 0:
            print(f'Epoch [{epoch+1}/{num_epochs}], Step [{i+1}/{n_total_steps}], Loss: {loss.item():.4f}')
with torch.no_grad():
    n_correct = n_samples = 0
    for images, labels in test_loader:
        _, predicted = torch.max(model(images), 1)
        n_samples += labels.size(0)
        n_correct += (predicted == labels).sum().item()
print(f'acc {n_correct / n_samples:.3f}')
"""
