"""What is shipped: the wheel and the source archive with their assets, and the README's commands."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.cli.running import environment
from tests.waiting import wait_until

pytestmark = pytest.mark.torch

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE")
OURS = ("cvtui", "assets", "tests", "docs", ".ci", "pyproject.toml", ".gitignore", *PAGES)


def hatchling(source: Path, target: str, into: Path) -> Path:
    """Build one archive with the build backend itself (no network, no isolation)."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = [path for path in into.iterdir() if path.suffix in (".whl", ".gz")]
    return built


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the checkout's own files: the build must not depend on anything else that lies here."""
    copy = tmp_path_factory.mktemp("checkout") / "cvtui"
    copy.mkdir()
    for name in OURS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, copy / name)
    return copy


def assets() -> set[str]:
    return {str(path.relative_to(ROOT / "assets")) for path in (ROOT / "assets").rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hatchling(checkout, "wheel", tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_package_and_every_asset_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"cvtui/_assets/{name}" for name in assets()} <= names
    assert "cvtui/cli/main.py" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    strangers = {name for name in names if not re.match(r"cvtui/|cvtui-[\d.]+\.dist-info/", name)}
    assert not strangers
    assert not {name for name in names if "__pycache__" in name or "tests" in name.split("/")}


@pytest.fixture(scope="module")
def source(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the source archive."""
    home = tmp_path_factory.mktemp("source")
    with tarfile.open(hatchling(checkout, "sdist", home / "sdist")) as tar:
        tar.extractall(home / "unpacked", filter="data")
    (unpacked,) = (home / "unpacked").iterdir()
    return unpacked


def test_the_source_archive_holds_code_pages_and_tests_but_no_benchmarks(source: Path) -> None:
    top = {path.name for path in source.iterdir()}
    assert top == {"cvtui", "assets", "tests", "docs", ".ci", "pyproject.toml", ".gitignore", "PKG-INFO", *PAGES}
    assert (source / "tests" / "test_packaging.py").exists()
    assert {path.name for path in (source / "docs").iterdir()} == {path.name for path in (ROOT / "docs").iterdir()}
    assert not (source / "tests" / "benchmarks").exists()


def test_tests_that_need_a_benchmark_are_left_out_of_the_source_archives(source: Path) -> None:
    importing = [
        str(path.relative_to(source))
        for path in sorted((source / "tests").rglob("test_*.py"))
        if re.search(r"^(from|import) tests\.benchmarks", path.read_text(), re.MULTILINE)
    ]
    assert importing
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *importing],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 5, done.stdout  # nothing to run, and nothing wrong
    assert done.stdout.count("needs tests/benchmarks") == len(importing)


def test_the_source_archive_builds_the_same_wheel(source: Path, wheel: Path, tmp_path: Path) -> None:
    again = hatchling(source, "wheel", tmp_path / "wheel")
    contents = [
        {entry.filename: entry.CRC for entry in zipfile.ZipFile(path).infolist() if "RECORD" not in entry.filename}
        for path in (wheel, again)
    ]
    assert contents[0] == contents[1]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a fresh venv with the wheel in it; its bin folder.

    What the wheel depends on is borrowed from this environment.
    """
    home = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True, timeout=60)
    python = home / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)],
        check=True,
        timeout=120,
    )
    (packages,) = home.glob("lib/python*/site-packages")
    borrowed = [place for place in sys.path if place.endswith("-packages")]
    (packages / "borrowed.pth").write_text("\n".join(borrowed))  # behind the venv's own
    return home / "bin"


def test_assets_are_found_in_an_installed_wheel(installed: Path, tmp_path: Path) -> None:
    code = "import cvtui.assets, sys; print(*(cvtui.assets.asset(name) for name in sys.argv[1:]), sep='\\n')"
    names = sorted(assets())
    done = subprocess.run(
        [str(installed / "python"), "-c", code, *names], cwd=tmp_path, env=environment(PYTHONPATH=None),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name, found in zip(names, done.stdout.splitlines(), strict=True):
        assert Path(found).is_relative_to(installed.parent), found
        assert Path(found).read_bytes() == (ROOT / "assets" / name).read_bytes()


def test_the_installed_command_starts(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(installed / "cvtui"), "calc", "conv8-pool-fc", "--json"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=None),
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"parameters"' in done.stdout


def test_a_run_from_the_installed_wheel_finds_its_data(installed: Path, tmp_path: Path) -> None:
    words = ["--no-ui", "--net", "fc", "--epochs", "1", "--threads", "1", "--device", "cpu", "--name", "one"]
    done = subprocess.run(
        [str(installed / "cvtui"), *words], cwd=tmp_path, env=environment(PYTHONPATH=None),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "one" / "events.jsonl").exists()


def test_assets_are_found_from_this_checkout() -> None:
    from cvtui.assets import asset

    assert all(asset(name).is_file() for name in assets())
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz"):
        asset("nothing.npz")


# ---------------------------------------------------------------------- README


def commands() -> list[str]:
    """Return the lines of README's `sh` blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_readme_has_exactly_two_commands_each_in_one_line_from_nothing_but_python() -> None:
    start, test = commands()
    assert start.startswith("python3 -m venv .venv && ")
    assert start.endswith("/cvtui")
    assert test.startswith("python3 -m venv .venv && ")
    assert "[test]" in test
    assert "-m pytest" in test


def ci_of(readme: str, at: Path) -> subprocess.CompletedProcess[str]:
    """Return what `.ci/run --show` says beside this README."""
    shutil.copytree(ROOT / ".ci", at / ".ci")
    (at / "README.md").write_text(readme)
    return subprocess.run([str(at / ".ci" / "run"), "--show"], capture_output=True, text=True, check=False)


def test_ci_runs_the_readmes_marked_command_in_a_venv_of_its_own(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    command = commands()[1].replace(".venv", ".ci-venv")
    assert ci_of(readme, tmp_path / "now").stdout == command + "\n"
    more = readme.replace("```sh\n", "```sh\necho another block\n```\n\n```sh\n", 1)
    assert ci_of(more, tmp_path / "more").stdout == command + "\n"


@pytest.mark.parametrize("old", ["<!-- test command -->", " -m pytest "])
def test_ci_refuses_a_readme_without_it(tmp_path: Path, old: str) -> None:
    done = ci_of((ROOT / "README.md").read_text().replace(old, ""), tmp_path / "copy")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "<!-- test command -->" in done.stderr


STUB = """#!/usr/bin/env bash
name=$(basename "$0")
echo "$name was here"
if [[ $name == light ]]; then : >begun; fi
if [[ $name == python ]]; then until [[ -e begun ]]; do sleep 0.01; done; fi
if [[ $name == light && $(cat breaks) == interrupted ]]; then sleep 60 & echo $! >sleeper; wait; fi
if [[ $name == python && $(cat breaks) == interrupted ]]; then : >there; sleep 60; fi
[[ $name != $(cat breaks) ]]
"""
"""In place of every program that `.ci/run` starts: fails, or waits for Ctrl-C, when the file `breaks` says so.

Bash goes on after a Ctrl-C that its child (`touch`) outlives, so it makes the file itself. `python` waits until `light`
has spoken: what fails at once ends what runs beside it, perhaps before its first word.
"""


def stubbed(at: Path, breaks: str) -> list[str]:
    """Make a checkout of programs that do nothing; return the words that run its `.ci/run`."""
    (at / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", at / ".ci" / "run")
    for name in ("light", "ruff", "mypy", "python"):
        (at / ".ci" / name).write_text(STUB)
        (at / ".ci" / name).chmod(0o755)
    command = "mkdir -p .venv && cp -r .ci .venv/bin && .venv/bin/python -m pytest -q"
    (at / "README.md").write_text(f"<!-- test command -->\n```sh\n{command}\n```\n")
    (at / "breaks").write_text(breaks)
    return [str(at / ".ci" / "run")]


@pytest.mark.parametrize("breaks", ["", "python", "light", "ruff", "mypy"])
def test_ci_fails_when_any_part_does_and_shows_what_it_said(tmp_path: Path, breaks: str) -> None:
    done = subprocess.run(stubbed(tmp_path, breaks), capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode == 0) == ("all is well" in done.stdout) == (not breaks), done.stdout + done.stderr
    assert "light was here" in done.stdout
    assert f"{breaks or 'mypy'} was here" in done.stdout


def is_there(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


def test_ctrl_c_ends_what_ci_runs_beside(tmp_path: Path) -> None:
    running = subprocess.Popen(
        stubbed(tmp_path, "interrupted"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's `&` has it ignored
    )  # fmt: skip
    told = tmp_path / "sleeper"
    wait_until(lambda: (tmp_path / "there").exists() and told.exists() and told.read_text(), what="both to run")
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(60) == 130
    sleeper = int(told.read_text())
    wait_until(lambda: not is_there(sleeper), what="what it left behind to go")


@pytest.mark.long
def test_readmes_commands_in_a_fresh_clone(tmp_path: Path) -> None:
    """Fetches some 5 GB. The first command needs a terminal for its last step; here it says so, and names --no-ui."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(tmp_path / "clone")], check=True)
    start, test = commands()
    began = subprocess.run(
        ["bash", "-c", start],
        cwd=tmp_path / "clone",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert began.returncode == 2
    assert "--no-ui" in began.stderr
    ran = subprocess.run(
        ["bash", "-c", start + " --no-ui"], cwd=tmp_path / "clone", capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    tested = subprocess.run(["bash", "-c", test], cwd=tmp_path / "clone", capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout[-4000:]
