"""torchvision's models: of which kind each is, what it takes, how it is built without a download."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

from torch import nn

from cvtui.calc import Size
from cvtui.calc.sizes import InputShape
from cvtui.errors import RequestError, nearest

KINDS = {
    "segmentation": "segmentation",
    "detection": "detection",
    "quantization": "quantized",
    "video": "video",
    "optical_flow": "optical flow",
}
"""torchvision's modules of models, as they are called in a message; the rest classifies images."""

DEFAULT_SIDE = 224
FRAMES = 16
"""Frames of a clip: what torchvision's video models were trained on."""


def kind_of(models: Any, name: str) -> str:
    """Return the kind of model that a name is: classification, segmentation, … RequestError for an unknown name."""
    names = models.list_models()
    if name not in names:
        raise RequestError(f"torchvision:{name}: no such model{nearest(name, names)}")
    return next((said for part, said in KINDS.items() if name in models.list_models(module=getattr(models, part))), "")


def builder_options(models: Any, name: str, classes: int | None, size: Size | None) -> dict[str, Any]:
    """Return what the builder of a model is called with: nothing is fetched, no auxiliary heads."""
    kind = kind_of(models, name)
    options: dict[str, Any] = {} if classes is None or kind == "optical flow" else {"num_classes": classes}
    if kind in ("segmentation", "detection"):
        options["weights_backbone"] = None
    if name.removeprefix("quantized_") in ("googlenet", "inception_v3"):
        # Without init_weights=False building takes minutes (scipy's truncated normal). The auxiliary heads of 2014 are
        # for training alone, and their loss is not ours.
        options |= {"init_weights": False, "aux_logits": False}
    if size is not None and len(size) == 3:
        takes = inspect.signature(models.get_model_builder(name)).parameters
        if name.startswith("vit_"):
            options["image_size"] = size[0]
        elif "input_size" in takes or name == "maxvit_t":
            options["input_size"] = size[:2]
    return options


def usual_shapes(models: Any, name: str) -> tuple[InputShape, ...]:
    """Return what a model was trained on, in PyTorch's order; optical flow takes two pictures."""
    kind = kind_of(models, name)
    if kind == "optical flow":
        return (InputShape((3, DEFAULT_SIDE, DEFAULT_SIDE)),) * 2
    weights = list(models.get_model_weights(name))
    first = next((one for one in weights if one.name == "IMAGENET1K_V1"), weights[0] if weights else None)
    preset = first.transforms() if first is not None else None
    found = getattr(preset, "crop_size", getattr(preset, "resize_size", None))
    side = int(found[0]) if found else DEFAULT_SIDE
    return (InputShape((3, FRAMES, side, side) if kind == "video" else (3, side, side)),)


def is_detector(model: nn.Module) -> bool:
    """Return True for torchvision's detection models, which resize their pictures themselves."""
    module = sys.modules.get("torchvision.models.detection.transform")
    return module is not None and isinstance(getattr(model, "transform", None), module.GeneralizedRCNNTransform)


def detector_shape(model: nn.Module) -> InputShape:
    """Return the smallest size to which a detection model resizes a square picture."""
    transform: Any = model.transform
    high, wide = transform.fixed_size or (transform.min_size[-1],) * 2
    return InputShape((3, int(high), int(wide)))


def dense_part(model: Any) -> Callable[..., Any]:
    """Return the part of a detection model that runs once a picture: backbone, and the head on all of its maps.

    What follows runs as often as there are boxes, which depends on the picture.
    """
    head = model.rpn.head if hasattr(model, "rpn") else model.head

    def run(images: Any) -> Any:
        features = model.backbone(images)
        return head([features] if not isinstance(features, dict) else list(features.values()))

    return run
