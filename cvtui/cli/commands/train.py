"""`cvtui`, `cvtui RECIPE.toml`, `cvtui --data … --net …`: the main job, on the screen or without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cvtui.cli.end_options import end_options, hooks_of
from cvtui.cli.recipe_options import FIT, recipe_options, tell_fitted, write_options
from cvtui.cli.run_argument import RunPlaces, places_option
from cvtui.cli.screen import FPS
from cvtui.errors import RequestError, nearest
from cvtui.recipe.fields import FIELDS
from cvtui.recipe.recipe import Recipe

if TYPE_CHECKING:
    from cvtui.recipe.validation import Checked


class Train(click.Command):
    """Command whose help is in groups, with every choice in a line of its own."""

    def format_options(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        write_options(formatter, self, {parameter.name for parameter in self.params})


@click.command("train", cls=Train)
@click.argument("recipe", required=False, type=click.Path(), metavar="[RECIPE.toml]")
@places_option("Where the run folder goes; further ones, also ssh://host/path, are listed in Runs.")
@click.option("--no-ui", is_flag=True, help="Without the screen: train in the foreground and print a line per epoch.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's records, one JSON object a line (no screen).")
@click.option("--quiet", is_flag=True, help="With --no-ui: only the result and errors.")
@FPS
@end_options
@FIT
@click.option("--download", is_flag=True, help="Fetch data and --weights default first, where they are missing.")
def train(
    recipe: str | None,
    runs: RunPlaces,
    no_ui: bool,
    as_json: bool,
    quiet: bool,
    download: bool,
    fps: float,
    fit: bool,
    on_end: str | None,
    notify: tuple[str, ...],
    **options: str | None,
) -> int:
    """Train an image classifier: on the screen, or with --no-ui in the foreground.

    RECIPE.toml is a recipe file, such as the recipe.toml of a run folder; options win over it.
    """
    changes = {name: text for name, text in options.items() if text is not None}
    hooks = hooks_of(on_end, notify)
    fitted: list[str] = []
    if no_ui or as_json:
        from cvtui.runlog.early_process import EarlyProcess

        with EarlyProcess() as early:  # PyTorch loads while the recipe is checked
            from cvtui.cli.follow import train_without_screen

            checked = _checked(recipe, changes, runs.home, fit, fitted.append)
            _provide(checked, download)
            if not as_json and not quiet:
                tell_fitted(fitted)
            named = "name" in changes
            return train_without_screen(
                checked, runs.home, early, strict_name=named, as_json=as_json, quiet=quiet, hooks=hooks
            )
    checked = _checked(recipe, changes, runs.home, fit)
    if download:
        _provide(checked, download)
    from cvtui.cli.screen import open_screen

    given = recipe is not None or bool(changes)
    return open_screen(
        recipe=checked.asked if given else None,
        runs=runs.home,
        addresses=runs.addresses,
        places=runs.local,
        fps=fps,
        hooks=hooks,
    )


train.params[1:1] = recipe_options()


def _checked(
    path: str | None, changes: Mapping[str, str], runs: Path, fit: bool, tell: Callable[[str], None] | None = None
) -> Checked:
    """Check the recipe, the place of its run and what the machine has for it. RequestError."""
    checked = make_recipe(path, changes, runs, fit=fit, tell=tell)
    check_runs_folder(runs, changes.get("name"))
    if path is not None or changes:
        from cvtui.recipe.memory_check import check_machine

        check_machine(checked)
    return checked


def _provide(checked: Checked, download: bool) -> None:
    """See to it that data and weights are there. RequestError."""
    from cvtui.cli.commands.data import provide, provide_weights

    provide(checked.recipe.data, checked.recipe.data_dir, download=download)
    provide_weights(checked.recipe, download=download)


def make_recipe(
    path: str | None,
    changes: Mapping[str, str],
    runs: Path = Path("runs"),
    *,
    fit: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Checked:
    """Return the checked recipe of a file (or the defaults) with the command line's changes. RequestError.

    runs: where `weights` may name a run. fit: fields that are not given fit a data set that is, unless the net is given
    or the recipe comes from a file; `tell` gets the line that says so.
    """
    from msgspec.structs import replace

    from cvtui.recipe.toml import override
    from cvtui.recipe.validation import check
    from cvtui.runlog.weights_file import weights_in

    base = Recipe() if path is None else _base(_recipe_file(path))
    try:
        made = override(base, changes)
        if fit and path is None and "data" in changes and not {"net", "weights"} & set(changes):
            from cvtui.recipe.fitted import fitted

            found = fitted(made, changes)
            made = found.recipe
            if found.changes and tell is not None:
                tell(f"{found.words()}; --no-fit: the default recipe")
        return check(replace(made, weights=weights_in(made.weights, runs)))
    except RequestError as error:
        raise named(error, path, changes) from None


def _base(path: Path) -> Recipe:
    """Load the recipe of a file; that of a run's folder only where a recipe trained the run."""
    from cvtui.recipe.toml import load

    if path.name == "recipe.toml" and (path.parent / "events.jsonl").is_file():
        from cvtui.runlog.folder import RunFolder
        from cvtui.runlog.origin import recipe_of

        return recipe_of(RunFolder(path.parent), "repeated")
    return load(path)


def named(error: RequestError, path: str | None, changes: Mapping[str, str]) -> RequestError:
    """Name the option, or the line of a file, in an error about a field ("batch_size: …")."""
    name, colon, rest = error.message.partition(": ")
    if not colon or name not in FIELDS:
        return error
    label = FIELDS[name].option if name in changes or path is None else f"{Path(path).name}: {name}"
    return RequestError(f"{label}: {rest}", hint=error.hint, source=error.source, column=error.column)


def _recipe_file(text: str) -> Path:
    """Return the file that the argument names. RequestError says what else it may have meant."""
    from cvtui.cli.registry import COMMANDS
    from cvtui.runlog.folder import is_run

    path = Path(text)
    if path.is_dir() and is_run(path):
        from cvtui.runlog.folder import RunFolder
        from cvtui.runlog.origin import first_run

        run = first_run(RunFolder(path))
        again = f", cvtui {path / 'recipe.toml'} repeats it" if run is None or run.kind == "engine" else ""
        raise RequestError(f"{text!r} is a run folder", hint=f"cvtui attach {text} shows it{again}")
    if path.is_dir():
        from cvtui.recipe.datasets.folder_typed import as_typed

        raise RequestError(
            f"{text!r} is a folder, not a recipe file", hint=f"a folder of images is chosen by --data {as_typed(text)}"
        )
    if text in COMMANDS and not path.exists():
        raise RequestError(f"{text!r} is a command: it comes first, its options after it", hint=f"cvtui {text} --help")
    if not path.exists() and path.suffix != ".toml" and "/" not in text:
        raise RequestError(
            f"{text!r} is neither a command nor a recipe file{nearest(text, list(COMMANDS))}", hint="cvtui --help"
        )
    return path


def check_runs_folder(runs: Path, name: str | None) -> None:
    """Raise RequestError, with the way out, where no run folder can be made."""
    import os

    if runs.exists() and not runs.is_dir():
        raise RequestError(f"--runs: {str(runs)!r} is a file, not a folder")
    if name and (runs / name).exists():
        raise RequestError(
            f"--name: the run folder {str(runs / name)!r} exists already",
            hint=f"choose another --name, or look at it with `cvtui attach {name}`",
        )
    above = runs
    while not above.exists() and above != above.parent:
        above = above.parent
    if not os.access(above, os.W_OK | os.X_OK):
        raise RequestError(f"--runs: {str(above)!r} is not writable", hint="choose a place with --runs DIR")
