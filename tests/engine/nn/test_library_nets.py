"""Twenty nets of torchvision and twenty of timm, trained as a plain PyTorch loop trains them, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cvtui.engine.runtime.seeds import DROPOUT, stream_seed
from cvtui.engine.train.preparation import prepare
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps, from_table
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from tests.engine.making import history, train

pytestmark = [pytest.mark.long, pytest.mark.torch]

CLASSES, STEPS, BATCH = 3, 3, 4

TORCHVISION = {
    "alexnet": 64, "convnext_tiny": 32, "densenet121": 32, "efficientnet_b0": 32, "efficientnet_v2_s": 32,
    "googlenet": 32, "inception_v3": 80, "mnasnet0_5": 32, "mobilenet_v2": 32, "mobilenet_v3_small": 32,
    "regnet_x_400mf": 32, "regnet_y_400mf": 32, "resnet18": 32, "resnet50": 32, "resnext50_32x4d": 32,
    "shufflenet_v2_x0_5": 32, "squeezenet1_1": 32, "swin_t": 32, "vgg11_bn": 32, "vit_b_32": 32,
}  # fmt: skip
TIMM = {
    "convnext_atto": 32, "deit_tiny_patch16_224": 32, "eca_nfnet_l0": 32, "edgenext_xx_small": 64,
    "efficientnet_b0": 32, "ghostnet_100": 32, "inception_next_atto": 32, "mixer_s32_224": 224,
    "mobilenetv3_small_050": 32, "mobilenetv4_conv_small": 32, "mobilevit_xxs": 64, "poolformer_s12": 64,
    "pvt_v2_b0": 64, "regnety_002": 32, "repvgg_a0": 32, "resmlp_12_224": 224, "resnet18": 32, "rexnet_100": 32,
    "test_vit": 160, "vit_tiny_patch16_224": 32,
}  # fmt: skip
"""With the side of the images; where the net has one size, that."""


def pictures(folder: Path, side: int) -> None:
    draw = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True)
        for number in range(8):
            pixels = draw.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"class{label}" / f"{number}.png")


def build(library: str, name: str, side: int) -> nn.Module:
    """Build the net by its library alone."""
    if library == "timm":
        timm = pytest.importorskip("timm")
        try:
            return timm.create_model(name, num_classes=CLASSES, img_size=side)
        except TypeError:
            return timm.create_model(name, num_classes=CLASSES)
    models = pytest.importorskip("torchvision.models")
    words: dict[str, Any] = {"num_classes": CLASSES}
    if name in ("googlenet", "inception_v3"):
        words |= {"init_weights": False, "aux_logits": False}
    if name.startswith("vit"):
        words["image_size"] = side
    return models.get_model(name, weights=None, **words)


def plain_losses(model: nn.Module, made: Recipe) -> list[float]:
    """Return the losses of a loop in plain PyTorch on the same images, by torch's AdamW; only weights decay."""
    training = prepare(check(made))
    model = model.to(memory_format=torch.channels_last).train()
    decaying = {id(m.weight) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    decaying |= {id(m.in_proj_weight) for m in model.modules() if isinstance(m, nn.MultiheadAttention)}
    groups = [
        {"params": [p for p in model.parameters() if id(p) in decaying], "weight_decay": made.weight_decay},
        {"params": [p for p in model.parameters() if id(p) not in decaying], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=made.lr, fused=True)
    torch.manual_seed(stream_seed(made.seed, DROPOUT))
    losses: list[float] = []
    for images in training.batches(1):
        loss = nn.functional.cross_entropy(model(training.preprocess(images.pixels)), images.labels)
        for group in optimizer.param_groups:
            group["lr"] = training.schedule.lr_at(len(losses))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("library", "name", "side"),
    [("torchvision", *one) for one in TORCHVISION.items()] + [("timm", *one) for one in TIMM.items()],
)
def test_a_librarys_net_trains_as_a_plain_loop_does(library: str, name: str, side: int, tmp_path: Path) -> None:
    """Weights made here go in by --weights; dropout and stochastic depth draw the same numbers."""
    pictures(tmp_path / "data", side)
    torch.manual_seed(7)
    model = build(library, name, side)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    made = from_table(
        {
            "net": f"{library}:{name}", "weights": str(tmp_path / "weights.pt"), "data": f"folder:{tmp_path / 'data'}",
            "size": str(side), "limit": STEPS * BATCH, "batch_size": BATCH, "epochs": 1, "device": "cpu", "threads": 1,
            "optimizer": "adamw", "lr": 1e-4, "weight_decay": 0.05,
        }
    )  # fmt: skip
    run = RunFolder.create(tmp_path / "runs", "one", dumps(made))
    code, _, err = train(run)
    assert code == 0, err
    logged = [float(loss) for loss in history(run).steps.loss]
    plain = plain_losses(model, made)
    assert len(plain) >= STEPS
    assert [float(torch.tensor(loss)) for loss in logged] == plain
