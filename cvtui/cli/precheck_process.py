"""The pre-flight check of a recipe, run in a process of its own."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import click

from cvtui.cli.exit import EXIT_WRONG
from cvtui.errors import RequestError, process_error
from cvtui.own_python import own_module

if TYPE_CHECKING:
    from cvtui.doctor import Doctor
    from cvtui.recipe.recipe import Recipe


def run_precheck(recipe: Recipe) -> Doctor:
    """Run the check in a process of its own; return a doctor that has read its records.

    RequestError for what can't be trained.
    """
    import msgspec

    from cvtui.doctor import Doctor
    from cvtui.recipe.toml import dumps
    from cvtui.runlog.events import AnyRecord
    from cvtui.runlog.worker_process import worker_environment, worker_threads

    done = subprocess.run(
        own_module("cvtui.engine", "--check"),
        input=dumps(recipe).encode(),
        capture_output=True,
        env=worker_environment(worker_threads(recipe.threads)),
        check=False,
    )
    if done.returncode:
        why = process_error(done.stderr.decode("utf-8", "replace"), done.returncode)
        if done.returncode == EXIT_WRONG:
            raise RequestError(why)
        raise click.ClickException(f"check: {why}")
    decoder = msgspec.json.Decoder(AnyRecord)
    doctor = Doctor()
    for line in done.stdout.splitlines():
        if line.startswith(b'{"type":'):  # what a user's module prints is no record
            doctor.take(decoder.decode(line))
    doctor.update()
    return doctor
