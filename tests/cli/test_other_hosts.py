"""Commands on runs of several folders and of other hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvtui.cli.main import _run
from cvtui.runlog import other_hosts
from tests.runlog.hosts.far_host import StandIn
from tests.tui.written_runs import finished_run


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    host = StandIn(tmp_path / "far")
    monkeypatch.setenv("PATH", str(host.bin), prepend=":")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    finished_run(host.home / "my runs" / "sweep", "there")
    finished_run(tmp_path / "here" / "deep" / "er", "mine")
    yield host
    other_hosts.close_all()


def words(capsys: pytest.CaptureFixture[str], *line: str) -> tuple[int, str, str]:
    code = _run(list(line), False)
    told = capsys.readouterr()
    return code, told.out, " ".join(told.err.split())


THERE = "ssh://far/~/my runs"


def test_runs_of_all_places_with_where_they_lie(far: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert far.connections() == 0
    code, out, _ = words(capsys, "runs", "--runs", "here", "--runs", THERE)
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert "far:~/my runs/sweep" in rows["there"]
    assert "here/deep/er" in rows["mine"]
    assert "finished" in rows["there"]
    assert "finished" in rows["mine"]
    code, out, _ = words(capsys, "runs", "--json", "--runs", THERE)
    assert json.loads(out)["folder"] == f"{THERE}/sweep/there"
    assert far.connections() == 1


def test_doctor_compare_and_export_read_such_a_run(
    far: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = words(capsys, "doctor", "mine", "--runs", "here")
    assert mine[0] == 0
    for line in (["there", "--runs", THERE], ["--runs", THERE], [f"{THERE}/sweep/there"]):
        assert words(capsys, "doctor", *line) == mine
    code, out, _ = words(capsys, "compare", "mine", "there", "--runs", "here", "--runs", THERE, "--json")
    assert code == 0
    assert [run["steps"] for run in json.loads(out)["runs"]] == [345, 345]
    for name, folder in (("mine", "here"), ("there", THERE)):
        assert words(capsys, "export", name, "--csv", name, "--runs", folder)[0] == 0
    assert (tmp_path / "there" / "steps.csv").read_bytes() == (tmp_path / "mine" / "steps.csv").read_bytes()
    assert far.connections() == 2  # one an address: the folder, and that of the run named by its own


@pytest.mark.parametrize(
    ("line", "what"),
    [(["resume", "there"], "resumed"), (["fork", "there", "--no-ui"], "forked"),
     (["export", "there", "--safetensors", "x"], "asked for its checkpoints"),
     (["mistakes", "there"], "asked for its checkpoints"),
     (["attach", "there", "--on-end", "true"], "watched for --on-end and --notify")],
)  # fmt: skip
def test_what_needs_the_run_itself_says_so_in_one_line(
    far: StandIn, line: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = words(capsys, *line, "--runs", THERE)
    assert code == 2
    assert err.startswith(f"cvtui: 'there' lies on another host ({THERE}): it can't be {what} from here")
    assert far.connections() == 1


def test_one_host_that_is_away_hides_no_other(far: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    far.down.touch()
    code, out, err = words(capsys, "runs", "--runs", "here", "--runs", THERE)
    assert code == 0
    assert "mine" in out
    assert err == "far: ssh: connect to host far port 22: Connection refused; try it by hand: ssh far"
    code, out, err = words(capsys, "runs", "--runs", THERE)
    assert (code, out) == (2, "")
    assert err == "cvtui: far: ssh: connect to host far port 22: Connection refused; try it by hand: ssh far"


@pytest.mark.usefixtures("far")
def test_no_such_run_and_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished_run(tmp_path / "here" / "other", "mine")
    assert "is the name of 2 runs" in words(capsys, "doctor", "mine", "--runs", "here")[2]
    assert words(capsys, "doctor", "other/mine", "--runs", "here")[0] == 0
    err = words(capsys, "doctor", "their", "--runs", THERE)[2]
    assert err.startswith(
        f"cvtui: there is no run 'their', neither in '{THERE}' nor as a folder; did you mean 'there'?"
    )
    assert "there is not a run folder at ssh://far/~/my runs/none" in words(capsys, "doctor", f"{THERE}/none")[2]


@pytest.mark.parametrize(
    "given",
    [
        "note r hello",
        "predict r a.png",
        "evaluate r",
        "explain r",
        "sweep --lr 0.1,0.2",
        "lr-find",
        "lab epoch",
    ],
)
def test_a_command_that_works_in_a_folder_of_this_machine_refuses_an_address(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = words(capsys, *given.split(), "--runs", THERE)
    assert (code, error.split("; ")[0]) == (
        2, f"cvtui: --runs: {THERE} lies on another host, and this command works in a folder of this machine"
    )  # fmt: skip
    assert not list(tmp_path.iterdir())
