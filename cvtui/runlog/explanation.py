"""Explanation of a prediction: which pixels speak for a class, as its process tells it, one JSON record."""

from __future__ import annotations

import importlib.util

import msgspec

from cvtui.errors import RequestError

METHODS = {
    "gradcam": "Grad-CAM: where a layer's maps raise the class (Selvaraju 2017)",
    "ig": "integrated gradients: each pixel's share of the difference to the mean image (Sundararajan 2017)",
    "occlusion": "occlusion: how much the class loses when a patch is hidden (Zeiler & Fergus 2014)",
    "saliency": "saliency: how much each pixel's change moves the class (Simonyan 2014)",
}
SIGNED = ("ig", "occlusion")
"""Methods whose values may speak against the class."""


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One image, one method, one class."""

    method: str
    layer: str
    """Of Grad-CAM, or of integrated gradients of a layer; "" where it is the image itself."""
    layers: list[str]
    """Layers that Grad-CAM can take, in order of computation."""
    image: str
    """Where it lies, or its number."""
    target: str
    """The class that is explained."""
    share: float
    """The model's probability of it."""
    said: str
    truth: str
    """"" where it is not known."""
    height: int
    width: int
    values: list[float]
    """height x width numbers, row by row; above 0 speaks for the class."""
    total: float
    """Their sum before anything was cut or resized."""
    note: str
    """What the numbers are, and what limits them."""
    png: str
    """The image as the model has it, base64."""
    checkpoint: str = ""


decode = msgspec.json.Decoder(Explained).decode
"""The record of a process's stdout. msgspec.MsgspecError for anything else."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the process."""

    path: str = ""
    """Of an image file; "" for a validation image."""
    number: int = 0
    """Of the validation image."""
    method: str = ""
    """Of METHODS; "": Grad-CAM where a layer has maps, else saliency."""
    layer: str = ""
    target: str = ""
    """A class's name; "": the one that the model says."""
    checkpoint: str = ""


def check_captum() -> None:
    """RequestError, with the line to type, where captum is missing."""
    if importlib.util.find_spec("captum") is None:
        raise RequestError("an explanation needs captum", hint="pip install 'cvtui[explain]'")
