"""The others, each in a process of its own: `python -m tests.benchmarks.peers WHO CASE`.

It builds and warms up, says `{"ready": true}`, and then for each line `{"seconds": S}` on stdin trains that long and
says `{"steps": n, "seconds": s}`. In between it waits in a read, so that it takes nothing from whoever has its turn.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

from tests.benchmarks import sets
from tests.benchmarks.cases import CASES, Case
from tests.benchmarks.held import case_of


class Gate:
    """Stands in the loop: `step` is called after each training step, and waits while it is not our turn."""

    def __init__(self, answers: IO[str]) -> None:
        self._answers = answers
        self._until = 0.0
        self._steps = -3  # the first ones warm up
        self._begun = 0.0

    def step(self) -> None:
        self._steps += 1
        if self._steps < 0:
            return
        now = time.perf_counter()
        if now < self._until:
            return
        told = {"steps": self._steps, "seconds": now - self._begun} if self._begun else {"ready": True}
        self._answers.write(json.dumps(told) + "\n")
        self._answers.flush()
        line = sys.stdin.readline()
        if not line:
            os._exit(0)  # nobody asks for more
        self._steps, self._begun = 0, time.perf_counter()
        self._until = self._begun + json.loads(line)["seconds"]


def tensors(case: Case, device: str) -> tuple[Any, Any]:
    """Training images, standardised, float32 N x C x H x W, and labels: both in memory, on the device."""
    pixels, labels = training_set(case)
    images = pixels.float()
    std, mean = (value.view(1, -1, 1, 1) for value in (images.std((0, 2, 3)), images.mean((0, 2, 3))))
    return ((images - mean) / std).contiguous().to(device), labels.to(device)


def training_set(case: Case) -> tuple[Any, Any]:
    """uint8 N x C x H x W and labels."""
    train = getattr(sets, case.fields["data"].rpartition(":")[2])()[0]
    images, labels = train.tensors
    return images.contiguous(), labels


def adamw(parameters: Any, case: Case) -> Any:
    import torch

    return torch.optim.AdamW(parameters, lr=case.fields["lr"], weight_decay=case.fields["weight_decay"])


def plain(case: Case, gate: Gate, device: str) -> None:
    """Plain loop as a good engineer writes it.

    Tensors in memory, shuffled by index, the loss told now and then.
    """
    import torch
    from torch.nn import functional

    images, labels = tensors(case, device)
    model = case.net().to(device)
    optimizer = adamw(model.parameters(), case)
    size = case.fields["batch_size"]
    number = 0
    while True:
        order = torch.randperm(len(images), device=device)
        for start in range(0, len(images), size):
            index = order[start : start + size]
            loss = functional.cross_entropy(model(images[index]), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            number += 1
            if number % 100 == 0:
                print(f"step {number}: loss {loss.item():.4f}")
            gate.step()


def dataloader(case: Case, gate: Gate, device: str) -> None:
    """Loop of the tutorials, with a DataLoader.

    Two workers over images that are transformed one by one, loss and accuracy added up at every step.
    """
    from torch.nn import functional
    from torch.utils.data import DataLoader, Dataset

    pixels, targets = training_set(case)

    class Set(Dataset[Any]):
        def __len__(self) -> int:
            return len(targets)

        def __getitem__(self, number: int) -> Any:
            image = pixels[number].float().div(255)
            return (image - 0.5) / 0.25, int(targets[number])

    loader = DataLoader(
        Set(), batch_size=case.fields["batch_size"], shuffle=True, num_workers=2, persistent_workers=True
    )
    model = case.net().to(device)
    optimizer = adamw(model.parameters(), case)
    running, right = 0.0, 0
    while True:
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            logits = model(images)
            loss = functional.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            running += loss.item()
            right += int((logits.argmax(1) == labels).sum().item())
            gate.step()


def _loader(case: Case) -> Any:
    from torch.utils.data import DataLoader, TensorDataset

    return DataLoader(TensorDataset(*tensors(case, "cpu")), batch_size=case.fields["batch_size"], shuffle=True)


def lightning(case: Case, gate: Gate, device: str) -> None:
    """Lightning with its progress bar, loss and accuracy on it; no logger and no checkpoints."""
    import logging
    import warnings

    import lightning as pl
    from torch.nn import functional

    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = case.net()

        def training_step(self, batch: Any, _number: int) -> Any:
            images, labels = batch
            logits = self.model(images)
            loss = functional.cross_entropy(logits, labels)
            self.log("train_loss", loss, prog_bar=True)
            self.log("train_acc", (logits.argmax(1) == labels).float().mean(), prog_bar=True)
            return loss

        def configure_optimizers(self) -> Any:
            return adamw(self.parameters(), case)

    class Told(pl.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            gate.step()

    trainer = pl.Trainer(
        max_epochs=-1, accelerator="gpu" if device == "cuda" else "cpu", devices=1, logger=False,
        enable_checkpointing=False, enable_model_summary=False, callbacks=[Told()],
    )  # fmt: skip
    trainer.fit(Module(), _loader(case))


def fastai(case: Case, gate: Gate, device: str) -> None:
    """Loop of fastai with ActivationStats at every tenth step, accuracy and its progress bar."""
    import torch
    from fastai.callback.core import Callback
    from fastai.callback.hook import ActivationStats
    from fastai.callback.progress import ProgressCallback
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader
    from fastai.learner import Learner
    from fastai.metrics import accuracy
    from fastai.optimizer import OptimWrapper
    from torch.utils.data import TensorDataset

    class Told(Callback):
        order = 100

        def after_batch(self) -> None:
            if self.training:
                gate.step()

    images, labels = tensors(case, "cpu")
    train = DataLoader(
        TensorDataset(images, labels), bs=case.fields["batch_size"], shuffle=True, num_workers=0, device=device
    )
    check = DataLoader(TensorDataset(images[:64], labels[:64]), bs=64, num_workers=0, device=device)
    learner = Learner(
        DataLoaders(train, check, device=device),
        case.net(),
        loss_func=torch.nn.CrossEntropyLoss(),
        opt_func=lambda groups, **_: OptimWrapper(opt=adamw(_parameters(groups), case)),
        metrics=accuracy,
        cbs=[ActivationStats(every=10, with_hist=True), Told()],
    )
    assert any(isinstance(callback, ProgressCallback) for callback in learner.cbs)
    learner.fit(1_000_000)


def _parameters(groups: Any) -> Iterator[Any]:
    for part in groups:
        if isinstance(part, list | tuple) or (hasattr(part, "__iter__") and not hasattr(part, "grad")):
            yield from _parameters(part)
        else:
            yield part


PEERS: dict[str, Callable[[Case, Gate, str], None]] = {
    "plain": plain, "dataloader": dataloader, "lightning": lightning, "fastai": fastai,
}  # fmt: skip


def main() -> None:
    who, case, device = sys.argv[1:4]
    answers = os.fdopen(os.dup(1), "w")
    # What they print goes to a terminal that nobody reads: /dev/null, which is cheaper than a real one.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        PEERS[who](CASES.get(case) or case_of(case), Gate(answers), device)
    except ImportError as error:
        answers.write(json.dumps({"missing": str(error)}) + "\n")
        answers.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
