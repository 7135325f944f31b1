"""The exception that reaches a user: a request that can't be done, in one line."""


class RequestError(Exception):
    """A request is wrong (exit code 2). The message is one line: option, value, what is allowed, nearest match.

    `hint` may hold a second part for the way out; `column` (from 0) marks a place inside `source` for a caret.
    """

    def __init__(self, message: str, *, hint: str = "", source: str = "", column: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.source = source
        self.column = column


def process_error(stderr: str, code: int) -> str:
    """Return the last line that a failed process wrote on stderr; without one, its exit code in words."""
    lines = stderr.strip().splitlines()
    return lines[-1] if lines else f"its process ended with code {code}"


def nearest(word: str, allowed: list[str] | tuple[str, ...]) -> str:
    """Return `; did you mean 'adam'?` for the closest allowed word, or ""."""
    import difflib

    found = difflib.get_close_matches(word.lower(), allowed, n=1, cutoff=0.5)
    return f"; did you mean '{found[0]}'?" if found else ""
