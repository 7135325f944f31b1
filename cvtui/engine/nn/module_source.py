"""Find and build what `torchvision:NAME`, `timm:NAME` or `package.module:callable` names."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from cvtui.calc import Size
from cvtui.calc.sizes import InputShape
from cvtui.engine.nn import torchvision_models
from cvtui.engine.nn.torchvision_models import DEFAULT_SIDE
from cvtui.engine.runtime.model_tensors import deep_copy
from cvtui.engine.runtime.user_code import import_user_module
from cvtui.errors import RequestError, nearest
from cvtui.recipe.net_target import NetTarget
from cvtui.text import error_line

CLASSES_WORDS = ("num_classes", "n_classes", "num_labels", "classes")
"""What builders call their number of outputs."""


def build(target: NetTarget, classes: int | None = None, size: Size | None = None) -> nn.Module:
    """Build the model, with the weights that its own code draws; nothing is downloaded by a library's builder.

    classes: its number of outputs, where the builder takes one. size: (H, W, C) of the images, for builders that must
    know it (vision transformers, timm's in_chans); None: their own. RequestError when it can't be found or built.
    """
    if target.library == "torchvision":
        return _torchvision(target, classes, size)
    if target.library == "timm":
        return _timm(target, classes, size)
    return _own(target, classes)


def load_code(target: NetTarget) -> None:
    """Import what the target names, so that building draws the same numbers whether it was imported before or not."""
    if target.library:
        import_library("torchvision.models" if target.library == "torchvision" else target.library, target)
    else:
        _found(target)


def usual_shapes(target: NetTarget) -> tuple[InputShape, ...]:
    """Return what a library's model was trained on; one image of 224x224x3 where that is not known."""
    if target.library == "torchvision":
        return torchvision_models.usual_shapes(import_library("torchvision.models", target), target.name)
    if target.library == "timm":
        known = import_library("timm", target).get_pretrained_cfg(target.name)
        if known is not None:
            return (InputShape(tuple(known.input_size)),)
    return (InputShape((3, DEFAULT_SIDE, DEFAULT_SIDE)),)


def check_classifier(target: NetTarget) -> None:
    """Refuse a library's model that is no image classifier. RequestError."""
    if target.library != "torchvision":
        return
    kind = torchvision_models.kind_of(import_library("torchvision.models", target), target.name)
    if kind not in ("", "quantized"):
        raise RequestError(f"{target}: is a model for {kind}; what is trained here classifies images (calc counts it)")


# ------------------------------------------------------------------ libraries


def import_library(library: str, target: NetTarget | str) -> Any:
    """Import a library for `target`, which its errors name. RequestError with the way to install it."""
    try:
        return importlib.import_module(library)
    except Exception as error:  # beside a CPU-only torch torchvision fails with RuntimeError, not ImportError
        name = library.partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            raise RequestError(f"{target}: {name} is not installed", hint=f"pip install {name}") from error
        raise RequestError(
            f"{target}: {name} does not import beside torch {torch.__version__} ({error_line(error)})",
            hint=f"install torch and {name} from the same index",
        ) from error


def _torchvision(target: NetTarget, classes: int | None, size: Size | None) -> nn.Module:
    models = import_library("torchvision.models", target)
    target = _no_weights(target, "weights")
    options = torchvision_models.builder_options(models, target.name, classes, size)
    model = _called(target, lambda **words: models.get_model(target.name, weights=None, **words), options)
    return _channels(model, size)


def _timm(target: NetTarget, classes: int | None, size: Size | None) -> nn.Module:
    timm = import_library("timm", target)
    target = _no_weights(target, "pretrained")
    base = target.name.partition(".")[0]
    if not timm.is_model(base):
        raise RequestError(f"timm:{target.name}: no such model{nearest(base, timm.list_models())}")
    options: dict[str, Any] = {} if classes is None else {"num_classes": classes}
    if size is not None and len(size) == 3:
        options |= {"in_chans": size[2], "img_size": size[:2]}

    def create(**words: Any) -> Any:
        return timm.create_model(target.name, pretrained=False, **words)

    try:
        return _called(target, create, options)
    except RequestError:
        if "img_size" not in options or "img_size" in target.arguments:
            raise
        del options["img_size"]  # convolutional nets take pictures of any size, and no such argument
        return _called(target, create, options)


def _no_weights(target: NetTarget, word: str) -> NetTarget:
    """Return the target without `weights=None`, which is what it is built with. RequestError where it wants some."""
    if target.arguments.get(word):
        raise RequestError(f"{target}: weights are no argument of the net; a run takes them from --weights")
    return target._replace(arguments={name: value for name, value in target.arguments.items() if name != word})


def _channels(model: nn.Module, size: Size | None) -> nn.Module:
    """Give the first convolution as many inputs as the images have channels, where it was made for 3."""
    if size is None or len(size) != 3 or size[2] == 3:
        return model
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            if module.in_channels == 3:
                _put(model, name, _like_conv(module, size[2]))
            break
    return model


def _like_conv(conv: nn.Conv2d, inputs: int) -> nn.Conv2d:
    return nn.Conv2d(
        inputs,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        conv.dilation,  # type: ignore[arg-type]
        conv.groups,
        conv.bias is not None,
        conv.padding_mode,
    )


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    """Replace a module of a model by its name."""
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module)


# ------------------------------------------------------------------ the user's own code


def _own(target: NetTarget, classes: int | None) -> nn.Module:
    """Build `package.module:callable`; modules in the current folder are found too."""
    found = _found(target)
    if isinstance(found, nn.Module):
        if target.arguments:
            raise RequestError(f"{target}: is a model already, and takes no arguments")
        return deep_copy(found)  # each training has its own
    if not callable(found):
        raise RequestError(f"{target}: is of type {type(found).__name__}, not a function or class that builds a model")
    options: dict[str, Any] = {}
    word = _classes_word(found, target)
    if classes is not None and word:
        options[word] = classes
    if "weights_backbone" not in target.arguments and _takes(found, "weights_backbone"):
        options["weights_backbone"] = None  # torchvision's segmentation and detection fetch one otherwise
    return _called(target, found, options)


def _found(target: NetTarget) -> Any:
    try:
        found: Any = import_user_module(target.module)
    except ModuleNotFoundError as error:
        missing = error.name or target.module
        here_too = missing == target.module.partition(".")[0]
        where = " (modules are looked for in the working directory)" if here_too else ""
        raise RequestError(f"{target}: there is no module {missing!r}{where}") from error
    except (Exception, SystemExit) as error:
        raise RequestError(f"{target}: importing {target.module!r} raised {error_line(error)}") from error
    for part in target.name.split("."):
        if not hasattr(found, part):
            names = [name for name, value in vars(found).items() if not name.startswith("_") and callable(value)]
            raise RequestError(f"{target}: {target.module} has no {part!r}{nearest(part, names)}")
        found = getattr(found, part)
    return found


def _classes_word(build: Callable[..., Any], target: NetTarget) -> str:
    """Return the argument that is the number of classes; "" where the builder has none, or it is written already."""
    try:
        takes = inspect.signature(build).parameters
    except (TypeError, ValueError):
        return ""
    if any(word in target.arguments for word in CLASSES_WORDS):
        return ""
    return next((word for word in CLASSES_WORDS if word in takes), "")


def _takes(build: Callable[..., Any], word: str) -> bool:
    try:
        return word in inspect.signature(build).parameters
    except (TypeError, ValueError):
        return False


def _called(target: NetTarget, build: Callable[..., Any], options: dict[str, Any]) -> nn.Module:
    """Call a builder with what cvtui knows and what the user wrote, which wins. RequestError for whatever it raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = build(**{**options, **target.arguments})
    except RequestError:
        raise
    except (Exception, SystemExit) as error:
        raise RequestError(f"{target}: {_why(error, build, target)}") from error
    if not isinstance(model, nn.Module):
        raise RequestError(f"{target}: {_no_model(model, target)}")
    return model


def _no_model(made: object, target: NetTarget) -> str:
    """Say what was built instead of a model, and where brackets are missing."""
    if isinstance(made, type) and issubclass(made, nn.Module):
        name = made.__name__
        return f"gives the class {name}, no model: add brackets, `return {name}()` in {target.name.rpartition('.')[2]}"
    what = f"the class {made.__name__}" if isinstance(made, type) else f"a {type(made).__name__}"
    return f"gives {what}, not a torch.nn.Module"


def _why(error: BaseException, build: Callable[..., Any], target: NetTarget) -> str:
    """Say what an error of a builder means; of missing arguments, which, and how to write them."""
    if isinstance(error, TypeError) and "missing" in str(error):
        try:
            needed = [
                name
                for name, one in inspect.signature(build).parameters.items()
                if one.default is one.empty
                and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
                and name not in target.arguments
            ]
        except (TypeError, ValueError):
            needed = []
        if needed:
            example = ", ".join([*(f"{k}={v!r}" for k, v in target.arguments.items()), *(f"{one}=…" for one in needed)])
            return f"needs {', '.join(needed)}; write {target.module}:{target.name}({example})"
    return f"raised {error_line(error)}"
