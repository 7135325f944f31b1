"""Where the shipped files lie: `cvtui/_assets` inside a wheel, `assets/` in a checkout or an editable install."""

from pathlib import Path


def asset(name: str) -> Path:
    """Return the path of a shipped file, such as `asset("digits.npz")`. Raises FileNotFoundError."""
    package = Path(__file__).resolve().parent
    for folder in (package / "_assets", package.parent / "assets"):
        path = folder / name
        if path.exists():
            return path
    raise FileNotFoundError(f"cvtui's own file {name!r} is missing: install cvtui again")
