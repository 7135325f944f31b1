"""Write a trained model as ONNX (torch's exporter), checked in onnxruntime before the file is there."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from cvtui.engine.handover.checking import (
    Agreement,
    Differs,
    LayerOutputs,
    Refused,
    Run,
    compare,
    difference,
    tolerance,
)
from cvtui.engine.handover.exact_forms import ExactForms
from cvtui.engine.handover.extras import check_onnx_installed
from cvtui.engine.handover.kept_scalars import keep_small_scalars
from cvtui.engine.handover.programs import as_program, with_plain_weights
from cvtui.engine.handover.trained import HandedOver, Trained
from cvtui.engine.runtime.model_tensors import deep_copy
from cvtui.errors import RequestError
from cvtui.export.whole_file import written
from cvtui.runlog.model_metadata import encode
from cvtui.text import error_line

NOT_OPTIMISED = "written without the exporter's optimisation (more operations, slower)"

MOST_BYTES = 2_000_000_000
"""A protobuf message, which the file is, holds 2 GB."""


class _Forms(nn.Module):
    """A module whose calls are computed in the forms that the exporter writes right."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Any:
        with ExactForms():
            return self.inner(x)


def write_onnx(trained: Trained, path: Path, with_preprocess: bool) -> Agreement:
    """Write the file and check it against PyTorch. Refused (no file is left), RequestError, OSError."""
    check_onnx_installed()
    whole = HandedOver(trained, with_preprocess)
    images = whole.example(trained)
    size = sum(tensor.nbytes for tensor in (*whole.parameters(), *whole.buffers()))
    if size > MOST_BYTES:
        raise RequestError(f"--onnx: {size / 1e9:.1f} GB of weights; the file can hold 2 GB", hint="--pt2 has no limit")
    about = msgspec.structs.replace(trained.metadata, with_preprocess=with_preprocess)
    if not with_preprocess and trained.preprocess.zca is not None:
        raise RequestError("--onnx: zca's matrix fits no metadata", hint="--with-preprocess puts it into the graph")
    names = ("pixels", "probabilities") if with_preprocess else ("images", "logits")
    with written(path) as file:
        program = _program(with_plain_weights(whole), images)
        for optimize in (True, False):
            made = _exported(program, [names[0]], [names[1]], optimize)
            made.model.metadata_props.update(encode(about))
            made.save(str(file))
            try:
                found = compare(whole, _runtime(file), images, None if optimize else _layer_finder(whole, file))
            except Refused as refusal:
                if not optimize:
                    raise
                why = refusal
            else:
                return found if optimize else found._replace(note=f"{NOT_OPTIMISED}: with it, {why}")
    raise AssertionError("one of the two returns or raises")


def _program(module: nn.Module, images: Tensor) -> Any:
    """Return torch.export's program of what the exporter can write. Refused."""
    with _plain_attention():
        return as_program(_Forms(module).eval(), images)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Take nn.TransformerEncoderLayer's usual path: the fused function of its fast one has no form in ONNX."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _exported(program: Any, inputs: list[str], outputs: list[str], optimize: bool) -> Any:
    """Return torch's ONNXProgram of torch.export's, its batch dynamic. Refused, with the layer where it is known."""
    try:
        with _quiet():
            made: Any = torch.onnx.export(
                program, (), dynamo=True, verbose=False, input_names=inputs, output_names=outputs,
                external_data=False, optimize=False,
            )  # fmt: skip
            if optimize:
                keep_small_scalars(made.model)
                made.optimize()
            return made
    except Exception as error:  # torch's exporter raises kinds of its own, and whatever it meets
        raise Refused(f"torch's exporter can't write {_failing_layer(program, error)}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress and its warnings about itself off the screen."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _failing_layer(program: Any, error: BaseException) -> str:
    """Say which layer's operation the exporter has no form of."""
    text, cause = "", error.__cause__ or error
    for _ in range(5):
        text += f" {cause}"
        cause = cause.__cause__ or cause
    found = re.search(r"node %(\w+)", text)
    node = next((one for one in program.graph.nodes if found and one.name == found[1]), None)
    if node is None:
        missing = re.search(r"No ONNX function found for <OpOverload\(op='(?:aten\.)?([\w.]+)'", text)
        return f"this net ({f'ONNX has no {missing[1]}' if missing else error_line(error)})"
    paths = [str(path) for path, _ in node.meta.get("nn_module_stack", {}).values()]
    layer = paths[-1].removeprefix("inner").removeprefix(".model").removeprefix(".") if paths else ""
    return f"{f'the layer {layer!r}' if layer else 'this net'} ({str(node.target).removesuffix('.default')})"


def _session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _runtime(file: Path) -> Run:
    try:
        session = _session(file)
    except Exception as error:  # its exceptions derive from Exception alone
        raise Refused(f"onnxruntime can't open it: {error_line(error)}") from error
    name = session.get_inputs()[0].name

    def run(images: Tensor) -> Tensor:
        try:
            return torch.from_numpy(session.run(None, {name: images.numpy()})[0])
        except Exception as error:
            raise Refused(f"onnxruntime can't run it: {error_line(error)}") from error

    return run


def _layer_finder(whole: HandedOver, near: Path) -> Differs:
    return lambda images: _differing_layer(whole, images, near)


def _differing_layer(whole: HandedOver, images: Tensor, near: Path) -> str:
    """Say which layer is the first whose output differs; "" where that can't be found out."""
    model = deep_copy(whole)
    tapped = LayerOutputs(model, model.get_submodule("model"))
    file = near.with_name(f"{near.name}.layers.onnx")
    try:
        with torch.no_grad():
            wanted = tapped(images)
            names = list(tapped.names)
        outputs = [f"layer{number}" for number in range(len(names))]
        program = _program(tapped, images)
        _exported(program, ["images"], outputs, optimize=False).save(str(file))
        session = _session(file)
        given = session.run(outputs, {session.get_inputs()[0].name: images.numpy()})
    except Exception:  # the refusal stands without it
        return ""
    finally:
        file.unlink(missing_ok=True)
    for name, ours, theirs in zip(names, wanted, map(torch.from_numpy, given), strict=True):
        if ours.shape != theirs.shape or not difference(ours, theirs) <= tolerance(ours):
            return f"; the first layer that differs is {name!r}" if name != "output" else "; no layer before it differs"
    return "; no layer alone differs"
