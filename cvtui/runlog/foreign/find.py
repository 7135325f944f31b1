"""Which log lies at a path, and which reader reads it."""

from __future__ import annotations

import os
from pathlib import Path

from cvtui import door
from cvtui.errors import RequestError
from cvtui.runlog.foreign.archives import read_archive
from cvtui.runlog.foreign.decoding import GZIP, decoded, is_text
from cvtui.runlog.foreign.listing import CATALYST, EVENTS, NAMED, SPLITS, holds_log
from cvtui.runlog.foreign.mlflow import SQLITE, is_run, read_database, read_run, runs_below, the_run
from cvtui.runlog.foreign.objects import read_json
from cvtui.runlog.foreign.scalars import ScalarLog
from cvtui.runlog.foreign.tables import is_csv, read_csv, read_dvclive, read_pair, read_trainer_state
from cvtui.runlog.foreign.tensorboard import read_events
from cvtui.runlog.foreign.text import read_text
from cvtui.runlog.foreign.wandb import read_wandb

WAY = (
    "it reads TensorBoard events, offline runs of W&B, Comet and ClearML, MLflow, DVCLive, CSV, JSON, "
    "trainer_state.json and plain logs"
)
TEXTS = (".log", ".txt", ".out", ".csv", ".tsv", ".jsonl", ".ipynb")
DATABASES = (".db", ".sqlite", ".sqlite3")


def is_log(path: Path) -> bool:
    """Return True if something lies at a path, or a run of that name may be in the database above it."""
    return path.exists() or (path.parent.suffix in DATABASES and path.parent.is_file())


def read_log(path: Path) -> ScalarLog:
    """Read the log of another program at a path, a file or a folder. RequestError where there is none."""
    try:
        if not path.exists() and is_log(path):
            log = read_database(path.parent, path.name)
        else:
            log = _read_folder(path) if path.is_dir() else _read_file(path)
    except OSError as error:
        raise RequestError(f"can't read {str(path)!r}: {error.strerror or error}") from None
    if not log.values:
        raise RequestError(f"{str(path)!r} ({log.kind}) holds no numbers", hint=WAY)
    return log


def _read_file(path: Path) -> ScalarLog:
    if EVENTS in path.name:
        return read_events([("", path)])
    if path.suffix == ".wandb":
        return read_wandb(path)
    if path.suffix in (".csv", ".tsv"):
        return read_csv(path)
    if path.suffix in (".json", ".jsonl", ".ndjson"):
        return read_trainer_state(path) if path.name == "trainer_state.json" else read_json(path)
    if path.suffix == ".zip":
        return read_archive(path)
    with door.opened_input(path) as file:
        head = file.read(4096)
    if head.startswith(SQLITE):
        return read_database(path)
    if head.startswith(GZIP):
        raise RequestError(f"{str(path)!r} is compressed", hint="unpack it first: gunzip --keep")
    if not is_text(head):
        raise RequestError(f"{str(path)!r} is no log that cvtui knows", hint=WAY)
    return read_csv(path) if is_csv(decoded(head)) else read_text(path)


def _read_folder(path: Path) -> ScalarLog:
    """Read the one log of a folder. RequestError where there are several, or none."""
    names = sorted(os.listdir(path))
    if (log := _read_own(path, names)) is not None:
        return log
    runs = [name for name in names if name.endswith((".wandb", *DATABASES, ".zip"))]
    if len(runs) == 1:
        return _read_file(path / runs[0])
    if events := _event_files(path, names):
        return read_events(events)
    if (state := _newest_checkpoint(path, names)) is not None:
        return read_trainer_state(state)
    below = runs or [name for name in names if (path / name).is_dir() and _holds_log(path / name)]
    if len(below) == 1:
        return _read_file(path / below[0]) if runs else _read_folder(path / below[0])
    if below:
        raise RequestError(
            f"{str(path)!r} holds {len(below)} logs: {', '.join(below[:6])}{' …' if len(below) > 6 else ''}",
            hint=f"name one: cvtui doctor {path / below[0]}",
        )
    texts = [name for name in names if name.endswith(TEXTS)]
    raise RequestError(
        f"there is no log of a known name in {str(path)!r}" if texts else f"there is no log in {str(path)!r}",
        hint=f"name its file: cvtui doctor {path / texts[0]}" if texts else WAY,
    )


def _read_own(path: Path, names: list[str]) -> ScalarLog | None:
    """Read a log that the folder itself is, or one of a name that programs give; None without. RequestError."""
    if (path / "plots" / "metrics").is_dir():
        return read_dvclive(path)
    if set(CATALYST.values()) <= set(names):
        return read_pair(path, CATALYST)
    for name in (*NAMED, *(name for name in names if name.endswith(".log.json"))):
        if name in names:
            return _read_file(path / name)
    if (found := the_run(path)) is not None:
        return read_run(found)
    if ".aim" in names or path.name == ".aim":
        raise RequestError(
            f"{str(path)!r} is a repository of Aim, which Aim alone can read",
            hint="in Python, `for one in aim.Run(HASH).metrics(): one.dataframe()` gives each metric: to_csv writes it",
        )
    return None


def _event_files(path: Path, names: list[str]) -> list[tuple[str, Path]]:
    """Return (prefix, file) of the event files of one run: in a folder, and in its train and validation folders.

    (Keras writes `train/` and `validation/`, add_scalars of torch a folder for each curve.)
    """
    own = [("", path / name) for name in names if EVENTS in name]
    for name in names:
        words = set(name.lower().replace("-", "_").split("_"))
        if (path / name).is_dir() and (own or name.lower() in SPLITS) and words & set(SPLITS):
            own += [(f"{name}/", path / name / file) for file in sorted(os.listdir(path / name)) if EVENTS in file]
    return own


def _newest_checkpoint(path: Path, names: list[str]) -> Path | None:
    """Return the trainer_state.json of the newest checkpoint-N; None without."""
    steps = [int(name[11:]) for name in names if name.startswith("checkpoint-") and name[11:].isdigit()]
    found = path / f"checkpoint-{max(steps)}" / "trainer_state.json" if steps else None
    return found if found is not None and found.is_file() else None


def _holds_log(path: Path, deepest: int = 3) -> bool:
    """Return True if there is a log in a folder or below it; links to folders are left out."""
    try:
        inside = list(os.scandir(path))
    except OSError:
        return False
    if path.is_symlink():
        return False
    if holds_log([one.name for one in inside]):
        return True
    if (path / "plots" / "metrics").is_dir() or is_run(path) or runs_below(path):
        return True
    return deepest > 0 and any(one.is_dir() and _holds_log(Path(one.path), deepest - 1) for one in inside)
