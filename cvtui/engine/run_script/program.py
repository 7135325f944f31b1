"""A script or module as the `__main__` that Python would have made of it."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import Any, NoReturn


def script_code(main: ModuleType, path: str) -> CodeType:
    """Return the code of `python PATH`: a file, or a folder or archive with a `__main__.py`."""
    where = os.path.abspath(path)
    if os.path.isdir(where) or where.endswith((".zip", ".pyz")):
        sys.path.insert(0, where)
        return module_code(main, "__main__", from_folder=True)
    if not sys.flags.safe_path:
        sys.path.insert(0, os.path.dirname(os.path.realpath(where)))
    main.__file__ = where
    main.__loader__ = SourceFileLoader("__main__", where)
    try:
        with open(where, "rb") as file:
            source = file.read()
    except OSError as error:
        refuse(f"can't open {path!r}: {error.strerror}")
    return compiled(source, where)


def module_code(main: ModuleType, name: str, *, from_folder: bool = False) -> CodeType:
    """Return the code of `python -m NAME`."""
    if not from_folder and not sys.flags.safe_path:
        sys.path.insert(0, os.getcwd())
    spec = found(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = found(f"{name}.__main__")
    code = spec.loader.get_code(spec.name) if spec is not None and hasattr(spec.loader, "get_code") else None
    if spec is None or code is None:
        refuse(f"no module named {name!r} that can be run")
    main.__file__, main.__loader__, main.__package__ = spec.origin, spec.loader, spec.parent
    if not from_folder:
        main.__spec__ = spec
        sys.argv[0] = spec.origin or name
    return code


def found(name: str) -> ModuleSpec | None:
    """Find a module, importing the packages that it lies in."""
    from importlib.util import find_spec

    if name == "__main__":
        from importlib.machinery import PathFinder

        return PathFinder.find_spec(name, sys.path[:1])
    try:
        return find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            return None
        raise


def compiled(source: bytes, where: str) -> CodeType:
    """Compile a script; its syntax errors are told as Python tells them, without frames of ours."""
    try:
        code: CodeType = compile(source, where, "exec", dont_inherit=True)
    except SyntaxError as error:
        hide_frames_above(None, error)
        raise
    return code


def refuse(why: str) -> NoReturn:
    """End as Python does where it finds no such program."""
    print(f"cvtui run: {why}", file=sys.stderr)
    sys.exit(2)


def hide_frames_above(code: CodeType | None, error: BaseException) -> None:
    """Let the traceback that Python prints begin in the script, by whichever hook the script has set."""
    hook = sys.excepthook
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code is not code:
        trace = trace.tb_next

    def told(kind: type[BaseException], value: BaseException, whole: TracebackType | None) -> Any:
        if value is not error:
            return hook(kind, value, whole)
        value.__traceback__ = trace
        return hook(kind, value, trace)

    sys.excepthook = told
