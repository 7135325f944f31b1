"""File that a recipe's `weights` means, found without PyTorch."""

from __future__ import annotations

from pathlib import Path

from cvtui.errors import RequestError
from cvtui.runlog.folder import RunFolder, is_run
from cvtui.runlog.fork import checkpoint_file

SOURCE = "weights: "
TOLD = (
    SOURCE,
    "NaN in ",
    "head left out (",
    "left out, of another shape or kind of numbers (",
    "missing, begin as drawn (",
    "not in this net (",
)
"""How the lines of the log begin that tell which weights fit, and which don't."""


def weights_in(text: str, runs: Path) -> str:
    """Return `text`, or the path of the run that it names below `runs`, where that is another folder than ./runs."""
    path = Path(text).expanduser()
    if text in ("", "default") or path.exists() or runs.absolute() == Path("runs").absolute():
        return text
    return str(runs / text) if is_run(runs / text) else text


IN_FOLDERS = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
)  # fmt: skip
"""Files of weights in a folder that the hub's libraries or accelerate have written."""


def _in_folder(folder: Path, text: str) -> Path:
    for name in IN_FOLDERS:
        if (folder / name).is_file():
            return folder / name
    raise RequestError(
        f"weights: {text!r} is a folder, but no run, and holds no {' or '.join(IN_FOLDERS[::2])}; "
        "give a .pt, .pth or .safetensors file or a run"
    )


def find_weights(text: str) -> Path:
    """Return the file that is meant: itself, or the best checkpoint of a run. RequestError."""
    path = Path(text).expanduser()
    for folder in (path, Path("runs") / text):
        if is_run(folder):
            return checkpoint_file(RunFolder.open(folder))
    if path.is_dir():
        return _in_folder(path, text)
    if "://" in text:
        raise RequestError(f"weights: {text!r} is an address, and nothing is fetched", hint="give a file")
    if not path.is_file():
        raise RequestError(f"weights: there is no file and no run {text!r}; allowed: .pt, .pth, .safetensors, a run")
    return path
