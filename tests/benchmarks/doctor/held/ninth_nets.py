"""The ninth set: small nets of homework and forum questions."""

from __future__ import annotations

from tests.benchmarks.doctor.held.ninth_base import CLASSIC, STILL, TOO_FAST, Script


class NormalAsItComes(Script):
    """nn.init.normal_(m.weight) for all layers of a deep net: the first loss is in the thousands."""

    truth, why = ("F10", "F07"), "weights of a spread of 1 make each layer's outputs ten times larger"
    source = f"Stack Overflow, {CLASSIC}"
    symptoms = (*STILL, *TOO_FAST, "F04")
    repair = (("nn.init.normal_(m.weight)", "nn.init.kaiming_normal_(m.weight)"),)
    text = """
import torch
from torch import nn
from torch.utils.data import TensorDataset, DataLoader
from tests.benchmarks.doctor.held.ninth_images import written_digits

class DeepNet(nn.Module):
    def __init__(self, hidden=96, depth=5):
        super().__init__()
        layers = [nn.Flatten(), nn.Linear(256, hidden), nn.ReLU()]
        for _ in range(depth - 1):
            layers += [nn.Linear(hidden, hidden), nn.ReLU()]
        layers.append(nn.Linear(hidden, 10))
        self.layers = nn.Sequential(*layers)
        self.apply(self.init_weights)

    def init_weights(self, m):
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.weight)
            nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.layers(x)

def accuracy(model, loader):
    model.eval()
    with torch.no_grad():
        n = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    model.train()
    return n / len(loader.dataset)

def train(model, train_loader, test_loader, epochs=7, lr=0.01):
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    for epoch in range(epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1} loss {loss.item():.3f} acc {accuracy(model, test_loader):.3f}")

if __name__ == "__main__":
    xa, ya, xb, yb = written_digits()
    prep = lambda x, y: TensorDataset((torch.tensor(x).float() / 255 - 0.13) / 0.31, torch.tensor(y))
    train(DeepNet(), DataLoader(prep(xa, ya), 32, shuffle=True), DataLoader(prep(xb, yb), 256))
"""


class ReluAtTheEnd(Script):
    """x = F.relu(self.fc3(x)); return x: some classes are never said."""

    truth, why = ("F42", "F04"), "scores below 0 are cut off, and a class whose scores are all 0 gets no gradient"
    source = f"Stack Overflow, {CLASSIC}"
    repair = (("        x = F.relu(self.fc3(x))", "        x = self.fc3(x)"),)
    text = """
import torch, torch.nn as nn, torch.nn.functional as F
import torch.optim as optim
from tests.benchmarks.doctor.held.ninth_images import photos

class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(3, 12, 3)
        self.conv2 = nn.Conv2d(12, 24, 3)
        self.fc1 = nn.Linear(24 * 3 * 3, 80)
        self.fc2 = nn.Linear(80, 40)
        self.fc3 = nn.Linear(40, 9)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = F.relu(self.fc3(x))
        return x

def get_data():
    a, b, c, d = photos(9, 20, 720, noise=0.8)
    f = lambda t: torch.from_numpy(t).float().permute(0, 3, 1, 2) / 255. - .45
    return f(a), torch.from_numpy(b), f(c), torch.from_numpy(d)

train_x, train_y, test_x, test_y = get_data()
net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
for epoch in range(10):
    order = torch.randperm(len(train_x))
    running_loss = 0.0
    for i in range(0, len(order), 24):
        inputs, labels = train_x[order[i:i+24]], train_y[order[i:i+24]]
        optimizer.zero_grad()
        outputs = net(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    with torch.no_grad():
        correct = (net(test_x).argmax(dim=1) == test_y).sum().item()
    print('epoch %d loss: %.3f acc %.3f' % (epoch + 1, running_loss / 30, correct / len(test_y)))
print('Finished Training')
"""


class SoftmaxForNll(Script):
    """F.softmax in forward, NLLLoss outside: a loss below 0 that falls to -1."""

    truth, why = ("F40", "F17"), "NLLLoss wants log-probabilities and is given probabilities"
    source = f"Stack Overflow, {CLASSIC}"
    repair = (("return F.softmax(x, dim=1)", "return F.log_softmax(x, dim=1)"),)
    text = """
import torch
from torch import nn, optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from tests.benchmarks.doctor.held.ninth_images import written_digits

class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(256, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 10)
        self.dropout = nn.Dropout(p=0.2)

    def forward(self, x):
        x = x.view(x.shape[0], -1)
        x = self.dropout(F.relu(self.fc1(x)))
        x = self.dropout(F.relu(self.fc2(x)))
        x = self.fc3(x)
        return F.softmax(x, dim=1)

images, labels, test_images, test_labels = (torch.as_tensor(a) for a in written_digits())
trainset = TensorDataset(images / 127.5 - 1, labels)
testset = TensorDataset(test_images / 127.5 - 1, test_labels)
trainloader = DataLoader(trainset, batch_size=64, shuffle=True)
testloader = DataLoader(testset, batch_size=64, shuffle=True)

model = Classifier()
criterion = nn.NLLLoss()
optimizer = optim.SGD(model.parameters(), lr=0.03, momentum=0.9)

epochs = 10
train_losses, test_losses = [], []
for e in range(epochs):
    running_loss = 0
    for images, labels in trainloader:
        optimizer.zero_grad()
        log_ps = model(images)
        loss = criterion(log_ps, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    else:
        test_loss, accuracy = 0, 0
        with torch.no_grad():
            model.eval()
            for images, labels in testloader:
                log_ps = model(images)
                test_loss += criterion(log_ps, labels)
                top_p, top_class = log_ps.topk(1, dim=1)
                equals = top_class == labels.view(*top_class.shape)
                accuracy += torch.mean(equals.type(torch.FloatTensor))
        model.train()
        train_losses.append(running_loss / len(trainloader))
        test_losses.append(test_loss / len(testloader))
        print("Epoch: {}/{}.. Training Loss: {:.3f}.. Test Loss: {:.3f}.. Test acc {:.3f}".format(
            e + 1, epochs, train_losses[-1], test_losses[-1], accuracy / len(testloader)))
"""


class AlwaysDropping(Script):
    """F.dropout(x, 0.5) in forward: model.eval() changes nothing, and the test is another one each time."""

    truth, why = ("F47",), "F.dropout drops as long as it isn't told training=False"
    source = f"discuss.pytorch.org, {CLASSIC}"
    repair = (("x = F.dropout(x, 0.5)\n        return", "x = F.dropout(x, 0.5, training=self.training)\n        return"),
              ("x = F.dropout(x, 0.5)\n        x", "x = F.dropout(x, 0.5, training=self.training)\n        x"))  # fmt: skip
    text = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from tests.benchmarks.doctor.held.ninth_images import photos

torch.manual_seed(7)

class AlexNetSmall(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 24, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        )
        self.fc6 = nn.Linear(48 * 5 * 5, 128)
        self.fc7 = nn.Linear(128, 64)
        self.fc8 = nn.Linear(64, classes)

    def forward(self, x):
        x = self.features(x).flatten(1)
        x = F.relu(self.fc6(x))
        x = F.dropout(x, 0.5)
        x = F.relu(self.fc7(x))
        x = F.dropout(x, 0.5)
        return self.fc8(x)

def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        logits = model(x)
    return F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()

def main(batch=32, epochs=12):
    xtr, ytr, xte, yte = [torch.from_numpy(a) for a in photos(6, 24, 480, noise=2.6)]
    xtr, xte = [(a.permute(0, 3, 1, 2) / 255 - 0.45) / 0.22 for a in (xtr, xte)]
    model = AlexNetSmall(6)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        model.train()
        for idx in torch.randperm(len(xtr)).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(model(xtr[idx]), ytr[idx]).backward()
            optimizer.step()
        loss, acc = evaluate(model, xte, yte)
        print(f"{epoch:3d} val loss {loss:.3f} acc {acc:.3f}")

main()
"""
