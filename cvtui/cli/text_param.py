"""A parameter of the command line whose value is a text of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    TextParam = click.ParamType[str]
else:  # click 8.1 to 8.3 have no type variable there
    TextParam = click.ParamType
