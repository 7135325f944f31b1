"""Which run is meant: by its name, its folder or its age."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cvtui.cli.text_param import TextParam
from cvtui.errors import RequestError, nearest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from cvtui.runlog.folder import RunFolder

SSH = "ssh://"
Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])


def find_run(run: str | None, runs: Path | RunPlaces) -> RunFolder:
    """Find the run of that name in `runs` or below, or at that path or address; else the newest. RequestError."""
    places = runs if isinstance(runs, RunPlaces) else RunPlaces([str(runs)])
    if run is None:
        return _newest(places)
    if run.startswith(SSH):
        from cvtui.cli.other_hosts import run_at

        return run_at(run)
    from cvtui.runlog.folder import RunFolder, is_run

    name = run.rstrip("/") or run
    if Path(name).name == "recipe.toml":
        name = str(Path(name).parent)
    for path in (*(base / name for base in places.local), Path(name)):
        if is_run(path):
            return RunFolder.open(path)
    found = [folder for folder in places.runs(lambda path: _names(path, name)) if _names(str(folder.path), name)]
    if len(found) > 1:
        ways = ", ".join(str(folder.path) for folder in found[:4])
        raise RequestError(f"{run!r} is the name of {len(found)} runs: {ways}", hint="name one by its path")
    if found:
        return found[0]
    if Path(name).exists():
        return RunFolder.open(Path(name))  # RequestError says what it is instead
    close = nearest(name, places.names())
    raise RequestError(
        f"there is no run {run!r}, neither in {places} nor as a folder{close}", hint="`cvtui runs` lists them"
    )


def _names(path: str, name: str) -> bool:
    """Return True if a run at `path` is meant by `name`: its last parts."""
    return f"/{path}".endswith(f"/{name}")


def _newest(places: RunPlaces) -> RunFolder:
    found = places.newest()
    if found is None:
        raise RequestError(f"there is no run in {places} yet", hint="`cvtui` starts one; --runs DIR looks elsewhere")
    return found


class RunPlaces:
    """Where runs are looked for: folders of this machine and of others (`ssh://host/path`)."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = list(dict.fromkeys(texts)) or ["runs"]
        self.addresses = [text for text in self._texts if text.startswith(SSH)]
        self.local = [Path(text) for text in self._texts if text not in self.addresses]
        if self.addresses:
            from cvtui.cli.other_hosts import check

            check(self.addresses)

    def __str__(self) -> str:
        return ", ".join(repr(text) for text in self._texts)

    @property
    def home(self) -> Path:
        """Where new runs are made: the first folder of this machine."""
        return self.local[0] if self.local else Path("runs")

    def runs(self, wanted: Callable[[str], bool] = lambda _: True) -> list[RunFolder]:
        """Return all runs, newest first; other hosts' up to date where `wanted` (by path). RequestError."""
        from cvtui.runlog.folder import runs_below

        return runs_below([*self.local, *self._mirrored(wanted)])

    def newest(self) -> RunFolder | None:
        """Return the run that was made last, up to date."""
        from cvtui.runlog.folder import runs_below

        mine = next(iter(runs_below(self.local)), None)
        if not self.addresses:
            return mine
        from cvtui.cli.other_hosts import bring, dated

        found = dated(self.addresses, alone=self._alone)
        when, there = max(found, key=lambda run: (run[0], run[1].name), default=(0.0, None))
        if there is None or (mine is not None and mine.age() <= time.time() - when):
            return mine
        bring(there)
        return there

    def names(self) -> list[str]:
        """Return the names of all runs."""
        from cvtui.runlog.folder import runs_below

        found = [folder.name for folder in runs_below(self.local)]
        if self.addresses:
            from cvtui.cli.other_hosts import dated

            found += [folder.name for _, folder in dated(self.addresses, alone=self._alone)]
        return found

    @property
    def _alone(self) -> bool:
        return not self.local and len(self.addresses) == 1

    def _mirrored(self, wanted: Callable[[str], bool]) -> list[Path]:
        if not self.addresses:
            return []
        from cvtui.cli.other_hosts import mirrored

        return mirrored(self.addresses, wanted, alone=self._alone)


class RunName(TextParam):
    """A run's name; the shell completes it."""

    name = "run"

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> Any:
        return value

    def shell_complete(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from cvtui.runlog.folder import runs_below

        places = ctx.params.get("runs")  # other hosts are not asked at the press of a key
        local = places.local if isinstance(places, RunPlaces) else [Path(places or "runs")]
        runs = runs_below(local)
        return [CompletionItem(folder.name) for folder in runs if folder.name.startswith(incomplete)]


class OwnFolder(click.Path):
    """A folder of runs on this machine; an address of another host is refused."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and value.startswith(SSH):
            raise RequestError(
                f"--runs: {value} lies on another host, and this command works in a folder of this machine",
                hint="attach, runs, doctor, ranks, compare, mistakes and export read runs of other hosts",
            )
        return super().convert(value, param, ctx)


def runs_option(help_text: str = "Where the run folders lie.") -> Callable[[Wrapped], Wrapped]:
    """Make the option --runs DIR."""
    return click.option(
        "--runs",
        type=OwnFolder(),
        default=Path("runs"),
        show_default=True,
        metavar="DIR",
        is_eager=True,
        help=help_text,
    )


def places_option(
    help_text: str = "Where the run folders lie; also ssh://host/path. May be repeated.",
) -> Callable[[Wrapped], Wrapped]:
    """Make the option --runs DIR of commands that read runs: several folders, also of other hosts."""
    return click.option(
        "--runs",
        multiple=True,
        default=("runs",),
        show_default=True,
        metavar="DIR",
        is_eager=True,
        callback=lambda _context, _option, texts: RunPlaces(texts),
        help=help_text,
    )
