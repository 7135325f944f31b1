"""Which run is meant: by its name, its folder or its age."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cvtui.cli.text_param import TextParam
from cvtui.errors import RequestError, nearest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from cvtui.runlog.folder import RunFolder

Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])


def find_run(run: str | None, runs: Path) -> RunFolder:
    """Find the run of that name in `runs`, or at that path; the newest in `runs` without one. RequestError."""
    from cvtui.runlog.folder import RunFolder, is_run, list_runs, newest

    if run is None:
        found = newest(runs)
        if found is None:
            raise RequestError(
                f"there is no run in {str(runs)!r} yet", hint="`cvtui` starts one; --runs DIR looks elsewhere"
            )
        return found
    name = run.rstrip("/") or run
    if Path(name).name == "recipe.toml":
        name = str(Path(name).parent)
    for path in (runs / name, Path(name)):
        if is_run(path):
            return RunFolder.open(path)
    if Path(name).exists():
        return RunFolder.open(Path(name))  # RequestError says what it is instead
    close = nearest(name, [folder.name for folder in list_runs(runs)])
    raise RequestError(
        f"there is no run {run!r}, neither in {str(runs)!r} nor as a folder{close}", hint="`cvtui runs` lists them"
    )


class RunName(TextParam):
    """A run's name; the shell completes it."""

    name = "run"

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> Any:
        return value

    def shell_complete(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from cvtui.runlog.folder import list_runs

        runs = list_runs(Path(ctx.params.get("runs") or "runs"))
        return [CompletionItem(folder.name) for folder in runs if folder.name.startswith(incomplete)]


def runs_option(help_text: str = "Where the run folders lie.") -> Callable[[Wrapped], Wrapped]:
    """Make the option --runs DIR."""
    return click.option(
        "--runs",
        type=click.Path(path_type=Path),
        default=Path("runs"),
        show_default=True,
        metavar="DIR",
        is_eager=True,
        help=help_text,
    )
