"""A training loop of your own, watched: run it, and `cvtui attach resnet18` in another terminal."""

import torch
import torchvision
from torch.utils.data import DataLoader, TensorDataset

import cvtui
from cvtui.engine.data.embedded import shapes  # 6,000 drawn images, 32x32x3 in ten classes; any data set will do

train, validation = (TensorDataset(part.pixels.permute(0, 3, 1, 2) / 255, part.labels) for part in shapes()[:2])

model = torchvision.models.resnet18(weights=None, num_classes=10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
with cvtui.watch(model, optimizer, name="resnet18", validation=validation) as run:
    for _ in range(3):
        for x, y in DataLoader(train, batch_size=64, shuffle=True):
            logits = model(x)
            loss = torch.nn.functional.cross_entropy(logits, y)
            optimizer.zero_grad(), loss.backward(), optimizer.step()
            run.step(loss=loss, accuracy=(logits.argmax(1) == y).float().mean())
        run.epoch()
