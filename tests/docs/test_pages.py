"""README, docs and the other pages: what they name is there, and the README stays short; the workflow's versions."""

from __future__ import annotations

import importlib.util
import re
import tomllib
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README_CHARACTERS = 7000
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
OWN = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""The change log also names what was there once."""
BENCHMARKS = ROOT / "tests" / "benchmarks"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return the page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the ids that GitHub gives to the page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+?)\s*$", prose(page), re.MULTILINE):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        kept = (sign for sign in plain if sign in " -_" or unicodedata.category(sign)[0] in "LN")
        found.add("".join(kept).replace(" ", "-"))
    return found


def links(page: Path) -> list[tuple[str, str]]:
    """(path, anchor) of every link that leads into the project."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    inside = [target for target in targets if not re.match(r"[a-z]+:", target)]
    return [(path, anchor) for path, _, anchor in (target.partition("#") for target in inside)]


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8")) <= README_CHARACTERS


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{path} is not there"
        assert not anchor or anchor in anchors(target), f"{path}#{anchor} is not there"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page.suffix == ".md" and page not in reached and page.is_file():
            reached.add(page)
            ahead += [(page.parent / path).resolve() for path, _ in links(page) if path]
    assert set(PAGES) <= reached


def paths(page: Path) -> list[str]:
    """Every file or folder of the project that the page names."""
    return re.findall(
        r"(?<![\w/.-])((?:cvtui|tests|assets|docs|findings|\.ci|\.github)/[\w./-]*\w)", page.read_text("utf-8")
    )


@pytest.mark.parametrize("page", OWN, ids=name_of)
def test_every_path_that_is_named_is_there(page: Path) -> None:
    for path in paths(page):
        if path in ("cvtui/data", "cvtui/decoded") or (path.startswith("tests/benchmarks") and not BENCHMARKS.is_dir()):
            continue  # a folder in the user's cache; what the source archive leaves out
        assert (ROOT / path).exists(), f"{path} is not there"


@pytest.mark.parametrize("page", OWN, ids=name_of)
def test_every_module_that_is_named_is_there(page: Path) -> None:
    for module in re.findall(r"python -m ((?:cvtui|tests)[\w.]*)", page.read_text(encoding="utf-8")):
        if BENCHMARKS.is_dir() or "benchmarks" not in module:
            assert importlib.util.find_spec(module) is not None, module


def stops() -> list[tuple[str, str]]:
    """(file, what happens there) of the walks of architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("\n## Walks\n")[2]
    return re.findall(r"^\| `(cvtui/[\w/.]+\.py)` \| (.*) \|$", text, re.MULTILINE)


@pytest.mark.parametrize("container", ["cvtui", "cvtui.engine"])
def test_each_floor_of_the_contracts_has_its_row(container: str) -> None:
    """From the top to the bottom, the same packages on one floor."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = [one["layers"] for one in contracts if one.get("containers") == [container]]
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    place = container.replace(".", "/")
    rows = [re.findall(rf"`{place}/(\w+)(?:\.py)?`", row) for row in re.findall(r"^\| \d+ \| .*$", text, re.MULTILINE)]
    floor = {name: number for number, row in enumerate(rows) for name in row}
    known = [[floor[name] for name in layer.split(" | ")] for layer in layers]
    assert all(max(above) <= min(below) for above, below in pairwise(known)), floor


BEFORE = {"One learning rate": 9, "One batch": 6, "One record": 12, "One key press": 8}
"""Stops of each walk before the packages were divided as they are now, hand-overs not counted there either."""


def test_each_walk_is_shorter_than_it_was() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("\n## Walks\n")[2]
    walks = {
        part.partition(":")[0]: part.count("\n| `cvtui/") for part in text.partition("\n## ")[0].split("\n### ")[1:]
    }
    assert walks.keys() == BEFORE.keys()
    assert all(3 < walks[name] < BEFORE[name] for name in BEFORE), walks


def test_each_stop_of_a_walk_holds_the_names_that_are_told_of_it() -> None:
    for path, told in stops():
        text = (ROOT / path).read_text(encoding="utf-8")
        for code in re.findall(r"`([^`]+)`", told):
            names = [name for name in re.findall(r"[A-Za-z_]\w+", code) if "/" not in code]
            if code.isidentifier() or re.fullmatch(r"[A-Za-z_][\w.]*(\(.*\))?", code):
                missing = [name for name in names if not re.search(rf"\b{name}\b", text)]
                assert not missing, f"{path} has no {code}"


def test_the_workflow_runs_ci_on_the_first_and_the_last_python() -> None:
    """And on the oldest PyTorch, whose bound it reads from pyproject.toml itself."""
    path = ROOT / ".github" / "workflows" / "ci.yml"
    if not path.exists():
        pytest.skip("not in the source archive")
    workflow = path.read_text(encoding="utf-8")
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["classifiers"]
    pythons = [
        name.rpartition(" ")[2] for name in classifiers if name.startswith("Programming Language :: Python :: 3.")
    ]
    assert f'python: ["{pythons[0]}", "{pythons[-1]}"]' in workflow
    assert "os: [ubuntu-latest, macos-latest]" in workflow
    assert "torch: [oldest, newest]" in workflow
    assert workflow.rstrip().endswith("- run: .ci/run")
