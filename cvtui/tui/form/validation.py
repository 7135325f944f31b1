"""What stands in the form, and what can be said about it at once: pure functions, without Textual and without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cvtui.calc import Table
from cvtui.calc.memory import training_memory
from cvtui.calc.module_table import ModuleTable
from cvtui.errors import RequestError
from cvtui.recipe.choices.losses import FirstLoss
from cvtui.recipe.choices.optimizers import OPTIMIZERS, OptimizerChoice, copies_of
from cvtui.recipe.choices.schedules import Schedule
from cvtui.recipe.choices.spec import Chosen, parse_choice
from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.datasets.facts import DATA_FIELDS, facts
from cvtui.recipe.datasets.locate import way_to_get
from cvtui.recipe.fields import FIELDS, Value
from cvtui.recipe.first_loss import first_loss_or_none
from cvtui.recipe.frozen_names import frozen_throughout
from cvtui.recipe.net_target import is_target
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import Checked, check, check_net, make_schedule, steps_of
from cvtui.runlog.weights_file import find_weights, weights_in
from cvtui.text import whole_range
from cvtui.tui.form.field_values import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What can be said about the texts of a form. Whatever does not depend on a wrong field is there all the same."""

    texts: Mapping[str, str]
    problems: Mapping[str, Problem]
    """By the field's name; empty when the run can start."""
    recipe: Recipe | None = None
    """Set when there is no problem."""
    data: DataFacts | None = None
    table: Table | ModuleTable | None = None
    """Of PyTorch code not counted: the engine does that."""
    schedule: Schedule | None = None
    steps_per_epoch: int | None = None
    total_steps: int | None = None
    memory: int | None = None
    """Bytes that training holds: parameters, gradients, the optimiser's state, activations, images."""

    @property
    def ready(self) -> bool:
        return not self.problems

    @property
    def around(self) -> str:
        """What stands before a number of steps: "about " where the batch is yet to be found, "at most " or ""."""
        if self.texts.get("batch_size", "").strip().lower() == "auto":
            return "about "
        return self.data.at_most if self.data is not None else ""

    @property
    def first_loss(self) -> FirstLoss | None:
        """What a net that knows nothing loses: ln C of a cross-entropy."""
        if self.data is None or "loss" in self.problems:
            return None
        return first_loss_or_none(self.texts.get("loss"), len(self.data.classes))


def validate(texts: Mapping[str, str], runs: Path | None = None) -> Validation:
    """Convert and check every text. `runs`: where a name may be taken already."""
    values: dict[str, Value] = {}
    problems: dict[str, Problem] = {}
    for name, field in FIELDS.items():
        try:
            values[name] = field.convert(texts[name], label=name)
        except RequestError as error:
            problems[name] = _problem(name, error)
    if "net" in problems and texts["net"].strip() == "":
        problems["net"] = Problem("the net is empty; for example (conv32-relu)*2-pool-fc", column=0)
    if runs is not None and "name" not in problems and (problem := _name_taken(runs, str(values["name"]))):
        problems["name"] = problem
    if runs is not None and {"data", "data_dir"} <= set(values) and (problem := _not_downloaded(values)):
        problems["data"] = problem
    if runs is not None and "weights" not in problems:
        values["weights"] = _weights_in(str(values["weights"]), runs)
    if runs is not None and "weights" not in problems and (problem := _no_weights(str(values["weights"]))):
        problems["weights"] = problem
    if not problems:
        try:
            return _valid(texts, check(Recipe(**values)))  # type: ignore[arg-type]
        except RequestError as error:
            name = _field_of(error)
            problems[name] = _problem(name, error)
    return _partial(texts, values, problems)


def _valid(texts: Mapping[str, str], checked: Checked) -> Validation:
    recipe = checked.recipe
    return Validation(
        texts=texts,
        problems={},
        recipe=checked.asked,
        data=checked.data,
        table=checked.table,
        schedule=checked.schedule,
        steps_per_epoch=checked.steps_per_epoch,
        total_steps=checked.total_steps,
        memory=_memory(checked.table, checked.data, recipe, checked.optimizer),
    )


def _partial(texts: Mapping[str, str], values: Mapping[str, Value], problems: dict[str, Problem]) -> Validation:
    """Return what the valid fields say by themselves."""
    data = _facts(values, problems)
    table, schedule, steps, total, memory = None, None, None, None, None
    if data is not None and "net" in values:
        try:
            table = check_net(str(values["net"]), data)
        except RequestError as error:
            problems.setdefault("net", _problem("net", error))
    _check_freeze(values, table, problems)
    batch, epochs = values.get("batch_size"), values.get("epochs")
    if data is not None and isinstance(batch, int) and batch > 0:
        if batch > data.train:
            allowed = whole_range(1, data.train, data.at_most)
            text = f"{batch:,} is more than {data.name} has to train on; allowed: {allowed}"
            problems.setdefault("batch_size", Problem(text))
        else:
            steps = steps_of(data.train, batch * int(values.get("accumulate", 1)), table)
            if table is not None and "optimizer" in values and "freeze" not in problems:
                optimizer = parse_choice(str(values["optimizer"]), OPTIMIZERS, "optimizer")
                known = {
                    name: values[name] for name in ("ema", "freeze", "unfreeze_at", "batch_size") if name in values
                }
                memory = _memory(table, data, Recipe(**known), optimizer)  # type: ignore[arg-type]
    if steps is not None and isinstance(epochs, int):
        total = steps * epochs
        needed = ("lr", "schedule", "schedule_per", "warmup", "epochs", "batch_size", "accumulate", "scale_lr")
        if all(name in values for name in needed):
            try:
                schedule = make_schedule(Recipe(**{name: values[name] for name in needed}), steps)  # type: ignore[arg-type]
            except RequestError as error:
                problems.setdefault(_field_of(error), _problem(_field_of(error), error))
    return Validation(
        texts=texts,
        problems=problems,
        data=data,
        table=table,
        schedule=schedule,
        steps_per_epoch=steps,
        total_steps=total,
        memory=memory,
    )


def _check_freeze(values: Mapping[str, Value], table: Table | ModuleTable | None, problems: dict[str, Problem]) -> None:
    if table is not None and "freeze" in values:
        try:
            frozen_throughout(Recipe(freeze=str(values["freeze"])), table)
        except RequestError as error:
            problems.setdefault("freeze", _problem("freeze", error))


def _facts(values: Mapping[str, Value], problems: dict[str, Problem]) -> DataFacts | None:
    """Of the data that is chosen; a callable is asked only when the run is started, since that runs its code."""
    known = {name: value for name, value in values.items() if name in DATA_FIELDS}
    if "data" not in known or source_of(str(known["data"])).runs_code:
        return None
    try:
        return facts(Recipe(**known))  # type: ignore[arg-type]
    except RequestError as error:
        name = _field_of(error, "data")
        problems.setdefault(name, _problem(name, error))
        return None


def _memory(
    table: Table | ModuleTable, data: DataFacts, recipe: Recipe, optimizer: Chosen[OptimizerChoice]
) -> int | None:
    """Return the bytes of training state and of the images, which are kept as uint8; None of a net not counted yet."""
    if isinstance(table, ModuleTable) and not table.counted:
        return None
    pixels = (data.train + data.validation) * math.prod(data.size)
    net = training_memory(table, recipe.batch_size, frozen_throughout(recipe, table))
    return net.total(copies_of(optimizer), mean=recipe.ema > 0) + pixels


def _name_taken(runs: Path, name: str) -> Problem | None:
    if not name:
        return None
    try:
        exists = (runs / name).exists()
    except (OSError, ValueError):
        return None
    return Problem(f"{str(runs / name)!r} exists already; choose another name") if exists else None


def _weights_in(weights: str, runs: Path) -> str:
    try:
        return weights_in(weights, runs)
    except (OSError, ValueError):
        return weights  # a name that no file can have


def _no_weights(weights: str) -> Problem | None:
    """Of a file or run that is not there; the library's own are looked for by the engine."""
    if weights in ("", "default"):
        return None
    try:
        find_weights(weights)
    except RequestError as error:
        return _problem("weights", error)
    except (OSError, ValueError):
        return Problem(f"{weights!r} can't be read")
    return None


def judged_by_engine(recipe: Recipe) -> bool:
    """Return True for what can be refused only by building the net: code, weights, and names of its parts."""
    return is_target(recipe.net) or any((recipe.weights, recipe.lr_backbone, recipe.layer_decay != 1))


def engine_problems(recipe: Recipe, answer: Mapping[str, object]) -> dict[str, Problem]:
    """Return by field what only the engine can find: PyTorch code that can't be built, weights that don't fit."""
    message = answer.get("error")
    if not isinstance(message, str):
        return {}
    error = RequestError(message, hint=str(answer.get("hint", "")))
    if (word := message.partition(":")[0].strip()) in FIELDS:
        return {word: _problem(word, error)}
    return {"net": _problem("net", error)} if is_target(recipe.net) else {}


def _not_downloaded(values: Mapping[str, Value]) -> Problem | None:
    """Of a set that has to be fetched first, and wasn't."""
    name, data_dir = str(values["data"]), str(values["data_dir"])
    if source_of(name).missing(name, data_dir) is None:
        return None
    return Problem(f"{name} is not on this computer yet; {way_to_get(name, data_dir)}")


def _field_of(error: RequestError, otherwise: str = "net") -> str:
    """Return the field that an error's message begins with ("batch_size: …")."""
    word = error.message.partition(":")[0].strip()
    return word if word in FIELDS else otherwise


def _problem(name: str, error: RequestError) -> Problem:
    """Without the field's name, which stands before the line anyway."""
    message = error.message.removeprefix(f"{name}: ")
    return Problem(message, error.hint, error.column)
