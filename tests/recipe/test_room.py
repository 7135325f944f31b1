"""Fit of a net into the memory, asked before anything is allocated; checked against the kernel's files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cvtui.errors import RequestError
from cvtui.recipe.free_memory import GIB, cgroup_free_memory, free_memory
from cvtui.recipe.memory_check import check_memory, memory_need
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from tests.cli.running import cvtui, within

HUGE = "fc2000000-fc2000000-fc"
"""4e12 weights: 16 TB before anything else."""


def test_the_estimate_of_a_net_that_can_be_worked_out_by_hand() -> None:
    """fc100-fc on digits: 64·100 + 100 + 100·10 + 10 = 7,510 numbers of 4 bytes; Adam keeps two more of each."""
    need = memory_need(check(Recipe(net="fc100-fc", optimizer="adam", batch_size=32)))
    assert need[:3] == (30_040, 30_040, 60_080)
    assert need.activations == 32 * 4 * (64 + 100)
    assert memory_need(check(Recipe(net="fc100-fc", optimizer="sgd", ema=0.9)))[2] == 30_040
    assert memory_need(check(Recipe(net="fc100-fc", optimizer="sgd")), batch=1).activations == 4 * (64 + 100)


def test_it_is_refused_by_one_byte_and_not_for_its_batch() -> None:
    checked = check(Recipe(net="fc100-fc", optimizer="adam"))
    fixed = memory_need(checked).fixed
    check_memory(checked, fixed, "cpu")
    check_memory(checked, fixed // 4, "cpu", built_only=True)
    with pytest.raises(RequestError, match=r"net: 7,510 parameters don't fit: weights .*; cpu has .* free"):
        check_memory(checked, fixed - 1, "cpu")


COMMANDS = (["--no-ui"], ["--json"], ["check"], ["lr-find"], ["sweep", "--lr", "0.1,0.01"], ["lottery"])


@pytest.mark.parametrize(("command", "how"), [(COMMANDS[0], cvtui), *((words, within) for words in COMMANDS[1:])])
def test_every_command_refuses_it_in_one_line_and_leaves_nothing(
    tmp_path: Path, command: list[str], how: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """One as a real process, the others in this one."""
    done = how(*command, "--net", HUGE, "--device", "cpu", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    for word in ("don't fit", "weights 14,9", "gradients", "optimiser", "activations", "free"):
        assert word in line
    assert list(tmp_path.iterdir()) == []


def _group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_a_container_of_the_new_kind_and_the_group_around_it(tmp_path: Path) -> None:
    own, root = tmp_path / "cgroup", tmp_path / "fs"
    own.write_text("0::/user.slice/me.scope\n")
    stat = f"anon 5\ninactive_file {GIB}\nactive_file 7\n"
    _group(root / "user.slice", memory__max=f"{8 * GIB}\n", memory__current=f"{3 * GIB}\n", memory__stat=stat)
    _group(root / "user.slice/me.scope", memory__max="max\n", memory__current="1\n", memory__stat=stat)
    assert list(cgroup_free_memory(root, own)) == [6 * GIB], "the files that the kernel keeps there count as free"
    _group(root / "user.slice/me.scope", memory__max=f"{2 * GIB}\n", memory__current=f"{2 * GIB}\n", memory__stat="")
    assert list(cgroup_free_memory(root, own)) == [0, 6 * GIB]


def test_a_container_of_the_old_kind_whose_path_is_not_seen_from_inside(tmp_path: Path) -> None:
    own, root = tmp_path / "cgroup", tmp_path / "fs"
    own.write_text("9:name=systemd:/\n4:cpu,memory:/docker/abc\n2:cpuset:/\n0::/\n")
    stat = f"cache 9\ntotal_inactive_file {GIB}\n"
    files = {"memory__usage_in_bytes": f"{2 * GIB}", "memory__stat": stat}
    _group(root / "memory", memory__limit_in_bytes="9223372036854771712\n", **files)
    assert list(cgroup_free_memory(root, own)) == [], "that is no limit"
    _group(root / "memory", memory__limit_in_bytes=f"{4 * GIB}\n", **files)
    assert list(cgroup_free_memory(root, own)) == [3 * GIB]
    assert list(cgroup_free_memory(root, tmp_path / "nothing")) == []


def test_a_limit_of_ones_own_counts() -> None:
    """In a process of its own with a real `ulimit -v`."""
    code = (
        "import resource; from cvtui.recipe.free_memory import free_memory, _limit_left;"
        "assert not list(_limit_left());"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30));"
        "print(free_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 2 * GIB
    assert free_memory() > 0
