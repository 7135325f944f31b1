"""`python -m cvtui.engine FOLDER` trains what FOLDER/recipe.toml asks, with `--resume` from its newest checkpoint on
(at the rate RATE, such as 0.001 or /10, where one is given); `--look N` shows what the layers of a run that is over
make of validation image N (see late_look.py); `--warm` waits for what to do (see warm.py);
`--facts CALLABLE SIZE SHARE` tells what data a callable gives (see callable_set.py).

Exit codes: 0 finished or stopped, 1 failed or diverged, 2 the request was wrong, 130 interrupted (143 by SIGTERM).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

USAGE = "usage: python -m cvtui.engine FOLDER [--resume [RATE] | --look N] | --warm"


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--facts"] and len(arguments) == 4:
        from cvtui.engine.callable_set import tell_facts

        return tell_facts(arguments[1], arguments[2], float(arguments[3]))
    if arguments == ["--check"]:
        from cvtui.engine.quick_start import leave_dynamo_out

        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
        leave_dynamo_out()
        from cvtui.engine.checkup import tell_lines

        return tell_lines()
    if len(arguments) == 3 and arguments[1] == "--look" and arguments[2].isdecimal():
        from cvtui.engine.quick_start import leave_dynamo_out

        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
        leave_dynamo_out()
        from cvtui.engine.late_look import look_at

        return look_at(Path(arguments[0]), int(arguments[2]))
    resume = arguments[1:2] == ["--resume"]
    if not 1 <= len(arguments) <= 1 + 2 * resume or (
        arguments[0].startswith("-") and (resume or arguments[0] != "--warm")
    ):
        print(USAGE, file=sys.stderr)
        return 2
    # OpenMP reads it when torch loads; whoever starts us by hand has not set it (see DESIGN: threads wait in a spin).
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    if arguments[0] == "--warm":
        from cvtui.engine.quick_start import leave_dynamo_out
        from cvtui.engine.warm import wait_for_work

        leave_dynamo_out()
        try:
            return wait_for_work()
        except (KeyboardInterrupt, BrokenPipeError):
            return 130
    from cvtui.engine.control import Signals

    signals = Signals.install()  # before torch loads (2 s): a ctrl+c in that time must not end in a traceback
    from cvtui.engine.quick_start import leave_dynamo_out
    from cvtui.engine.worker import train_folder

    leave_dynamo_out()
    code = train_folder(Path(arguments[0]), signals, resume=resume, rate="".join(arguments[2:]))
    signals.over()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
