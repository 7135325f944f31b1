"""Write the pages of docs/ that are made from the code: `python -m tests.make_docs`."""

from __future__ import annotations

from pathlib import Path

from tests.docs import doctor_table, keys, run_folder

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {"run-folder.md": run_folder.page, "doctor.md": doctor_table.page, "keys.md": keys.page}
"""File below docs/ -> the function that makes it."""


def main() -> None:
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
        print(DOCS / name)


if __name__ == "__main__":
    main()
