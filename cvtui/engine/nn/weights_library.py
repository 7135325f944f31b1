"""torchvision's and timm's own weights, from the folders where these libraries keep them; fetched only when told to."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cvtui.engine.nn.meta_copy import random_state_kept
from cvtui.engine.nn.module_source import import_library
from cvtui.errors import RequestError
from cvtui.recipe.net_target import NetTarget
from cvtui.text import error_line


class WeightsTransform(NamedTuple):
    """How the images were prepared that weights were trained on."""

    mean: tuple[float, ...]
    """Of each channel, of pixels from 0 to 1."""
    std: tuple[float, ...]
    side: int = 0
    """Pixels; 0 where it is not known."""
    interpolation: str = ""


IMAGENET = WeightsTransform((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def default_weights(target: NetTarget, download: bool = False) -> tuple[dict[str, Tensor], WeightsTransform]:
    """Read a library's own weights of a model, and what they say of their images. RequestError where they are missing.

    download: fetch what is not in the library's cache, by its own loader with its own checksum.
    """
    load = _torchvision if target.library == "torchvision" else _timm
    try:
        tensors = load(target, download)
    except RequestError:
        raise
    except Exception as error:
        raise RequestError(f"weights: {target}: reading its own weights raised {error_line(error)}") from error
    return tensors, pixels_of(target)


def _not_there(target: NetTarget, where: str) -> RequestError:
    return RequestError(
        f"weights: those of {target} are not on this computer ({where})",
        hint=f"cvtui --net '{target}' --weights default --download fetches them",
    )


def pixels_of(target: NetTarget) -> WeightsTransform:
    """Return what the library says of the images that its weights of this model want; ImageNet's otherwise."""
    if target.library == "torchvision" and (entry := _entry(target)) is not None:
        told = entry.transforms()
        if not (hasattr(told, "mean") and hasattr(told, "std")):
            return IMAGENET
        how = getattr(getattr(told, "interpolation", None), "value", "")
        return WeightsTransform(tuple(told.mean), tuple(told.std), int(getattr(told, "crop_size", [0])[0]), str(how))
    if target.library == "timm" and (known := import_library("timm", target).get_pretrained_cfg(target.name)):
        return WeightsTransform(
            tuple(known.mean), tuple(known.std), int(known.input_size[-1]), str(known.interpolation)
        )
    return IMAGENET


def _entry(target: NetTarget) -> Any:
    """Return torchvision's best weights of a model; None where it has none."""
    models = import_library("torchvision.models", target)
    try:
        return models.get_model_weights(target.name).DEFAULT
    except (AttributeError, ValueError):
        return None


def _torchvision(target: NetTarget, download: bool) -> dict[str, Tensor]:
    entry = _entry(target)
    if entry is None:
        raise RequestError(f"weights: torchvision has no weights of {target.name}")
    path = Path(torch.hub.get_dir()) / "checkpoints" / entry.url.rpartition("/")[2]
    if not download and not path.is_file():
        raise _not_there(target, f"looked for {str(path)!r}")
    found: dict[str, Tensor] = dict(entry.get_state_dict(check_hash=True, progress=download, map_location="cpu"))
    return found


def _timm(target: NetTarget, download: bool) -> dict[str, Tensor]:
    """Build the model with its weights, since timm renames what older files hold."""
    timm = import_library("timm", target)
    known = timm.get_pretrained_cfg(target.name)
    if known is None or not known.has_weights:
        raise RequestError(f"weights: timm has no weights of {target.name}")
    path = Path(torch.hub.get_dir()) / "checkpoints" / (known.url or "").rpartition("/")[2]
    if not download and not known.hf_hub_id and not path.is_file():
        raise _not_there(target, f"looked for {str(path)!r}")
    try:
        with random_state_kept(), _hub_offline(not download):
            model = timm.create_model(target.name, pretrained=True, **target.arguments)
    except (FileNotFoundError, ConnectionError) as error:  # what the hub raises for no cached file, and when offline
        if download:
            raise
        raise _not_there(target, error_line(error)) from error
    found: dict[str, Tensor] = model.state_dict()
    return found


@contextlib.contextmanager
def _hub_offline(offline: bool) -> Iterator[None]:
    """Keep the libraries that timm fetches with from the network."""
    if not offline:
        yield
        return
    try:
        constants: Any = importlib.import_module("huggingface_hub.constants")
    except ImportError:
        yield  # timm fetches nothing from the hub without it
        return
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
