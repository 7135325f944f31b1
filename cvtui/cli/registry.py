"""The commands of cvtui by name: where each lies, and its line of help."""

from __future__ import annotations

COMMANDS: dict[str, tuple[str, str]] = {
    "train": (
        "cvtui.cli.commands.train:train",
        "Train (what cvtui does without a command): on the screen, or with --no-ui.",
    ),
    "resume": ("cvtui.cli.commands.resume:resume", "Go on with a run from its newest checkpoint."),
    "fork": ("cvtui.cli.commands.fork:fork", "A new run from another's checkpoint, with a changed recipe."),
    "attach": ("cvtui.cli.commands.attach:attach", "Open the screen on a run, living or ended; the newest by default."),
    "runs": ("cvtui.cli.commands.runs:runs", "List the runs with their state and result."),
    "data": ("cvtui.cli.commands.data:data", "The data sets: what is in them, where they lie; --download fetches one."),
    "calc": ("cvtui.cli.commands.calc:calc", "Calculate a network: sizes, parameters, MACs, receptive fields, memory."),
    "matrix": ("cvtui.cli.commands.matrix:matrix", "A convolution written as a matrix."),
    "lab": ("cvtui.cli.commands.lab:lab", "The lecture's experiments."),
    "compare": ("cvtui.cli.commands.compare:compare", "Runs beside each other: curves, what differs, what came of it."),
    "sweep": ("cvtui.cli.commands.sweep:sweep", "A fair race between recipes: --lr 1e-1,1e-2,1e-3 …"),
    "lottery": ("cvtui.cli.commands.lottery:lottery", "How few weights are enough: prune, rewind, train again."),
    "lr-find": (
        "cvtui.cli.commands.lr_find:lr_find",
        "Which learning rate: a range test, a bracket, three short runs.",
    ),
    "check": (
        "cvtui.cli.commands.check:check",
        "Look at a recipe before it is trained: data, first steps, one batch by heart.",
    ),
    "doctor": ("cvtui.cli.commands.doctor:doctor", "What is wrong with a run, the evidence, and what would help."),
    "export": ("cvtui.cli.commands.export:export", "A run as an HTML report, SVG, CSV or TensorBoard events."),
}
"""Name -> (module:attribute, one line of help). A new command is one line here and one file beside this one."""


DEFAULT = "train"
