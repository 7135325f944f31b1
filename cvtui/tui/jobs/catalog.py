"""The jobs that the screen offers: a key, a command, and the options that its form shows.

A new job is one `JobSpec` here, a new option one `JobOption`; a test compares them with the command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Needs = Literal["run", "recipe"]


@dataclass(frozen=True, slots=True)
class JobOption:
    """One option of a command."""

    flag: str
    """`--html`; "" for arguments without one."""
    about: str
    value: str | None = None
    """What stands in its field at first ({name}: the run's name); None for an option without a value."""
    on: bool = False
    """True if it is chosen at first."""
    many: bool = False
    """The value is several words, as in a shell."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One command of cvtui, as the screen offers it."""

    name: str
    """Of the command."""
    key: str
    title: str
    about: str
    needs: Needs = "run"
    """The run in view (its folder is the first argument), or a recipe."""
    options: tuple[JobOption, ...] = ()
    fixed: tuple[str, ...] = ()
    """Words that stand behind the command in any case."""


JOBS: tuple[JobSpec, ...] = (
    JobSpec(
        "export",
        "X",
        "Export",
        "Write the run as files: report, tables, model, weights",
        options=(
            JobOption("--html", "report, one page", "{name}.html", on=True),
            JobOption("--svg", "curves as a picture", "{name}.svg"),
            JobOption("--csv", "what was logged, as tables", "{name}-csv"),
            JobOption("--tensorboard", "needs cvtui[tensorboard]", "{name}-events"),
            JobOption("--onnx", "model; needs cvtui[onnx]", "{name}.onnx"),
            JobOption("--pt2", "model, of torch.export", "{name}.pt2"),
            JobOption("--torchscript", "model, as TorchScript", "{name}.pt"),
            JobOption("--with-preprocess", "with these three: pixels in, probabilities out"),
            JobOption("--safetensors", "the weights", "{name}.safetensors"),
            JobOption("--card", "a model card", "{name}.md"),
            JobOption("--checkpoint", "or last, epoch-0010 …", "best"),
        ),
    ),
    JobSpec(
        "compare",
        "C",
        "Compare",
        "Compare runs: curves, what differs in their recipes, results",
        options=(JobOption("", "the other runs", "{others}", on=True, many=True),),
    ),
    JobSpec(
        "sweep",
        "W",
        "Sweep",
        "A fair race between recipes: every combination of the values, one run each",
        needs="recipe",
        options=(
            JobOption("--lr", "learning rates", "1e-1,1e-2,1e-3", on=True),
            JobOption("--init", "initializations", "he,xavier"),
            JobOption("--optimizer", "optimizers", "sgd,momentum,adamw"),
            JobOption("--batch-size", "batch sizes", "32,128"),
            JobOption("--epochs", "epochs of each", "5"),
            JobOption("--jobs", "runs at once", "2"),
            JobOption("", "more, such as --data shapes", "", many=True),
        ),
    ),
    JobSpec(
        "doctor",
        "D",
        "Doctor: fix and compare",
        "Train again with the doctor's cure, and say what it gained",
        fixed=("--fix",),
    ),
)


def spec_of(name: str) -> JobSpec:
    return next(spec for spec in JOBS if spec.name == name)
