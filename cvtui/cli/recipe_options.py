"""Options of the commands that take a recipe, made from its fields."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from cvtui.cli import out
from cvtui.cli.text_param import TextParam
from cvtui.recipe.choices.spec import Choice
from cvtui.recipe.fields import FIELDS, Field, grouped

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


METAVARS = {"whole": "N", "number": "X", "choice": "NAME"}


DEVICES = ("auto", "cpu", "cuda", "mps")


FIT = click.option(
    "--no-fit",
    "fit",
    is_flag=True,
    flag_value=False,
    default=True,
    help="The default recipe for a set that --data names, instead of one that fits it (docs/recipes.md).",
)


def tell_fitted(lines: Iterable[str]) -> None:
    """Tell on stderr which recipe was chosen for the data, once the data is there."""
    for line in lines:
        out.line(f"note: {line}", err=True)


class FieldType(TextParam):
    """A field of the recipe as an option's value: text here, checked by the recipe; the shell completes choices."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.name = field.kind

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> Any:
        return value

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        words = DEVICES if self.field.name == "device" else self.field.allowed
        table: Mapping[str, Any] = self.field.table or {}
        return [
            CompletionItem(word, help=table[word].summary if word in table else None)
            for word in words
            if word.startswith(incomplete.lower())
        ]


def _metavar(field: Field) -> str:
    if field.kind == "word":
        return "|".join(field.allowed)
    return METAVARS.get(field.kind, field.name.upper())


def recipe_options() -> list[click.Parameter]:
    options = [*map(_option, FIELDS.values())]
    off = click.Option(["--no-cache"], is_flag=True, expose_value=False, hidden=True, callback=_note_no_cache)
    return [off, *options]


def _option(field: Field) -> click.Option:
    more: dict[str, Any] = {}
    if field.name == "cache":  # --cache alone is --cache on, --no-cache is --cache off
        more = {"is_flag": False, "flag_value": "on", "callback": _cache_of}
    names = [field.option, field.name]
    return click.Option(names, type=FieldType(field), metavar=_metavar(field), help=field.doc, **more)


def _note_no_cache(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    ctx.meta["cvtui.no_cache"] = value


def _cache_of(ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    return "off" if value is None and ctx.meta.get("cvtui.no_cache") else value


def write_options(
    formatter: click.HelpFormatter, command: click.Command, own: Collection[str | None] = ("download", "fit")
) -> None:
    """Write the options of a command that takes a recipe, in groups, each choice below its option.

    `command` is the default command, whose own options stand among the recipe's; `own` names those of them that are
    shown only where a command takes them.
    """
    for title, fields in grouped():
        rows = [row for field in fields for row in _rows(field)]
        if title == "Data" and "download" in own:
            rows += _own_rows(command, "download", "fit")
        if title == "Run":
            rows += _own_rows(command, "runs", "fps")
        with formatter.section(title):
            formatter.write_dl(rows, col_max=28)
    if rows := _own_rows(command, "on_end", "notify"):
        with formatter.section("When the run ends"):
            formatter.write_dl(rows, col_max=28)
    with formatter.section("Without the screen"):
        formatter.write_dl(_own_rows(command, "no_ui", "as_json", "quiet"), col_max=28)


def _rows(field: Field) -> Iterator[tuple[str, str]]:
    default = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
    shown = f"  [default: {default}]" if default else ""
    yield f"{field.option} {_metavar(field)}", field.doc + shown
    for word, entry in (field.table or {}).items():
        yield f"    {entry.usage() if isinstance(entry, Choice) else word}", entry.summary


def _own_rows(command: click.Command, *names: str) -> list[tuple[str, str]]:
    context = click.Context(command)
    rows = [parameter.get_help_record(context) for parameter in command.params if parameter.name in names]
    return [row for row in rows if row]


def check_device(device: str) -> None:
    """Check the option --device, where it is given, as the recipe's field. RequestError."""
    from cvtui.recipe.fields import FIELDS

    if device:
        FIELDS["device"].check(device)
