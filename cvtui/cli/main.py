"""The `cvtui` command: subcommands imported on demand, and how errors reach the user.

Kept light, because `cvtui calc` should start in a blink.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from cvtui.cli import process
from cvtui.cli.exit import EXIT_BROKEN_PIPE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_WRONG, say
from cvtui.cli.registry import COMMANDS, DEFAULT, load
from cvtui.cli.script_words import own_count
from cvtui.errors import RequestError, nearest


class Program(click.Group):
    """Group whose commands are imported by name; anything else goes to the default command."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        return load(name)

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        own = {"--help", "-h", "--version", *COMMANDS}
        if (args and args[0] not in own) or (not args and not context.resilient_parsing):
            args = [DEFAULT, *args]
        return super().parse_args(context, args)

    def format_usage(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage("cvtui", "[RECIPE.toml] [OPTIONS]")
        formatter.write_usage("cvtui", "COMMAND [ARGUMENTS] [OPTIONS]", prefix="       ")

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        from cvtui.cli.recipe_options import write_options

        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        default = self.get_command(context, DEFAULT)
        assert default is not None
        write_options(formatter, default)
        with formatter.section("Other"):
            rows = (parameter.get_help_record(context) for parameter in self.get_params(context))
            formatter.write_dl([row for row in rows if row])

    def shell_complete(self, context: click.Context, incomplete: str) -> list[Any]:
        """Complete commands, and what the default command takes."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=summary) for name, summary in COMMANDS.items() if name.startswith(incomplete)
        ]
        if not incomplete or found:
            return [*found, CompletionItem(incomplete, type="file")]
        default = self.get_command(context, DEFAULT)
        assert default is not None
        with click.Context(default, parent=context, info_name=DEFAULT) as inner:
            options = default.shell_complete(inner, incomplete)
        return [*options, *click.Command.shell_complete(self, context, incomplete)]


def _version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from cvtui import __version__

        click.echo(f"cvtui {__version__}")
        context.exit()


cli = Program(
    "cvtui",
    help="""Train image classifiers in the terminal and see, live, why they learn or don't.

    Without arguments, cvtui opens its screen with the default recipe in a form. A recipe file, a run's recipe.toml or
    options fill the form; with --no-ui the training starts at once and prints a line per epoch.
    """,
    epilog='Shell completion: eval "$(_CVTUI_COMPLETE=bash_source cvtui)"  (or zsh_source, fish_source). '
    "Exit codes: 0 done, 1 the run failed or diverged, 2 the request was wrong, 130 interrupted.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    params=[
        click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the traceback of an error."),
        click.Option(
            ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version."
        ),
    ],
    subcommand_metavar="",
)


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line `args` and exit with its code; without `args` sys.argv, and the process ends."""
    words = list(sys.argv[1:] if args is None else args)
    process.open_streams()
    process.watch_output()
    process.raise_on_signals()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an ASCII terminal gets '?' for '×', not a traceback
    debug = _take_debug(words)
    code = _run(words, debug)
    if (error := process.output_error()) is not None:
        code = _report_lost_output(error, code)
    elif process.write_error is not None:
        code = code or EXIT_FAILED
    code = 128 + process.received if process.received else code
    if args is None:
        process.end(code)
    sys.exit(code)


def _take_debug(words: list[str]) -> bool:
    """Remove --debug from the arguments, wherever it stands (not a script's). Return True if it was there."""
    before = words.index("--") if "--" in words else len(words)
    if words[:1] == ["run"]:
        before = 1 + own_count(words[1:])
    if "--debug" not in words[:before]:
        return False
    words.remove("--debug")
    return True


def _run(words: list[str], debug: bool) -> int:
    try:
        result = cli.main(words, prog_name="cvtui", standalone_mode=False)
    except Exception as error:
        if debug and not isinstance(error, click.exceptions.Abort):
            _show_traceback()
        return _report(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except SystemExit as end:  # click's answer to a reader that went away (`| head`); nothing else of it ends so
        if isinstance(lost := process.output_error(), BrokenPipeError):
            return _report_lost_output(lost, EXIT_FAILED)
        return end.code if isinstance(end.code, int) else EXIT_FAILED
    return result if isinstance(result, int) else 0


def _report(error: Exception) -> int:
    """Print an error on stderr in one line; return the exit code."""
    match error:
        case RequestError():
            say(error.message, error.hint)
            if error.source and error.column is not None:
                from cvtui.cli.output.caret import with_caret

                print(with_caret(error.source, error.column), file=sys.stderr)
            return EXIT_WRONG
        case click.exceptions.Abort():  # click's word for ctrl+c
            return EXIT_INTERRUPTED
        case click.exceptions.Exit():
            return error.exit_code
        case click.ClickException():
            say(_in_one_line(error))
            return EXIT_WRONG
        case OSError() if (lost := process.output_error()) is not None or isinstance(error, BrokenPipeError):
            return _report_lost_output(lost or error, EXIT_FAILED)
        case _:
            say(f"internal error: {type(error).__name__}: {error}", "--debug shows where")
            return EXIT_FAILED


def _show_traceback() -> None:
    import traceback

    from cvtui.text import harmless

    for line in traceback.format_exc().splitlines():
        print(harmless(line), file=sys.stderr)


def _in_one_line(error: click.ClickException) -> str:
    """Word click's own errors like ours: what was given, what is allowed, the nearest."""
    if isinstance(error, click.NoSuchOption):
        of_a_lab = error.ctx is not None and error.ctx.parent is not None and error.ctx.parent.info_name == "lab"
        if error.ctx is not None and not of_a_lab and _is_of_recipes(error.option_name):
            return f"{error.option_name}: {_why_not_taken(error.ctx, error.option_name)}"
        close = nearest(error.option_name, error.possibilities or _options_of(error.ctx))
        return f"{error.option_name}: there is no such option{close or '; --help lists them'}"
    if isinstance(error, click.BadOptionUsage):
        return f"{error.option_name}: {'needs a value' if 'argument' in error.message else 'takes no value'}"
    if isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter):
        name = error.param.opts[-1] if isinstance(error.param, click.Option) else _argument(error)
        message = error.message.rstrip(".")
        if error.param is not None and isinstance(error.param.type, click.Choice):
            word = message.partition("is not")[0].strip().strip("'")
            message += nearest(word, [str(choice) for choice in error.param.type.choices])
        if error.param is not None and isinstance(error.param.type, click.IntRange | click.FloatRange):
            message = _out_of(error.param.type, message)
        return f"{name}: {message}"
    message = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    before = f"{context.info_name}: " if context is not None and context.parent is not None else ""
    return f"{before}{message[0].lower()}{message[1:]}".replace("\n", " ") + (
        before and f"; cvtui {before[:-2]} --help"
    )


def _why_not_taken(context: click.Context, option: str) -> str:
    """Say why a command does not take an option of the recipe."""
    if context.info_name == "resume":
        return f"a resume keeps its recipe; cvtui fork RUN {option} … changes it"
    if context.info_name == "run":
        return "cvtui has no such option there; options of the script stand behind its name"
    if "--seed" in _options_of(context):  # it takes a recipe
        return f"{context.info_name} sets it itself; cvtui {context.info_name} --help lists what it takes"
    return f"{context.info_name} trains nothing with a recipe; cvtui {context.info_name} --help lists its options"


def _out_of(allowed: click.IntRange | click.FloatRange, message: str) -> str:
    """Word a number that click refused: it calls a word "not a valid integer range"."""
    kind = "a whole number" if isinstance(allowed, click.IntRange) else "a number"
    low, high = (f"{bound:,}" if isinstance(bound, int) else f"{bound or 0:g}" for bound in (allowed.min, allowed.max))
    if allowed.min_open or allowed.max_open:
        span = " and ".join([f"above {low}"] * allowed.min_open + [f"below {high}"] * allowed.max_open)
    elif allowed.max is None:
        span = f"{low} or more"
    else:
        span = low if low == high else f"{low} to {high}"
    given = message.partition(" is not ")[0]
    wrong = f"{given} is not {kind}" if " is not a valid " in message else f"{given} is not possible"
    return f"{wrong}; allowed: {kind} {span}" if allowed.min_open else f"{wrong}; allowed: {kind}, {span}"


def _argument(error: click.BadParameter) -> str:
    return (error.param.human_readable_name if error.param else error.param_hint) or "argument"  # type: ignore[return-value]


def _is_of_recipes(option: str) -> bool:
    from cvtui.recipe.fields import FIELDS

    return option.removeprefix("--").replace("-", "_") in FIELDS


def _options_of(context: click.Context | None) -> list[str]:
    if context is None:
        return []
    return [word for parameter in context.command.get_params(context) for word in parameter.opts if word[:2] == "--"]


def _report_lost_output(error: OSError, code: int) -> int:
    """Handle output that can't be written; return the exit code.

    Where its reader went away (`| head`), there is nothing more to say.
    """
    process.discard_output()
    if isinstance(error, BrokenPipeError):
        return EXIT_BROKEN_PIPE
    if not process.received:
        say(f"the output can't be written: {error.strerror or error}")
    return code or EXIT_FAILED
