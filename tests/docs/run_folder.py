"""docs/run-folder.md, made from the classes that read and write the log: fields, types, texts, and an example each."""

from __future__ import annotations

import ast
import inspect
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from cvtui.runlog import events, facts, lottery_note, machine, own_scalars, rows
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.writer import EventWriter
from tests.docs.log_examples import COMMAND, PARENT, RANK_CHECKS, RANK_STARTED, RANK_STEPS, RECORDS, TICKET

HEAD = Path(__file__).with_name("run_folder_head.md")
TYPES = {"int": "integer", "float": "number", "str": "string", "bool": "boolean", "Any": "any", "None": "null"}
GLOSSARY = {
    "step": "Steps done by then.",
    "time": "Unix time, seconds.",
    "epoch": "Epochs done by then.",
    "name": "Name.",
    "path": "Relative to the run folder.",
    "val_accuracy": "Validation accuracy, 0..1.",
    "histogram": "Of the outputs.",
    "weight_norm": "2-norm of the weights; null without weights.",
    "weight_mean": "Mean of the weights.",
    "weight_std": "Standard deviation of the weights.",
    "weight_histogram": "Of the weights.",
    "grad_histogram": "Of the weights' gradient.",
    "mean": "Mean over all values.",
    "std": "Standard deviation.",
    "min": "Smallest value.",
    "max": "Largest value.",
    "low": "Lower end of the first bin.",
    "high": "Upper end of the last bin.",
    "layer": "The layer's name; empty for none.",
    "parameters": "Number of parameters.",
    "RunStarted.version": "Of this format.",
    "RunStarted.layers": "The layer table of the net.",
    "RunStarted.steps_per_epoch": "Optimizer steps in one epoch; 0 where it is not known.",
    "RunStarted.total_steps": "Steps that the run is planned for; 0 where it is not known.",
    "RunStarted.device": "Device that trains, such as `cpu`.",
    "RunStarted.threads": "CPU threads that it trains on.",
    "Steps.first": "Number of the first step in the lists.",
    "EpochDone.train_accuracy": "Mean over the epoch's batches, 0..1.",
    "EpochDone.val_loss": "Mean over the validation images, in evaluation mode.",
    "EpochDone.images_per_second": "Training images a second of the epoch.",
    "LayersSampled.step": "The step whose batch and update were measured.",
    "LayersSampled.layers": "One row a layer.",
    "PictureSaved.name": "What it shows: a layer, `filters`, `validation image`.",
    "PictureSaved.note": "A line below the picture.",
    "PictureSaved.said": "The class that the model gave.",
    "CheckpointSaved.reason": "Why it was written.",
    "CommandApplied.value": "The new rate of `set_lr`, the image of `look`.",
    "Finding.id": "Of the catalogue of faults (doctor.md), or `not-finite`.",
    "Finding.severity": "`stop`: training can't work; `warn`; `note`.",
    "Finding.sentence": "What is wrong, in one sentence.",
    "Finding.evidence": "The measured numbers.",
    "Facts.train": "Number of training images.",
    "Facts.batch_size": "Images a batch.",
    "Facts.bad_count": "How many such images there are.",
    "Facts.input_dtype": "Of the first batch.",
    "Facts.input_mean": "Of the first batch.",
    "Facts.input_std": "Of the first batch.",
    "Facts.input_min": "Of the first batch.",
    "Facts.input_max": "Of the first batch.",
    "Facts.validation_mean": "Of the first validation batch, as the model gets it.",
    "Facts.modules": "Modules without children, in the order of the first forward pass.",
    "Facts.weights": "Weight tensors before the first step.",
    "Facts.momentum": "Of the optimizer.",
    "Facts.train_mode_loss": "Loss of one training batch in training mode.",
    "Facts.overfit_loss": "Loss after training on one batch alone.",
    "Facts.overfit_steps": "Steps of that training.",
    "Facts.overfit_images": "Images in that batch.",
    "Log.text": "The message.",
    "Log.level": "`info`, `warning` or `error`.",
    "RunEnded.status": "How it ended.",
    "RunEnded.reason": "Why it stopped, diverged or failed.",
    "Command.command": "What is asked.",
    "Layer.expression": "As in the recipe's `net`.",
    "WeightFact.layer": "The layer that holds it.",
    "WeightFact.fan_in": "Inputs of one unit.",
    "WeightFact.mean": "Mean of the values.",
    "Ticket.round": "Pruning round, from 0.",
    "Ticket.scope": "Prune each layer by `prune`, or all together.",
}
"""Meaning of the fields whose name says nearly all, for readers who don't know the code."""


def page() -> str:
    """Return the whole page."""
    parts = [HEAD.read_text(encoding="utf-8").replace("{version}", events.FORMAT_VERSION)]
    for record in RECORDS:
        parts.append(_section(type(record), f"`{type(record).__struct_config__.tag}`", example(record)))
    parts.append("## Rows inside the records\n")
    nested = (rows.Layer, rows.RateGroup, rows.GroupRates, rows.LayerStats, rows.Histogram)
    for row in (*nested, facts.ModuleFact, facts.WeightFact, own_scalars.ScalarRow, machine.Gpu):
        parts.append(_section(row, row.__name__, ""))
    parts.append("## Other files\n")
    for file, value in (("commands.jsonl", COMMAND), ("fork.json", PARENT), ("ticket.json", TICKET)):
        parts.append(_section(type(value), f"`{file}`", msgspec.json.encode(value).decode()))
    for line in (RANK_STARTED, RANK_CHECKS, RANK_STEPS):
        struct = type(line)
        tag = struct.__struct_config__.tag
        parts.append(_section(struct, f"`ranks/N.jsonl`: `{tag}`", msgspec.json.encode(line).decode()))
    return "\n".join(parts).rstrip() + "\n"


def example(record: events.Record) -> str:
    """Return the line that the log's writer makes of a record."""
    with tempfile.TemporaryDirectory() as base:
        folder = RunFolder(Path(base))
        with EventWriter(folder) as writer:
            writer.write(record)
        return folder.events.read_text(encoding="utf-8").rstrip("\n")


def fields(struct: type[Any]) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default ("" where it is required) and meaning of each field."""
    defaults = {field.name: field for field in msgspec.structs.fields(struct)}
    for name, annotation, text in _annotated(struct):
        known = text or GLOSSARY.get(f"{struct.__name__}.{name}") or GLOSSARY.get(name, "")
        field = defaults[name]
        default = "" if field.required else _default(field)
        yield name, _type(annotation), default, known


def _section(struct: type[Any], title: str, line: str) -> str:
    doc = " ".join((inspect.getdoc(struct) or "").split())
    lines = [f"### {title}", "", doc, "", "| field | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, kind, default, text in fields(struct):
        cells = (f"`{name}`", kind, f"`{default}`" if default else "required", text.replace("|", "\\|"))
        lines.append(f"| {' | '.join(cells)} |")
    if line:
        lines += ["", "```json", line, "```"]
    return "\n".join([*lines, ""])


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return msgspec.json.encode(value).decode()


def _annotated(struct: type[Any]) -> Iterator[tuple[str, ast.expr, str]]:
    """Name, annotation and the text below it, of each field in the source."""
    module = inspect.getmodule(struct)
    assert isinstance(module, ModuleType)
    (found,) = [
        node for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef) and node.name == struct.__name__
    ]  # fmt: skip
    for node, below in zip(found.body, [*found.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
            yield node.target.id, node.annotation, " ".join(str(text).split())


def _type(node: ast.expr) -> str:
    """Return the JSON type of an annotation."""
    match node:
        case ast.Name(id=name) if name in ("Kind", "Scope"):
            return _literal(getattr(lottery_note, name))
        case ast.Name(id=name):
            return TYPES.get(name, name)
        case ast.Constant(value=value):
            return TYPES.get(str(value), str(value))
        case ast.BinOp(left=left, right=right):
            return f"{_type(left)} or {_type(right)}"
        case ast.Subscript(value=ast.Name(id="list"), slice=inner):
            return f"array of {_type(inner)}" if isinstance(inner, ast.Name) else f"array of ({_type(inner)})"
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[_, inner])):
            return "object" if ast.unparse(inner) == "Any" else f"object of {_type(inner)}"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=words)):
            return " or ".join(f"`{word.value!s}`" for word in words if isinstance(word, ast.Constant))
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[inner, *_])):
            return _type(inner)
        case _:
            raise TypeError(ast.unparse(node))


def _literal(alias: Any) -> str:
    return " or ".join(f"`{word}`" for word in alias.__args__)
