"""The ninth set: folders, modes, scales of gradients and of pixels."""

from __future__ import annotations

from tests.benchmarks.doctor.held.ninth_base import PRACTICE, STILL, Script


class FolderOneUp(Script):
    """ImageFolder is given the folder above the classes: right in all at once, a loss of zero."""

    truth, why = ("F24", "F27"), "the one folder in it is taken for the one class: all labels are 0"
    source = "pytorch/examples issue 737"
    symptoms = ("F12", "F37")
    repair = (
        ("args.data + '/train'", "args.data + '/train/images'"),
        ("args.data + '/val'", "args.data + '/val/images'"),
    )
    text = """
import argparse
import shutil
import torch
import torch.nn as nn
import torchvision.transforms as T
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from tests.benchmarks.doctor.held.ninth_images import folders

parser = argparse.ArgumentParser(description='PyTorch ImageNet Training')
parser.add_argument('--data', default='data')
parser.add_argument('--epochs', default=8, type=int)
parser.add_argument('--lr', default=1e-3, type=float)
parser.add_argument('-b', '--batch-size', default=16, type=int)
args = parser.parse_args([])

folders('birds', ['crow', 'finch', 'gull', 'owl', 'tit'], side=32, count=300)
for part in ('train', 'val'):  # as the archive unpacks
    shutil.move('birds/' + part, 'data/' + part + '/images')

normalize = T.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
train_dataset = ImageFolder(args.data + '/train', T.Compose([T.RandomHorizontalFlip(), T.ToTensor(), normalize]))
val_dataset = ImageFolder(args.data + '/val', T.Compose([T.ToTensor(), normalize]))
train_loader = DataLoader(train_dataset, args.batch_size, shuffle=True)
val_loader = DataLoader(val_dataset, args.batch_size)

model = nn.Sequential(
    nn.Conv2d(3, 24, 3, stride=2, padding=1), nn.BatchNorm2d(24), nn.ReLU(inplace=True),
    nn.Conv2d(24, 48, 3, stride=2, padding=1), nn.BatchNorm2d(48), nn.ReLU(inplace=True),
    nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(768, 5))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), args.lr)

def validate():
    model.eval()
    correct = 0
    with torch.no_grad():
        for images, target in val_loader:
            correct += model(images).argmax(1).eq(target).sum().item()
    return correct / len(val_dataset)

for epoch in range(args.epochs):
    model.train()
    for i, (images, target) in enumerate(train_loader):
        output = model(images)
        loss = criterion(output, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if i % 10 == 0:
            print(f'Epoch: [{epoch}][{i}/{len(train_loader)}] Loss {loss.item():.4e}')
    print(f' * acc {validate():.3f}')
"""


class TrainModeOnce(Script):
    """model.train() stands above the loop, model.eval() in the validation of each epoch: accuracy falls again."""

    truth, why = ("F46",), "from the second epoch on it trains in evaluation mode"
    source = "blog.minimumloss.xyz (transfer-learning)"
    symptoms = (*STILL, "F23", "F01", "F03", "F07")
    repair = (("    training_loss = 0.0\n", "    training_loss = 0.0\n    model.train()\n"),)
    text = """
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset, random_split
from tests.benchmarks.doctor.held.ninth_images import photos

x, y, xt, yt = photos(classes=5, side=32, count=400, noise=2.4)
data = TensorDataset((torch.tensor(x).permute(0, 3, 1, 2) / 255.0 - 0.45) / 0.22, torch.tensor(y))
train_ds, valid_ds = random_split(data, [320, 80], generator=torch.Generator().manual_seed(42))
train_loader = DataLoader(train_ds, batch_size=32, shuffle=True)
valid_loader = DataLoader(valid_ds, batch_size=32)

def conv(i, o, s=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU6(inplace=True))

model = nn.Sequential(conv(3, 16, 2), conv(16, 32, 2), conv(32, 48), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                      nn.Dropout(0.2), nn.Linear(192, 5))
loss_fn = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=1e-2)

model.train()
for epoch in range(20):
    training_loss = 0.0
    for inputs, targets in train_loader:
        optimizer.zero_grad()
        output = model(inputs)
        loss = loss_fn(output, targets)
        loss.backward()
        optimizer.step()
        training_loss += loss.item() * inputs.size(0)
    training_loss /= len(train_loader.dataset)

    model.eval()
    valid_loss, num_correct = 0.0, 0
    with torch.no_grad():
        for inputs, targets in valid_loader:
            output = model(inputs)
            valid_loss += loss_fn(output, targets).item() * inputs.size(0)
            num_correct += (output.argmax(dim=1) == targets).sum().item()
    print('Epoch: {}, Training Loss: {:.2f}, Validation Loss: {:.2f}, acc {:.2f}'.format(
        epoch, training_loss, valid_loss / len(valid_ds), num_correct / len(valid_ds)))
"""


class RateOfFineTuning(Script):
    """Arguments copied from a fine-tuning script (2e-5, a warm-up, linear decay), a small net that begins from nothing."""

    truth, why = ("F02",), "a rate for weights that are trained already: from random ones 200 steps don't get far"
    source = PRACTICE
    symptoms = ("F36", "F37", "F19", "F18", "F32")
    repair = (("learning_rate: float = 2e-5", "learning_rate: float = 3e-3"),)
    text = """
from dataclasses import dataclass
import torch
import torch.nn as nn
import torchvision.transforms.v2 as v2
from torch.utils.data import DataLoader, Dataset
from tests.benchmarks.doctor.held.ninth_images import photos

@dataclass
class TrainingArguments:
    learning_rate: float = 2e-5
    warmup_ratio: float = 0.1
    weight_decay: float = 0.01
    num_train_epochs: int = 12
    per_device_train_batch_size: int = 32
    max_grad_norm: float = 1.0

class Photos(Dataset):
    def __init__(self, images, labels, train):
        ops = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.45] * 3, [0.22] * 3)]
        self.transform = v2.Compose(([v2.ToImage(), v2.RandomCrop(24, padding=2)] if train else []) + ops)
        self.images, self.labels = images, labels
    def __len__(self):
        return len(self.labels)
    def __getitem__(self, index):
        return {"pixel_values": self.transform(self.images[index]), "labels": int(self.labels[index])}

class Classifier(nn.Module):
    def __init__(self, num_labels):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 24, 5, 2, 2), nn.GroupNorm(4, 24), nn.SiLU(), nn.Conv2d(24, 48, 3, 2, 1), nn.GroupNorm(4, 48),
            nn.SiLU(), nn.Conv2d(48, 64, 3, 1, 1), nn.SiLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten())
        self.classifier = nn.Linear(576, num_labels)
    def forward(self, pixel_values, labels=None):
        logits = self.classifier(self.encoder(pixel_values))
        return {"loss": None if labels is None else nn.functional.cross_entropy(logits, labels), "logits": logits}

class Trainer:
    def __init__(self, model, args, train_dataset, eval_dataset):
        self.model, self.args, self.eval_dataset = model, args, eval_dataset
        self.loader = DataLoader(train_dataset, args.per_device_train_batch_size, shuffle=True, drop_last=True)
        self.optimizer = torch.optim.AdamW(model.parameters(), args.learning_rate, weight_decay=args.weight_decay)
        total = len(self.loader) * args.num_train_epochs
        warmup = int(args.warmup_ratio * total)
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda s: s / max(1, warmup) if s < warmup else max(0.0, (total - s) / (total - warmup)))

    def train(self):
        for epoch in range(self.args.num_train_epochs):
            self.model.train()
            for batch in self.loader:
                loss = self.model(**batch)["loss"]
                loss.backward()
                nn.utils.clip_grad_norm_(self.model.parameters(), self.args.max_grad_norm)
                self.optimizer.step()
                self.lr_scheduler.step()
                self.optimizer.zero_grad()
            print({"epoch": epoch, "loss": round(loss.item(), 4)}, f"eval acc {self.evaluate():.3f}")

    @torch.no_grad()
    def evaluate(self):
        self.model.eval()
        hits = 0
        for batch in DataLoader(self.eval_dataset, 60):
            hits += (self.model(**batch)["logits"].argmax(-1) == batch["labels"]).sum().item()
        return hits / len(self.eval_dataset)

x, y, xv, yv = photos(6, 24, 544, noise=1.6)
Trainer(Classifier(6), TrainingArguments(), Photos(x, y, True), Photos(xv, yv, False)).train()
"""


class StatisticsOfBytes(Script):
    """mean=[123.675, …], std=[58.395, …] of another library behind ToTensor: all pictures are the same grey."""

    truth, why = ("F11",), "pixels of 0..1 less 120, divided by 58: -2.1 everywhere, a spread of 0.004"
    source = f"{PRACTICE}: img_norm_cfg of mmcv copied to torchvision"
    repair = (("[123.675, 116.28, 103.53], [58.395, 57.12, 57.375]", "[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]"),)
    text = """
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from tests.benchmarks.doctor.held.ninth_images import folders

folders("cars", ["bus", "coupe", "suv", "van"], side=24, count=400, noise=1.2)
tfm = transforms.Compose([
    transforms.ToTensor(),
    transforms.Normalize([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
])
dls = {k: DataLoader(datasets.ImageFolder(f"cars/{k}", tfm), batch_size=32, shuffle=k == "train") for k in ("train", "val")}

class ConvBlock(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, padding=1)
        nn.init.kaiming_normal_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)
    def forward(self, x):
        return F.max_pool2d(F.relu(self.conv(x)), 2)

class CarNet(nn.Module):
    def __init__(self, n_classes=4):
        super().__init__()
        self.features = nn.Sequential(ConvBlock(3, 16), ConvBlock(16, 32), ConvBlock(32, 32))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(288, 64), nn.ReLU(), nn.Linear(64, n_classes))
    def forward(self, x):
        return self.classifier(self.features(x))

model = CarNet()
opt = torch.optim.AdamW(model.parameters(), lr=5e-4)
for epoch in range(15):
    model.train()
    for xb, yb in dls["train"]:
        loss = F.cross_entropy(model(xb), yb)
        loss.backward()
        opt.step()
        opt.zero_grad()
    model.eval()
    with torch.no_grad():
        acc = torch.cat([model(xb).argmax(1) == yb for xb, yb in dls["val"]]).float().mean()
    print(f"epoch {epoch} loss {loss.item():.3f} acc {acc:.3f}")
"""
