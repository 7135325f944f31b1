"""Write the pages of docs/ that are made from the code: `python -m tests.make_docs`.

`--pictures` trains the benchmark's runs for the pictures of docs/doctor/ anew (`--pictures F12,F15`: these alone).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.docs import doctor_pages, doctor_table, keys, run_folder

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {
    "run-folder.md": run_folder.page,
    "doctor.md": doctor_table.page,
    "keys.md": keys.page,
    **doctor_pages.every_page(),
}
"""File below docs/ -> the function that makes it."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.make_docs", description=__doc__)
    parser.add_argument("--pictures", nargs="?", const="all", default="", metavar="IDS", help="F12,F15; all without")
    wanted = parser.parse_args().pictures
    if wanted:
        from tests.docs.doctor_pictures import draw

        draw(None if wanted == "all" else set(wanted.split(",")))
    measured = doctor_pages.measured()
    if doctor_pages.MEASURED.read_text(encoding="utf-8") != measured:
        doctor_pages.MEASURED.write_text(measured, encoding="utf-8")
        raise SystemExit(f"{doctor_pages.MEASURED} is new: run this once more, it is read when the program begins")
    (DOCS / "doctor").mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
        print(DOCS / name)


if __name__ == "__main__":
    main()
