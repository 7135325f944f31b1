"""Write a trained model as a torch.export program (.pt2) or as TorchScript, checked before the file is there."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from cvtui.engine.handover.checking import Agreement, Refused, Run, compare, difference, tolerance
from cvtui.engine.handover.trained import HandedOver, Trained
from cvtui.engine.runtime.model_tensors import deep_copy
from cvtui.errors import RequestError
from cvtui.export.whole_file import written
from cvtui.runlog.model_metadata import EXTRA_FILE, encode
from cvtui.text import error_line

OF_BATCH = "its code takes how many images there are as a plain number (len(x), or a loop over them); write x.shape[0]"


def as_program(module: nn.Module, images: Tensor) -> Any:
    """Return torch.export's program of a module in evaluation mode, its batch dynamic. Refused.

    The example has two images: one of a single image is refused, or its batch fixed at 1. `len(x)`, `int(x.shape[0])`
    are plain numbers where Python runs the code, and the batch would be fixed at 2: Dynamo reads such code instead.
    """
    example = images[:2] if len(images) > 1 else torch.cat([images, images])
    shapes = ({0: torch.export.Dim("batch")},)
    with torch.no_grad(), _quiet():
        try:
            return torch.export.export(module, (example,), dynamic_shapes=shapes, strict=False)
        except Exception as error:  # of a stranger's code, and a dozen kinds of torch's
            first = error
        if not _fixes_batch(first):
            raise Refused(f"torch.export can't follow the net: {_reason(first)}") from first
        try:
            return torch.export.export(module, (example,), dynamic_shapes=shapes, strict=True)
        except Exception as error:
            raise Refused(f"torch.export can't follow the net: {_reason(first, str(error))}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off stderr what torch.export logs of a net that it can't follow."""
    logs = [logging.getLogger(name) for name in ("torch.fx.experimental.symbolic_shapes", "torch._guards")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def _fixes_batch(error: Exception) -> bool:
    return type(error).__name__ == "UserError" and "specialized it to be a constant" in str(error)


def _reason(error: Exception, stack: str = "") -> str:
    """Say in words what torch.export met. stack: the text in which its strict kind names the line."""
    if _fixes_batch(error):
        lines = [line for line in re.findall(r'File "(.*?\.py)", line (\d+)', stack) if "/torch/" not in line[0]]
        place = f" ({Path(lines[-1][0]).name}:{lines[-1][1]})" if lines else ""
        return f"{OF_BATCH}{place}"
    if type(error).__name__ != "GuardOnDataDependentSymNode":
        return error_line(error)
    found = re.search(r"([\w.]+\.py:\d+) in ([a-z]\w*)\)", str(error))  # __torch_function__: PyTorch's own place
    place = f" ({found[1]}, in {found[2]})" if found else ""
    return f"what its code does depends on the numbers in the images{place}"


def with_plain_weights(module: nn.Module) -> nn.Module:
    """Return a module whose weights are what its parametrizations make of them, itself where it has none.

    ONNX has no form of what an orthogonal one computes (linalg_matrix_exp), and none of them changes in evaluation.
    """
    if not any(parametrize.is_parametrized(one) for one in module.modules()):
        return module
    plain = deep_copy(module)
    for one in [one for one in plain.modules() if parametrize.is_parametrized(one)]:
        made: Any = one.parametrizations
        with torch.no_grad():
            weights = {name: getattr(one, name).clone() for name in made}
        # not remove_parametrizations: it takes the weight out of the class, which the module that was copied has too
        one.__class__ = parametrize.type_before_parametrizations(one)
        del one.parametrizations
        for name, weight in weights.items():
            one.register_parameter(name, nn.Parameter(weight, requires_grad=False))
    return plain


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
    program = as_program(with_plain_weights(whole), images)
    with written(path) as file:
        data = io.BytesIO()  # a full disk under PyTorch's own writer ends the process
        torch.export.save(program, data, extra_files={EXTRA_FILE: extra})
        file.write_bytes(data.getbuffer())
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
                data = io.BytesIO()  # as above
                torch.jit.save(traced, data, _extra_files={EXTRA_FILE: extra})
            except RuntimeError as error:  # an autograd.Function, say
                raise Refused(f"TorchScript can't hold the net: {error_line(error)}") from error
            file.write_bytes(data.getbuffer())
            loaded: Any = torch.jit.load(str(file))  # type: ignore[no-untyped-call]
            try:
                return compare(whole, loaded, images)
            except Refused:
                if not _right_for_two(whole, loaded, images[:2]):
                    raise
                raise Refused(f"a trace keeps the number of images that it saw: {OF_BATCH}, or take --pt2") from None


def _right_for_two(model: nn.Module, run: Run, two: Tensor) -> bool:
    """Return whether a trace is right for as many images as it was made of (`compare` gives one, then others)."""
    with torch.no_grad():
        try:
            wanted, given = model(two.clone()), run(two.clone())
        except Exception:  # of a stranger's code
            return False
    return given.shape == wanted.shape and difference(wanted, given) <= tolerance(wanted)
