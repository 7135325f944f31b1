"""Write a trained model as a torch.export program (.pt2) or as TorchScript, checked before the file is there."""

from __future__ import annotations

import logging
import re
import warnings
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from cvtui.engine.handover.checking import Agreement, Refused, compare, written
from cvtui.engine.handover.trained import HandedOver, Trained
from cvtui.errors import RequestError
from cvtui.runlog.model_metadata import EXTRA_FILE, encode
from cvtui.text import error_line


def as_program(module: nn.Module, images: Tensor) -> Any:
    """Return torch.export's program of a module in evaluation mode, its batch dynamic. Refused.

    The example has two images: one of a single image is refused, or its batch fixed at 1.
    """
    example = images[:2] if len(images) > 1 else torch.cat([images, images])
    log = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.export(
                module, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},), strict=False
            )
    except Exception as error:  # of a stranger's code, and a dozen kinds of torch's
        raise Refused(f"torch.export can't follow the net: {_reason(error)}") from error
    finally:
        log.setLevel(level)


def _reason(error: Exception) -> str:
    if type(error).__name__ != "GuardOnDataDependentSymNode":
        return error_line(error)
    found = re.search(r"([\w.]+\.py:\d+) in ([a-z]\w*)\)", str(error))  # __torch_function__: PyTorch's own place
    place = f" ({found[1]}, in {found[2]})" if found else ""
    return f"what its code does depends on the numbers in the images{place}"


def extra_of(trained: Trained, with_preprocess: bool) -> str:
    """Return the metadata as one JSON text. RequestError for what it can't hold."""
    if trained.preprocess.zca is not None and not with_preprocess:
        raise RequestError("zca's matrix fits no metadata", hint="--with-preprocess puts it into the graph")
    about = msgspec.structs.replace(trained.metadata, with_preprocess=with_preprocess)
    return msgspec.json.encode(encode(about)).decode()


def write_pt2(trained: Trained, path: Path, with_preprocess: bool) -> Agreement:
    """Write the program of torch.export, loadable without this code. Refused (no file is left), OSError."""
    whole, extra = HandedOver(trained, with_preprocess).eval(), extra_of(trained, with_preprocess)
    images = whole.example(trained)
    program = as_program(whole, images)
    with written(path) as file:
        torch.export.save(program, file, extra_files={EXTRA_FILE: extra})
        return compare(whole, torch.export.load(file).module(), images)


def write_torchscript(trained: Trained, path: Path, with_preprocess: bool) -> Agreement:
    """Write a traced TorchScript module. Refused (no file is left), OSError."""
    whole, extra = HandedOver(trained, with_preprocess).eval(), extra_of(trained, with_preprocess)
    images = whole.example(trained)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            traced: Any = torch.jit.trace(whole, images[:2])  # type: ignore[no-untyped-call]
        except Exception as error:  # of a stranger's code, and several of torch's
            raise Refused(f"torch.jit can't trace the net: {error_line(error)}") from error
        with written(path) as file:
            try:
                torch.jit.save(traced, str(file), _extra_files={EXTRA_FILE: extra})
            except RuntimeError as error:  # an autograd.Function, say
                raise Refused(f"TorchScript can't hold the net: {error_line(error)}") from error
            loaded: Any = torch.jit.load(str(file))  # type: ignore[no-untyped-call]
            return compare(whole, loaded, images)
