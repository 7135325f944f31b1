"""Two machines: two network namespaces with an address each, and torchrun in both, as `cvtui launch` prints it.

Each has a name that leads to 127.0.1.1, as Debian and Ubuntu write it in /etc/hosts, and doesn't know the other's.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cvtui.cli.commands.launch import command_line
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.ranks import read_ranks
from tests.engine.making import folder, history, recipe, train
from tests.engine.ranks.test_same_run import same_run
from tests.waiting import wait_until

pytestmark = [pytest.mark.torch, pytest.mark.long]

ADDRESSES = ("10.99.7.1", "10.99.7.2")
NAMED = """
    hostname "$1" && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"
"""
"""Gives a machine its name and its own /etc/hosts."""
HOW = {"net": "conv4-relu-pool-fc", "limit": 333, "batch_size": 32}


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[list[list[str]]]:
    """Make two machines that are joined by a cable; yield what runs a command on each."""
    if shutil.which("ip") is None or shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and the commands ip and unshare")
    names = [f"cvtui{os.getpid()}{letter}" for letter in "ab"]
    made: list[str] = []
    try:
        for name in names:
            if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
                pytest.skip("no network namespaces here")
            made.append(name)
        first, second = (f"v{os.getpid() % 100000}{letter}" for letter in "ab")
        ip("link", "add", first, "type", "veth", "peer", "name", second)
        for name, device, address in zip(names, (first, second), ADDRESSES, strict=True):
            ip("link", "set", device, "netns", name)
            ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
            for link in (device, "lo"):
                ip("-n", name, "link", "set", link, "up")
            (tmp_path / name).write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
        yield [
            ["ip", "netns", "exec", name, "unshare", "-u", "-m", "sh", "-c", NAMED, "sh", name, str(tmp_path / name)]
            for name in names
        ]
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def launched(machines: list[list[str]], lines: list[str]) -> Iterator[Callable[[], list[int]]]:
    """Type a line on each machine; yield what waits for their exit codes."""
    assert all(line.startswith("torchrun ") for line in lines)
    words = [[sys.executable, "-m", "torch.distributed.run", *shlex.split(line)[1:]] for line in lines]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [subprocess.Popen(m + w, env=environment) for m, w in zip(machines, words, strict=True)]
    try:
        yield lambda: [process.wait(180) for process in processes]
    finally:
        for process in processes:
            process.kill()


def test_two_machines_train_one_run(machines: list[list[str]], tmp_path: Path) -> None:
    one, many = folder(tmp_path / "one", "run", **HOW), folder(tmp_path / "it's many", "run", **HOW)
    assert train(one)[0] == 0
    lines = [command_line(many, recipe(**HOW), 1, nnodes=2, node=node, host=ADDRESSES[0]) for node in range(2)]
    with launched(machines, lines) as codes:
        assert codes() == [0, 0]
    same_run(history(one), history(many), "two machines")
    assert {path.name for path in many.ranks.iterdir()} == {"0.jsonl", "1.jsonl"}


@pytest.mark.parametrize("meeting", ["launch", "c10d"])
def test_a_rank_that_dies_on_one_machine_comes_back(meeting: str, machines: list[list[str]], tmp_path: Path) -> None:
    """Under c10d, as in assets/slurm.sbatch, the other machine's torchrun may not count the restart."""
    how = {**HOW, "epochs": 40, "max_restarts": 2}
    one, many = folder(tmp_path / "one", "run", **how), folder(tmp_path / "many", "run", **how)
    assert train(one)[0] == 0
    lines = [command_line(many, recipe(**how), 1, nnodes=2, node=node, host=ADDRESSES[0]) for node in range(2)]
    if meeting == "c10d":
        old = [f"--node-rank={node} --rdzv-id=run --master-addr={ADDRESSES[0]} --master-port=29400" for node in (0, 1)]
        c10d = f"--rdzv-backend=c10d --rdzv-id=run --rdzv-endpoint={ADDRESSES[0]}:29400 --rdzv-conf=is_host"
        lines = [
            line.replace(old[node], f"{c10d}={1 - node} --local-addr={ADDRESSES[node]}")
            for node, line in enumerate(lines)
        ]
    with launched(machines, lines) as codes:
        wait_until(lambda: begun(many) and history(many).epochs, 60.0, "a checkpoint")
        os.kill(read_ranks(many)[1].started.pid, signal.SIGKILL)
        assert codes() == [0, 0]
    found = history(many)
    assert found.run is not None
    assert (found.run.ranks["restart"], bool(found.run.step)) == (1, True)
    same_run(history(one), found, meeting)
    assert {rank.started.restart for rank in read_ranks(many)} == {1}


def begun(run: RunFolder) -> bool:
    return run.events.exists() and len(read_ranks(run)) == 2
