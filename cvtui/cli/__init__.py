"""The command line: one file per command; anything heavy is imported inside the command."""


def main() -> None:
    """The `cvtui` console script."""
    from cvtui.cli.main import cli

    cli()
