"""Check cvtui on an NVIDIA GPU: `python -m tests.benchmarks.device_check --out DIR [--parts A,B]`.

Each try is a process of its own with a time limit, and none ends the others. A summary is printed and written to
DIR/summary.txt; DIR/runs.txt, bits.txt, probes.txt, bench.txt and suite.txt hold all that was said.

    runs     steps a second of real runs, `--graph auto` beside `--graph off`, one after another
    watched  of these the captured ones with the usual watching
    bits     losses of both to the last bit, for several recipes and after a stop and a resume, some at once
    probes   device_probes.py: what a CUDA graph can hold
    bench    the race against a plain loop, with and without graph
    watch    what `cvtui.watch` costs
    gpu      the tests marked `gpu`
    suite    the usual tests of engine, labs, commands and doctor
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from cvtui.runlog.events import AnyRecord, Log, RunEnded, RunStarted, Steps
from cvtui.runlog.folder import RunFolder
from tests.benchmarks.__main__ import Race, judged, table_of
from tests.benchmarks.cases import CASES, Case
from tests.benchmarks.machine import facts

PARTS = ("runs", "watched", "bits", "probes", "bench", "watch", "gpu", "suite")
CPUS = os.cpu_count() or 1


class Report:
    """Summary on stdout and in a file; what a part said in a file of its own."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        folder.mkdir(parents=True, exist_ok=True)
        self.begun = time.monotonic()

    def left(self) -> float:
        """Seconds that are left."""
        return max(5.0, self.begun + self.seconds - time.monotonic())

    def say(self, text: str) -> None:
        line = f"[{time.monotonic() - self.begun:5.0f} s] {text}"
        print(line, flush=True)
        self.add("summary", line + "\n")

    def add(self, name: str, text: str) -> None:
        with (self.folder / f"{name}.txt").open("a", encoding="utf-8") as file:
            file.write(text)


def call(arguments: Sequence[str], limit: float, environment: dict[str, str] | None = None) -> tuple[int | str, str]:
    """(exit code or "time limit", output) of `python ARGUMENTS` with all its children ended after `limit` seconds."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True, env={**os.environ, **(environment or {})},
        )  # fmt: skip
        code: int | str
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = "time limit"
            process.send_signal(signal.SIGINT)  # pytest tells its failures so far
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(8.0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.seek(0)
        return code, output.read().decode(errors="replace")


def options(fields: dict[str, Any]) -> list[str]:
    return [part for name, value in fields.items() for part in (f"--{name.replace('_', '-')}", str(value))]


class Tried:
    """A run of the whole command, and what its log says."""

    def __init__(self, base: Path, name: str, fields: dict[str, Any], limit: float = 90.0) -> None:
        self.folder = RunFolder(base / name)
        self.name = name
        arguments = ["-m", "cvtui", "--no-ui", "--runs", str(base), *options({"name": name, **fields})]
        begun = time.monotonic()
        self.code, self.said = call(arguments, limit)
        self.wall = time.monotonic() - begun

    def records(self) -> list[Any]:
        decoder = msgspec.json.Decoder(AnyRecord)
        try:
            return [decoder.decode(line) for line in self.folder.events.read_bytes().splitlines()]
        except (OSError, msgspec.DecodeError):
            return []

    def steps(self) -> list[Steps]:
        return [record for record in self.records() if isinstance(record, Steps)]

    def columns(self) -> list[tuple[Any, ...]]:
        """(step, loss, accuracy, norm, rate) of each step; of steps done twice the later."""
        found: dict[int, tuple[Any, ...]] = {}
        for record in self.steps():
            rows = zip(record.loss, record.accuracy, record.grad_norm, record.lr, strict=True)
            found |= {record.first + number: row for number, row in enumerate(rows)}
        return [(step, *found[step]) for step in sorted(found)]

    def speed(self) -> str:
        """Return the steps a second in the later half of the run, from step to step within an epoch."""
        per_epoch = next((r.steps_per_epoch for r in self.records() if isinstance(r, RunStarted)), 1)
        seconds = {
            record.first + n: s for record in self.steps() for n, s in enumerate(record.seconds) if s is not None
        }
        inside = [step for step in seconds if step - 1 in seconds and step % per_epoch]
        later = inside[len(inside) // 2 :]
        if not later:
            return "no steps"
        gaps = [seconds[step] - seconds[step - 1] for step in later]
        speed, median = len(gaps) / max(1e-9, sum(gaps)), 1e6 * statistics.median(gaps)
        return f"{speed:,.0f} steps/s (median step of the host {median:,.0f} µs), {len(seconds):,} steps"

    def notes(self) -> str:
        logs = [r.text for r in self.records() if isinstance(r, Log) and ("graph" in r.text or r.level == "warning")]
        ends = [f"{r.status} {r.reason}".strip() for r in self.records() if isinstance(r, RunEnded)]
        return "; ".join([*dict.fromkeys(logs), *ends])

    def told(self) -> str:
        head = f"--- {self.name}: exit {self.code}, {self.wall:.1f} s wall, {self.speed()}\n    {self.notes()}\n"
        return head + ("" if self.code == 0 else self.said[-3000:] + "\n" + _worker_log(self.folder))


def _worker_log(folder: RunFolder) -> str:
    try:
        return folder.log.read_text(errors="replace")[-4000:] + "\n"
    except OSError:
        return ""


def compared(first: Tried, second: Tried) -> str:
    mine, theirs = first.columns(), second.columns()
    if not mine or not theirs:
        return "NOTHING to compare"
    for one, other in zip(mine, theirs, strict=False):
        if one != other:
            return f"DIFFERENT from step {one[0]}: {one[1:]} and {other[1:]}"
    if len(mine) != len(theirs):
        return f"equal, but {len(mine)} and {len(theirs)} steps"
    return f"bits equal over {len(mine):,} steps"


FAST: dict[str, Any] = {"device": "cuda", "epochs": 1}
SPEED_RUNS: dict[str, tuple[dict[str, Any], tuple[tuple[str, int], ...]]] = {
    "digits": (CASES["digits"].fields, (("off", 10), ("off", 0), ("auto", 10), ("auto", 0))),
    "cifar": ({**CASES["cifar"].fields, "epochs": 20}, (("off", 10), ("auto", 10), ("auto", 0))),
}
"""Fields, and (graph, watch_every) of each run."""


def runs(report: Report, base: Path) -> None:
    for name, (fields, ways) in SPEED_RUNS.items():
        found = []
        for graph, watch in ways:
            tried = Tried(base, f"{name}-{graph}-{watch}", {**FAST, **fields, "graph": graph, "watch_every": watch})
            report.add("runs", tried.told())
            report.say(f"{tried.name}: {tried.speed()}, wall {tried.wall:.1f} s; {tried.notes()[:160]}")
            found.append(tried)
        for other in found[1:]:
            report.say(f"  {found[0].name} and {other.name}: {compared(found[0], other)}")


def watched(report: Report, base: Path) -> None:
    """Time the captured runs that are watched, alone."""
    for name, (fields, _) in SPEED_RUNS.items():
        tried = Tried(base, f"{name}-watched", {**FAST, **fields})
        report.add("runs", tried.told())
        report.say(f"{tried.name}: {tried.speed()}, wall {tried.wall:.1f} s; {tried.notes()[:160]}")


DEFAULT = {"epochs": 6}
BITS: dict[str, dict[str, Any]] = {
    "default": DEFAULT,
    "sgd": {**DEFAULT, "optimizer": "sgd", "lr": "0.05"},
    "momentum-clip-ema": {**DEFAULT, "optimizer": "momentum", "lr": "0.02", "clip": "0.5", "ema": "0.99"},
    "adam-augmented": {**DEFAULT, "optimizer": "adam", "lr": "0.001", "augment": "flip, crop(1), cutout(2)"},
    "smoothing-bf16": {**DEFAULT, "loss": "cross-entropy(smoothing=0.1)", "precision": "bfloat16"},
    "skip-nan": {**DEFAULT, "on_nan": "skip(steps=100)", "optimizer": "sgd", "lr": "1e15"},
    "rmsprop": {**DEFAULT, "optimizer": "rmsprop", "lr": "0.001"},
    "resnet18": {**CASES["resnet18"].fields, "epochs": 2, "limit": 2000},
}


def bits(report: Report, base: Path) -> None:
    def pair(name: str) -> None:
        fields = {**FAST, **BITS[name]}
        off, again, auto = (
            Tried(base, f"bits-{name}-{word}", {**fields, "graph": graph})
            for word, graph in (("off", "off"), ("again", "off"), ("auto", "auto"))
        )
        for tried in (off, again, auto):
            report.add("bits", tried.told())
        report.say(f"bits {name}: off twice: {compared(off, again)}; auto: {compared(off, auto)}; {auto.notes()[:200]}")

    with ThreadPoolExecutor(min(6, CPUS)) as pool:
        found = [pool.submit(pair, name) for name in BITS]
        found.append(pool.submit(resumed, report, base))
        for one in found:
            if (error := one.exception()) is not None:
                report.say(f"bits: ERROR {type(error).__name__}: {error}")


def resumed(report: Report, base: Path) -> None:
    """Compare a run that is stopped in the middle of an epoch and goes on with one that isn't."""
    fields = {**FAST, **CASES["digits"].fields, "epochs": 3}
    whole = Tried(base, "whole", fields)
    name = "stopped"
    process = subprocess.Popen(
        [sys.executable, "-m", "cvtui", "--no-ui", "--runs", str(base), *options({"name": name, **fields})],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    stopped = Tried.__new__(Tried)
    stopped.folder, stopped.name, stopped.code, stopped.said, stopped.wall = RunFolder(base / name), name, 0, "", 0.0
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None and len(stopped.columns()) < 2_500:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.wait(30)
    before = len(stopped.columns())
    stopped.code, stopped.said = call(["-m", "cvtui", "resume", name, "--runs", str(base), "--no-ui"], 90)
    report.add("bits", whole.told() + stopped.told() + stopped.said[-1000:])
    report.say(f"bits resumed after {before:,} steps: {compared(whole, stopped)}; {stopped.notes()[:200]}")


def probes(report: Report, _base: Path) -> None:
    module = "tests.benchmarks.device_probes"
    code, listed = call(["-m", module, "--list"], 60)
    names = listed.split() if code == 0 else []
    if not names:
        report.say(f"probes: none ({code}) {listed[-300:]}")

    def one(name: str) -> None:
        code, said = call(["-m", module, name], 60)
        report.add("probes", f"--- {name}: exit {code}\n{said}\n")
        lines = [line for line in said.splitlines() if line.startswith("probe ")]
        report.say(lines[-1] if lines else f"probe {name}: exit {code}: {said[-200:]!r}")

    with ThreadPoolExecutor(min(8, CPUS)) as pool:
        list(pool.map(one, names))


ON_GPU = ("test_gpu.py", "optim/test_factory.py", "observe/test_memory.py", "train/test_determinism.py")
WINGS = ("tests/engine", "tests/labs", "tests/cli", "tests/doctor")


def gpu(report: Report, _base: Path) -> None:
    _tests(report, "gpu", "gpu", min(14, CPUS), report.left() - 10, [f"tests/engine/{file}" for file in ON_GPU])


def suite(report: Report, _base: Path) -> None:
    """Run the usual tests as they choose their device themselves, and with no GPU in sight."""
    for title, share, hides in (("suite", 0.6, {"CVTUI_TEST_GPU": "1"}), ("suite without GPU", 1.0, {})):
        _tests(report, title, "not long and not gpu", min(14, CPUS), share * report.left() - 10, WINGS, hides)


def _tests(
    report: Report,
    title: str,
    marks: str,
    processes: int,
    limit: float,
    where: Sequence[str],
    more: dict[str, str] | None = None,
) -> None:
    options = ["--tb=short", "-q", "-rfE", "-o", "addopts=--strict-markers"]
    plugins = ["-p", "no:cacheprovider", "-p", "no:benchmark", "-p", "tests.benchmarks.failures_at_once"]
    many = ["-m", marks, "-n", str(processes), "--durations=15"]
    failures = report.folder / "failures.txt"
    report.add("failures", f"=== {title}\n")
    environment = {"OMP_NUM_THREADS": "1", "FAILURES": str(failures.resolve()), **(more or {})}
    begun = time.monotonic()
    code, said = call(["-m", "pytest", *where, *options, *plugins, *many], limit, environment)
    report.add("suite", f"=== {title}: exit {code}\n{said[-60_000:]}\n")
    last = said.strip().splitlines()[-1:] or [""]
    report.say(f"{title}: exit {code} after {time.monotonic() - begun:.0f} s; {last[0]}")
    failed = failures.read_text(encoding="utf-8").rpartition("=== ")[2].splitlines()
    for line in dict.fromkeys(line for line in failed if line.startswith("FAILED")):
        report.say(f"  {line[:220]}")


def bench(report: Report, base: Path) -> None:
    """Race against the plain loop: all are started at once, and then take turns, one case after the other."""
    usual = ("plain", "cvtui", "uncaptured")
    who = {case: (*usual, "unwatched") if case in SPEED_RUNS else usual for case in CASES}

    def start(case: Case, name: str) -> Race:
        return Race(case, [name], FAST["device"], base / f"{case.name}-{name}", 0)

    with ThreadPoolExecutor(sum(map(len, who.values()))) as pool:
        starts = {case: [pool.submit(start, CASES[case], name) for name in who[case]] for case in CASES}
    report.say("all contestants have started")
    races: list[Race] = []
    try:
        for name, found in starts.items():
            if (error := next((one.exception() for one in found if one.exception()), None)) is not None:
                report.say(f"bench {name}: ERROR {type(error).__name__}: {error}")
                continue
            race, *others = (one.result() for one in found)
            for other in others:
                race.join(other)
            races.append(race)
            race.warm_up(1.5)
            for _ in range(3):
                race.round(1.6 if name == "resnet18" else 0.8, lambda words: report.add("bench", words + "\n"))
            report.say(f"bench {name}: " + "; ".join(f"{one} {race.median(one):,.0f}" for one in race.found))
    finally:
        for race in races:
            race.close()
        for line in [*facts(FAST["device"]), *table_of(races), *judged(races)]:
            report.say(f"  {line}")


def watch(report: Report, _base: Path) -> None:
    words = ["-m", "tests.benchmarks.watch_cost", "--device", FAST["device"], "--pairs", "7", "--nets", "resnet18"]
    code, said = call(words, min(90.0, report.left()))
    report.add("bench", f"--- watch_cost: exit {code}\n{said}\n")
    for line in said.splitlines()[-6:]:
        report.say(f"  {line}")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--out", type=Path, required=True)
    words.add_argument("--parts", default=",".join(PARTS))
    words.add_argument("--seconds", type=float, default=290.0, help="of all parts; the last one is ended then")
    words.add_argument("--device", default="cuda")
    asked = words.parse_args()
    FAST["device"] = asked.device
    report = Report(asked.out, asked.seconds)
    with tempfile.TemporaryDirectory(prefix="device-check-") as base:
        for part in asked.parts.split(","):
            begun = time.monotonic()
            try:
                globals()[part](report, Path(base))
            except Exception as error:
                report.say(f"{part}: ERROR {type(error).__name__}: {error}")
            report.say(f"{part} took {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
