"""Run a script or module as Python does, with PyTorch watched from its import on: `cvtui run` becomes this process.

    python start.py OPTIONS {script|module} TARGET ARGUMENTS…

OPTIONS: JSON (`Options` in options.py). Nothing of cvtui is imported before the script imports torch, so environment
variables that the script sets for it, and a `random.py` beside the script, work as ever.
"""

import sys

if sys.path and not sys.flags.safe_path:
    del sys.path[0]  # this file's folder

OWN = sys.modules["__main__"]
"""This module, which keeps its globals alive."""


def start() -> None:
    """Run the program that the command line names, and end the runs that were recorded of it."""
    options, kind, target, *arguments = sys.argv[1:]
    sys.argv = [target, *arguments]
    main = type(sys)("__main__")
    main.__dict__.update(__annotations__={}, __builtins__=__builtins__, __cached__=None)
    sys.modules["__main__"] = main
    bring_cvtui()
    from cvtui.engine.run_script import program, torch_import

    code = program.module_code(main, target) if kind == "module" else program.script_code(main, target)
    watched = torch_import.Watched(options)
    try:
        exec(code, main.__dict__)
    except BaseException as error:
        program.hide_frames_above(code, error)
        status = watched.end(error)
        if status is not None:
            sys.exit(status)
        raise
    sys.exit(watched.end(None))


def bring_cvtui() -> None:
    """Let `import cvtui` find this checkout where it isn't installed."""
    root = __file__.rpartition("/cvtui/engine/")[0]
    if root and root not in sys.path:
        from importlib.machinery import PathFinder

        if PathFinder.find_spec("cvtui") is None:
            sys.path.append(root)


if __name__ == "__main__":
    start()
