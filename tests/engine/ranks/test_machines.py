"""Two machines: two network namespaces with an address each, torchrun in both, as `cvtui launch` prints it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvtui.cli.commands.launch import command_line
from tests.engine.making import folder, history, recipe, train
from tests.engine.ranks.test_same_run import same_run

pytestmark = [pytest.mark.torch, pytest.mark.long]

ADDRESSES = ("10.99.7.1", "10.99.7.2")


@pytest.fixture
def machines() -> Iterator[list[str]]:
    """Make two namespaces that are joined by a cable; yield their names."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and the command ip")
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
        yield names
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def test_two_machines_train_one_run(machines: list[str], tmp_path: Path) -> None:
    how = {"net": "conv4-relu-pool-fc", "limit": 333, "batch_size": 32}
    one, many = folder(tmp_path / "one", "run", **how), folder(tmp_path / "many", "run", **how)
    assert train(one)[0] == 0
    line = shlex.split(command_line(many, recipe(**how), nnodes=2, nproc=1, host=ADDRESSES[0]))
    processes = []
    for place, (machine, address) in enumerate(zip(machines, ADDRESSES, strict=True)):
        # The names of these machines don't lead to their addresses, so torchrun is told which of them is the first.
        more = [f"--local-addr={address}", f"--rdzv-conf=is_host={1 - place}"]
        words = [sys.executable, "-m", "torch.distributed.run", *more, *line[1:]]
        device = f"v{os.getpid() % 100000}{'ab'[place]}"
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": device}
        processes.append(subprocess.Popen(["ip", "netns", "exec", machine, *words], env=environment))
    try:
        assert [process.wait(180) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    same_run(history(one), history(many), "two machines")
    assert {path.name for path in many.ranks.iterdir()} == {"0.jsonl", "1.jsonl"}
