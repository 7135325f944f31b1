"""The ninth set: scripts of practitioners, with AMP, schedules, folders."""

from __future__ import annotations

from tests.benchmarks.doctor.held.ninth_base import Script


class ClippedBeforeUnscaled(Script):
    """Mixed precision with a scaler, gradients clipped at 1 while they are still scaled: a very flat curve."""

    truth, why = ("F33", "F02"), "the clipped gradients are 65,536 times too large: each is cut, then divided"
    source = "Lightning-AI/pytorch-lightning issue 9599, allenai/allennlp pull request 5426"
    symptoms = ("F36", "F37", "F19", "F18")
    repair = (("            nn.utils.clip", "            scaler.unscale_(optimizer)\n            nn.utils.clip"),)
    text = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models.resnet import BasicBlock, ResNet
from tests.benchmarks.doctor.held.ninth_images import photos

CFG = dict(epochs=5, batch_size=16, lr=0.02, momentum=0.9, weight_decay=5e-4, clip=1.0)

def make_loader(x, y, train):
    x = torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255
    mean = torch.tensor([0.45, 0.45, 0.45]).view(3, 1, 1)
    return DataLoader(TensorDataset((x - mean) / 0.22, torch.from_numpy(y)), CFG["batch_size"], shuffle=train)

def main():
    x, y, xv, yv = photos(6, 24, 480)
    train_loader, val_loader = make_loader(x, y, True), make_loader(xv, yv, False)
    model = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=6)
    optimizer = torch.optim.SGD(model.parameters(), lr=CFG["lr"], momentum=CFG["momentum"],
                                weight_decay=CFG["weight_decay"])
    criterion = nn.CrossEntropyLoss()
    scaler = torch.amp.GradScaler("cpu")
    for epoch in range(CFG["epochs"]):
        model.train()
        for images, target in train_loader:
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = criterion(model(images), target)
            scaler.scale(loss).backward()
            nn.utils.clip_grad_norm_(model.parameters(), CFG["clip"])
            scaler.step(optimizer)
            scaler.update()
        model.eval()
        correct = 0
        with torch.no_grad():
            for images, target in val_loader:
                correct += (model(images).argmax(1) == target).sum().item()
        print(f"epoch {epoch} acc {correct / len(yv):.3f}")

main()
"""


class ClassesAsTheyCome(Script):
    """Two CSV files, names numbered in the order in which each file has them: training is fine, validation is not."""

    truth, why = ("F21",), "a class has another number in the validation set"
    source = "uzh-rpg/rpg_event_representation_learning issue 2"
    symptoms = ("F18", "F36")
    repair = (("        labels = {}", "        labels = dict(apple=0, banana=1, cherry=2, grape=3, lemon=4, mango=5)"),)
    text = """
import csv, os
import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from PIL import Image
from torch.utils.data import Dataset, DataLoader
from torchvision import transforms
from tests.benchmarks.doctor.held.ninth_images import folders

folders("fruit", ["apple", "banana", "cherry", "grape", "lemon", "mango"])

class FruitDataset(Dataset):
    def __init__(self, csv_file, root, transform=None):
        self.root, self.transform = root, transform
        labels = {}
        self.samples = []
        with open(csv_file) as f:
            for row in csv.DictReader(f):
                if row["label"] not in labels:
                    labels[row["label"]] = len(labels)
                self.samples.append((row["file"], labels[row["label"]]))

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        name, label = self.samples[i]
        image = Image.open(os.path.join(self.root, name)).convert("RGB")
        return self.transform(image), label

tf = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)])
train = DataLoader(FruitDataset("fruit/train.csv", "fruit", tf), batch_size=32, shuffle=True)
val = DataLoader(FruitDataset("fruit/val.csv", "fruit", tf), batch_size=32)

net = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(4),
    nn.Flatten(), nn.Linear(512, 6))
loss_fn = nn.CrossEntropyLoss()
opt = optim.Adam(net.parameters(), lr=1e-3)

for epoch in range(12):
    net.train()
    total = 0
    for x, y in train:
        opt.zero_grad()
        loss = loss_fn(net(x), y)
        loss.backward()
        opt.step()
        total += loss.item()
    net.eval()
    right = val_loss = 0
    with torch.no_grad():
        for x, y in val:
            out = net(x)
            val_loss += loss_fn(out, y).item()
            right += (out.argmax(1) == y).sum().item()
    print(epoch, total / len(train), val_loss / len(val), "acc %.3f" % (right / len(val.dataset)))
"""


class StepsOfTheTutorial(Script):
    """Transfer learning's tutorial on one's own folder, StepLR(7) stepped for each batch: nothing moves any more."""

    truth, why = ("F32", "F02"), "the rate is cut to a tenth every seven batches, not epochs"
    source = "pytorch/tutorials pull request 640"
    symptoms = ("F36", "F37", "F19", "F18")
    repair = (
        ("                        scheduler.step()\n", ""),
        ("            epoch_loss = ", "            if phase == 'train':\n                scheduler.step()\n            epoch_loss = "),
    )  # fmt: skip
    text = """
import copy, os
import torch
import torch.nn as nn
import torch.optim as optim
from torch.optim import lr_scheduler
from torchvision import datasets, models, transforms
from tests.benchmarks.doctor.held.ninth_images import folders

folders("hymenoptera", ["ants", "bees", "wasps"], side=32, count=240, noise=2.0)
norm = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
data_transforms = {
    'train': transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor(), norm]),
    'val': transforms.Compose([transforms.ToTensor(), norm]),
}
image_datasets = {x: datasets.ImageFolder(os.path.join('hymenoptera', x), data_transforms[x]) for x in ['train', 'val']}
dataloaders = {x: torch.utils.data.DataLoader(image_datasets[x], batch_size=16, shuffle=True) for x in ['train', 'val']}
dataset_sizes = {x: len(image_datasets[x]) for x in ['train', 'val']}
class_names = image_datasets['train'].classes

def train_model(model, criterion, optimizer, scheduler, num_epochs=25):
    best_acc = 0.0
    best_wts = copy.deepcopy(model.state_dict())
    for epoch in range(num_epochs):
        for phase in ['train', 'val']:
            model.train() if phase == 'train' else model.eval()
            running_loss, running_corrects = 0.0, 0
            for inputs, labels in dataloaders[phase]:
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == 'train'):
                    outputs = model(inputs)
                    _, preds = torch.max(outputs, 1)
                    loss = criterion(outputs, labels)
                    if phase == 'train':
                        loss.backward()
                        optimizer.step()
                        scheduler.step()
                running_loss += loss.item() * inputs.size(0)
                running_corrects += torch.sum(preds == labels.data)
            epoch_loss = running_loss / dataset_sizes[phase]
            epoch_acc = running_corrects.double() / dataset_sizes[phase]
            print(f'{phase} Loss: {epoch_loss:.4f} acc {epoch_acc:.4f}')
            if phase == 'val' and epoch_acc > best_acc:
                best_acc, best_wts = epoch_acc, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_wts)
    return model

model_ft = models.resnet.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1])
model_ft.fc = nn.Linear(model_ft.fc.in_features, len(class_names))
optimizer_ft = optim.SGD(model_ft.parameters(), lr=0.001, momentum=0.9)
exp_lr_scheduler = lr_scheduler.StepLR(optimizer_ft, step_size=7, gamma=0.1)
train_model(model_ft, nn.CrossEntropyLoss(), optimizer_ft, exp_lr_scheduler, num_epochs=12)
"""


class OneCycleByTheEpoch(Script):
    """OneCycleLR, told the steps of an epoch, but stepped behind each epoch: it never leaves the first rate."""

    truth, why = ("F02", "F32"), "of a cycle of 240 steps it makes eight: the rate stays at a hundredth of its maximum"
    source = "CodefyUI/CodefyUI issue 244, pytorch/pytorch issue 65417"
    symptoms = ("F36", "F37", "F19", "F18")
    repair = (
        (
            "            self.optimizer.step()\n",
            "            self.optimizer.step()\n            self.scheduler.step()\n",
        ),
        ("            self.scheduler.step()  # next epoch\n", ""),
    )
    text = """
import argparse
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from tests.benchmarks.doctor.held.ninth_images import written_digits

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = nn.Linear(512, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))

class Trainer:
    def __init__(self, args):
        x, y, xv, yv = written_digits()
        self.train = DataLoader(TensorDataset(torch.tensor(x)[:, None] / 255.0, torch.tensor(y)), args.bs, shuffle=True)
        self.val = DataLoader(TensorDataset(torch.tensor(xv)[:, None] / 255.0, torch.tensor(yv)), 128)
        self.model = Net()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=args.lr, momentum=0.9)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=args.lr, epochs=args.epochs, steps_per_epoch=len(self.train), div_factor=100)
        self.args = args

    def train_epoch(self):
        self.model.train()
        for x, y in self.train:
            loss = F.cross_entropy(self.model(x), y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def evaluate(self):
        self.model.eval()
        return sum((self.model(x).argmax(1) == y).sum().item() for x, y in self.val) / len(self.val.dataset)

    def fit(self):
        for epoch in range(self.args.epochs):
            loss = self.train_epoch()
            print(f"{epoch}: loss {loss:.3f} acc {self.evaluate():.3f}")
            self.scheduler.step()  # next epoch

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--bs", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=8)
    Trainer(parser.parse_args([])).fit()
"""
