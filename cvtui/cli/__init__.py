"""The command line: one file per command; anything heavy is imported inside the command.

`cvtui.cli.main:main` is the console script.
"""
