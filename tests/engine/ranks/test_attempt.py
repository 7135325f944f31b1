"""Ranks meet in torchrun's store, which holds what dead ranks of earlier starts have left."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from torch.distributed import DistError, HashStore, TCPStore  # type: ignore[attr-defined]

from cvtui.engine.ranks.attempt import NotMet, Start, agree
from cvtui.engine.ranks.link import Link
from cvtui.engine.runtime.job_rank import JobRank
from cvtui.engine.train.control import Signals, StopRequested
from tests.waiting import wait_until

pytestmark = pytest.mark.torch


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the store of torchrun's agent, which outlives the ranks."""
    server = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(server.port))
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    return server


@pytest.fixture
def ranks() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def start(ranks: ThreadPoolExecutor, rank: int, world: int = 2, restart: int = 0) -> Future[Start]:
    return ranks.submit(agree, JobRank(rank, world, "job", restart), 20.0, Signals())


def test_a_rank_that_comes_first_does_not_take_dead_ones_for_living(store: Any, ranks: ThreadPoolExecutor) -> None:
    """The second time only one of two machines counts the restart, and the others come before rank 0."""
    first = [start(ranks, rank, 3) for rank in range(3)]
    assert [one.result().number for one in first] == [0, 0, 0]
    first[0].result().store.set("address of 0", "dead")
    words = [store.get(f"cvtui/0/here/{rank}") for rank in (1, 2)]
    early = [start(ranks, rank, 3, restart=rank - 1) for rank in (1, 2)]
    wait_until(
        lambda: all(store.get(f"cvtui/0/here/{r}") != w for r, w in zip((1, 2), words, strict=True)), 10.0, "both"
    )
    assert not any(one.done() for one in early)
    again = [start(ranks, 0, 3, restart=1), *early]
    assert [one.result().number for one in again] == [1, 1, 1]
    assert not any(one.result().store.check(["address of 0"]) for one in again)
    again[1].result().store.set("address of 1", "living")
    assert again[0].result().store.get("address of 1") == b"living"


def test_a_start_that_some_ranks_did_not_live_to_see_counts_for_nobody(store: Any, ranks: ThreadPoolExecutor) -> None:
    with pytest.raises(NotMet, match=r"^ranks 1, 2 did not come$"):
        agree(JobRank(0, 3, "job"), 0.05, Signals())
    with pytest.raises(NotMet, match=r"^rank 0 did not come, or waits for another rank$"):
        agree(JobRank(1, 3, "job"), 0.05, Signals())
    assert json.loads(store.get("cvtui/newest")) == 0
    assert [one.result().number for one in [start(ranks, rank, 3, restart=1) for rank in range(3)]] == [1, 1, 1]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_ends_the_wait(rank: int, store: Any) -> None:
    del store
    signals = Signals()
    signals.number = signal.SIGTERM
    with pytest.raises(StopRequested, match="SIGTERM"):
        agree(JobRank(rank, 2, "job"), 20.0, signals)


def test_a_rank_that_waits_for_its_machine_s_first_one_notices_its_death(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM (torchrun's) is not heard in the store's own wait: it killed the rank 30 s later."""
    monkeypatch.setenv("GROUP_RANK", "0")
    link = Link(JobRank(1, 2, "job", local_rank=1), Signals())
    link._store = HashStore()
    first = subprocess.Popen(["sleep", "60"])
    link.tell("first/0", str(first.pid))
    link._meet_first()
    link.tell("data/0")
    link.wait_for("data/0")
    first.kill()
    first.wait()
    with pytest.raises(DistError, match="another rank is gone"):
        link.wait_for("more")
