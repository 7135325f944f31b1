"""The commands of cvtui by name, each with its line of help."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

COMMANDS: dict[str, str] = {
    "train": "Train (what cvtui does without a command): on the screen, or with --no-ui.",
    "resume": "Resume a run from its newest checkpoint.",
    "fork": "A new run from another's checkpoint, with a changed recipe.",
    "attach": "Open the screen on a run, living or ended; the newest by default.",
    "serve": "The screen in a browser, on this machine alone unless asked.",
    "run": "Run a PyTorch script of your own as it is, and watch it.",
    "runs": "List the runs with their state and result.",
    "note": "Read or write the note and the tags of a run.",
    "predict": "What a trained model says of image files.",
    "evaluate": "How good a trained model is: accuracy with its interval, classes, calibration, slices.",
    "mistakes": "Which validation images a run gets wrong, worst first, with their files.",
    "ranks": "The steps of each process of a distributed run, and which one the others wait for.",
    "launch": "The torchrun lines that train a run on several machines, ready to copy.",
    "explain": "Which pixels of an image speak for a class: Grad-CAM and others.",
    "data": "The data sets: what is in them, where they lie; --download fetches one.",
    "calc": "Calculate a network: sizes, parameters, MACs, receptive fields, memory.",
    "matrix": "A convolution written as a matrix.",
    "lecture": "The lecture's 28 claims, each with the lab or calculation that shows it.",
    "lab": "The lecture's experiments.",
    "compare": "Compare runs: curves, what differs in their recipes, results.",
    "sweep": "A fair race between recipes: --lr 1e-1,1e-2,1e-3 …",
    "notify": "What is told when a run ends: addresses, a command, the terminal.",
    "lottery": "How few weights are enough: prune, rewind, train again.",
    "lr-find": "Find a good learning rate: a range test, a bracket, three short runs.",
    "check": "Pre-flight check of a recipe: data, first steps, memorising one batch.",
    "doctor": "What is wrong with a run, the evidence, and what would help.",
    "export": "A run as an HTML report, SVG, CSV or TensorBoard events; its model as ONNX and others.",
}
"""A new command is one line here, and a file of its name in commands/ with a click command of its name."""

DEFAULT = "train"


def load(name: str) -> click.Command | None:
    """Import the command `name`; None for another word."""
    if name not in COMMANDS:
        return None
    attribute = name.replace("-", "_")
    command: click.Command = getattr(import_module(f"cvtui.cli.commands.{attribute}"), attribute)
    return command
