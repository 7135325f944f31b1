"""The number of threads follows what the machine gives: tried on a machine made of numbers, where time is told."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest
import torch

from cvtui.engine.runtime.thread_tuner import MACS_FOR_ALL, MACS_TO_SHARE, ThreadTuner, best_of, candidates
from cvtui.engine.train import trainer as trainer_module
from cvtui.engine.train.control import Signals
from cvtui.engine.train.trainer import Trainer, thread_tuner_of
from cvtui.recipe.fields import FIELDS
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import load
from cvtui.runlog.events import Log
from cvtui.runlog.worker_process import usable_cores
from cvtui.runlog.writer import EventWriter
from tests.engine import making


class Machine:
    """Four cores, of which other programs take some.

    A step needs `serial` seconds and `shared` / threads, and a thread that waits for a taken core makes it eight
    times as long.
    """

    def __init__(self, serial: float, shared: float) -> None:
        self.serial, self.shared = serial, shared
        self.now = 0.0
        self.threads = 1
        self.taken = 0
        self.slow = 1.0
        self.steps = 0

    def clock(self) -> float:
        return self.now

    def set_threads(self, threads: int) -> None:
        self.threads = threads

    def free(self) -> float:
        return max(0.0, 4.0 - self.taken - self.threads)

    def seconds(self) -> float:
        """Return the seconds of a step as things are now; every tenth one meets something else."""
        self.steps += 1
        waiting = 8.0 if self.threads + self.taken > 4 else 1.0
        hiccup = 3.0 if self.steps % 10 == 0 else 1.0
        return (self.serial + self.shared / self.threads) * waiting * hiccup * self.slow


def thread_tuner(machine: Machine, allowed: list[int], threads: int = 1) -> ThreadTuner:
    machine.threads = threads
    return ThreadTuner(allowed, threads, machine.set_threads, machine.clock)


def run(machine: Machine, found: ThreadTuner, seconds: float) -> list[str]:
    """So many seconds of steps; what the thread tuner said."""
    said = []
    end = machine.now + seconds
    while machine.now < end:
        machine.now += machine.seconds()
        if words := found.step():
            said.append(words)
    return said


@pytest.mark.parametrize(
    ("serial", "shared", "best"), [(0.0005, 0.0, 1), (0.001, 0.02, 3), (0.0, 0.3, 3), (0.01, 0.0005, 1)]
)
def test_the_quickest_number_is_found_at_the_start_and_said_once(serial: float, shared: float, best: int) -> None:
    machine = Machine(serial, shared)
    found = thread_tuner(machine, [1, 2, 3], threads=2)
    said = run(machine, found, 30.0)
    assert found.threads == best
    assert len(said) == 1
    assert said[0].startswith(f"threads 2 → {best}, measured")
    assert machine.threads == best or found._trial is not None


def test_long_steps_are_tried_on_the_most_threads_first_and_on_fewer_when_cores_are_taken() -> None:
    machine = Machine(0.0, 1.5)
    machine.threads = 3
    found = ThreadTuner([1, 2, 3, 4], 3, machine.set_threads, machine.clock, most_first=True)
    said = run(machine, found, 20.0)
    assert found.threads == 4
    assert said[0].startswith("threads 3 → 4, measured (a step on 3: ")
    machine.taken = 2
    run(machine, found, 120.0)
    assert found.threads == 2


@pytest.mark.parametrize("step", [0.003, 0.06])
def test_a_disturbed_first_trial_is_soon_made_again(step: float) -> None:
    """A screen that opens beside the first steps takes a core, most of the time, for a second."""
    machine = Machine(0.0, step)
    found = thread_tuner(machine, [1, 4])
    while found._trial is not None:
        machine.taken = int(machine.steps % 4 > 0)
        run(machine, found, 1e-9)
    assert found.threads == 1
    machine.taken = 0
    run(machine, found, 6.0)
    assert found.threads == 4


def test_a_pause_is_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_module, "usable_cores", lambda: 3)
    training = making.training(net="conv64-conv64-fc", threads=0, batch_size=64)
    found = thread_tuner_of(training)
    assert found is not None
    before = found._clock()
    training.clock.exclude(100.0)
    assert found._clock() < before  # what the training leaves out, the thread tuner does not see


def test_the_fewest_of_equals_are_taken() -> None:
    assert best_of({1: 1.02, 2: 1.0, 3: 1.01}, None) == 1
    assert best_of({1: 1.02, 2: 1.0, 3: 1.01}, 2) == 2, "what runs stays where it is as good"
    assert best_of({1: 2.0, 2: 1.0, 3: 1.01}, 3) == 3
    assert best_of({1: 2.0, 2: 1.0, 3: 1.5}, 3) == 2


@pytest.mark.parametrize("step", [0.0007, 0.006, 0.1])
def test_threads_drop_when_cores_are_taken_and_climb_back_when_they_are_free(step: float) -> None:
    machine = Machine(0.0, 3 * step)
    found = thread_tuner(machine, [1, 2, 3])
    run(machine, found, max(1.0, 150 * step))
    assert found.threads == 3
    machine.taken = 2
    (said,) = run(machine, found, max(1.0, 200 * step))
    assert found.threads == 2, "within a second, or some steps"
    assert said.startswith("threads 3 → 2, a step took")
    machine.taken = 3
    run(machine, found, max(1.0, 200 * step))
    assert found.threads == 1
    machine.taken = 0
    run(machine, found, max(60.0, 3000 * step))
    assert found.threads == 3


def test_more_threads_are_tried_only_while_cores_are_free_and_at_once_when_they_become_free() -> None:
    machine = Machine(0.0, 0.012)
    found = ThreadTuner([1, 2, 3, 4], 1, machine.set_threads, machine.clock, free=machine.free)
    run(machine, found, 10.0)
    assert found.threads == 4
    machine.taken = 2
    run(machine, found, 30.0)
    assert found.threads == 2
    used = set()
    for _ in range(10_000):
        machine.now += machine.seconds()
        found.step()
        used.add(machine.threads)
    assert used == {1, 2}, "no core is free for a third"
    machine.taken = 0
    run(machine, found, 1.5)
    assert found.threads == 3, "not only when it would have been tried anyhow, after fifteen seconds"


def test_a_neighbour_of_a_few_seconds_costs_a_few_seconds() -> None:
    """With steps of 40 ms a trial takes a second and a half, and the next would otherwise come fifteen later."""
    machine = Machine(0.0, 0.08)
    found = ThreadTuner([1, 2], 1, machine.set_threads, machine.clock, free=machine.free)
    run(machine, found, 10.0)
    assert found.threads == 2
    machine.taken = 3
    run(machine, found, 6.0)
    assert found.threads == 1
    machine.taken = 0
    run(machine, found, 6.0)
    assert found.threads == 2


def test_threads_that_are_lost_again_and_again_are_tried_more_and_more_seldom() -> None:
    """A neighbour that takes three cores for a second in every four, for five minutes."""
    machine = Machine(0.0, 0.004)
    found = ThreadTuner([1, 4], 1, machine.set_threads, machine.clock, free=machine.free)
    said = []
    for _ in range(75):
        machine.taken = 0
        said += run(machine, found, 3.0)
        machine.taken = 3
        said += run(machine, found, 1.0)
    assert found.threads == 1
    assert 3 <= len(said) <= 20
    machine.taken = 0
    run(machine, found, 60.0)
    assert found.threads == 4, "it is not forgotten"


def test_all_cores_are_taken_for_a_real_gain_alone() -> None:
    slower = Machine(0.001, 0.00030)  # a step on 4 threads takes 0.93 of one on 2
    quicker = Machine(0.001, 0.00060)  # 0.88
    for machine, best in ((slower, 2), (quicker, 4)):
        found = ThreadTuner([2, 4], 2, machine.set_threads, machine.clock, cores=4)
        run(machine, found, 5.0)
        assert found.threads == best
    found = ThreadTuner([2, 4], 2, slower.set_threads, slower.clock)
    run(slower, found, 5.0)
    assert found.threads == 4, "where another core is left"
    found = ThreadTuner([2, 4], 2, quicker.set_threads, quicker.clock, cores=4)
    run(quicker, found, 5.0)
    quicker.shared = 0.0
    run(quicker, found, 30.0)
    assert found.threads == 4, "who is there already stays, for the gain may come back"


def test_beside_busy_cores_nearly_the_whole_speed_of_what_is_left_is_had() -> None:
    machine = Machine(0.0, 0.006)
    found = thread_tuner(machine, [1, 2, 3])
    machine.taken = 2
    run(machine, found, 5.0)
    before = machine.steps
    run(machine, found, 120.0)
    possible = 120.0 / (0.003 * 1.2)  # every tenth step takes three times as long
    assert machine.steps - before > 0.95 * possible


def test_a_machine_that_becomes_slower_as_a_whole_keeps_its_threads() -> None:
    machine = Machine(0.0, 0.006)
    found = thread_tuner(machine, [1, 2, 3])
    run(machine, found, 5.0)
    machine.slow = 2.5
    assert run(machine, found, 60.0) == []
    assert found.threads == 3


def test_what_is_no_step_does_not_count() -> None:
    """Epochs of five steps, and a validation of ten times their length after each."""
    machine = Machine(0.0, 0.06)
    found = thread_tuner(machine, [1, 2, 3])
    said = []
    for _ in range(200):
        machine.now += 1.0
        found.begin()
        for _ in range(5):
            machine.now += machine.seconds()
            said += [words] if (words := found.step()) else []
    assert len(said) == 1
    assert found.threads == 3


def test_candidates_leave_a_core_to_the_screen_and_small_nets_alone() -> None:
    macs = MACS_TO_SHARE
    assert candidates(1, macs) == candidates(2, macs - 1) == [1]
    assert candidates(2, macs) == [1, 2], "the screen's core is half of the machine"
    assert candidates(4, macs) == [1, 2, 3]
    assert candidates(8, macs) == [1, 2, 4, 7]
    assert candidates(64, macs) == [1, 2, 4, 8, 16, 32, 63]
    assert candidates(64, macs - 1) == [1]
    assert candidates(4, MACS_FOR_ALL) == [1, 2, 3, 4], "what is nothing but arithmetic may try them all"
    assert candidates(4, MACS_FOR_ALL - 1) == [1, 2, 3]


def test_a_fixed_number_and_a_small_net_have_no_governor() -> None:
    large = "conv64-relu-conv64-relu-pool-fc"
    assert thread_tuner_of(making.training(threads=2, net=large)) is None
    assert thread_tuner_of(making.training(threads=0)) is None
    found = thread_tuner_of(making.training(threads=0, net=large))
    torch.set_num_threads(1)
    assert (found is None) == (usable_cores() == 1)


def test_a_training_says_what_it_chose_and_stores_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the trainer, with steps enough for a whole trial: two numbers, three rounds, twenty steps at most."""
    monkeypatch.setattr(trainer_module, "usable_cores", lambda: 3)
    t = making.training(threads=0, net="conv48-relu-conv16-relu-gap-fc", batch_size=64, epochs=7)
    folder = making.folder(tmp_path, threads=0)
    try:
        with EventWriter(folder) as writer:
            trainer = Trainer(t, folder, writer, Signals())
            assert trainer.thread_tuner is not None
            trainer.run()
            trainer.close()
    finally:
        torch.set_num_threads(1)
    said = [record for record in making.records(folder) if isinstance(record, Log) and record.threads]
    assert all(log.text.startswith("threads") for log in said)
    assert said[-1].threads == trainer.thread_tuner.threads == making.history(folder).threads
    assert t.threads == t.state()["threads"] == trainer.thread_tuner.threads


def test_a_step_costs_next_to_nothing() -> None:
    import time

    found = ThreadTuner([1, 2, 3], 1, lambda _: None)
    rounds: list[float] = []
    for _ in range(7):
        begun = time.process_time()
        for _ in range(2000):
            found.step()
        rounds.append((time.process_time() - begun) / 2000)
    assert median(rounds) < 10e-6


def test_auto_is_the_word_for_a_number_that_is_left_open(tmp_path: Path) -> None:
    assert FIELDS["threads"].convert("auto") == 0
    path = tmp_path / "recipe.toml"
    path.write_text('threads = "auto"\n')
    assert load(path).threads == Recipe().threads == 0
