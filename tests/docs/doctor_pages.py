"""docs/doctor/: one page for each fault, one for the remarks of the lecture, and what was measured of them as TOML."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cvtui.doctor import pages
from cvtui.doctor.catalogue import FAULTS
from tests.docs import doctor_table
from tests.docs.doctor_links import linked

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "doctor" / "pictures"
CAPTIONS = PICTURES / "captions.toml"
MEASURED = ROOT / "cvtui" / "doctor" / "measured.toml"
WIDTH = 120
_GIVEN = "## Kept back; data, labels and classes given"
_LECTURE = """\
# Remarks of the lecture

Eight remarks that the doctor reads from the net and its first batch. Most are notes: nothing is wrong with the run."""


def every_page() -> dict[str, Callable[[], str]]:
    """Return the file below docs/ -> the function that makes it."""
    faults = {f"doctor/{one}.md": partial(fault_page, one) for one in sorted(FAULTS) if one.startswith("F")}
    return {**faults, "doctor/lecture.md": lecture_page}


def fault_page(fault_id: str) -> str:
    return markdown([*pages.page(fault_id, picture(fault_id)), "[All faults](../doctor.md)"], fault_id)


def lecture_page() -> str:
    """Return the page of L01 …, with the headings one level down."""
    blocks = [
        f"#{block}" if block.startswith("#") else block
        for one in sorted(FAULTS)
        if one.startswith("L")
        for block in pages.page(one, picture(one))
    ]
    return f"{_LECTURE}\n\n{markdown([*blocks, '[All faults](../doctor.md)'])}"


def picture(fault_id: str) -> list[str]:
    """Return the picture's line and its caption; none without a picture."""
    if not (PICTURES / f"{fault_id}.svg").exists():
        return []
    caption = tomllib.loads(CAPTIONS.read_text(encoding="utf-8"))[fault_id]
    return [f"![Loss, accuracy and learning rate of a run with {fault_id}](pictures/{fault_id}.svg)", caption]


def markdown(blocks: list[str], own: str = "") -> str:
    """Join the blocks of a page: lines wrapped, ids linked, lists without blank lines in them."""
    text = ""
    for block in blocks:
        item = block.startswith("- ")
        if not block.startswith(("#", "![")):
            block = textwrap.fill(linked(block, own), WIDTH, subsequent_indent="  " if item else "",
                                  break_long_words=False, break_on_hyphens=False)  # fmt: skip
        near = item and text.rpartition("\n\n")[2].startswith("- ")
        text += ("\n" if near else "\n\n" if text else "") + block
    return text + "\n"


# ---------------------------------------------------------------------- what was measured


def measured() -> str:
    """Return measured.toml: shares of the benchmark's table, and the real programs of each id."""
    from tests.benchmarks.doctor.real.judging import PROGRAMS

    results = doctor_table.RESULTS.read_text(encoding="utf-8")
    rows, first = doctor_table.measured(results), said_first(results)
    lines = ["# What the benchmark measured: made by `python -m tests.make_docs`, never by hand."]
    for one in sorted(FAULTS):
        programs = [program for program in PROGRAMS if one in program.truth]
        if one not in rows and not programs:
            continue
        lines += ["", f"[{one}]"]
        if one in rows:
            lines.append(f'first = "{rows[one].named_first}"')
        for program in programs:
            lines += ["", f"[[{one}.programs]]"]
            fields = {"id": program.id, "source": program.source, "title": program.title, "why": program.why,
                      "first": first.get(program.id, "") if program.held else ""}  # fmt: skip
            lines += [f"{name} = {quoted(value)}" for name, value in fields.items() if value]
    return "\n".join(lines) + "\n"


def said_first(results: str) -> dict[str, str]:
    """Return the kept-back program -> what was said of it first, with data, labels and classes given."""
    part = results.partition(_GIVEN)[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\S+) \| yes \| [^|]+ \| ([^|]+) \| \w+ \|", part, re.MULTILINE)
    return {name: "nothing above a note" if said == "–" else said.split()[0] for name, said in rows}


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
