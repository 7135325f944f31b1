"""Runs of another host: copied by offset over one shell, commanded there, and resumed where the line broke."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvtui.errors import RequestError
from cvtui.runlog import lock, manage, other_hosts
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import Command, Steps
from cvtui.runlog.folder import RunFolder, runs_below
from cvtui.runlog.history import History
from cvtui.runlog.hosts import listing
from cvtui.runlog.hosts.address import Address, parse_address
from cvtui.runlog.hosts.connection import OPTIONS, ssh_words
from cvtui.runlog.hosts.mirror import Mirror, open_mirror
from cvtui.runlog.origin import recipe_of
from cvtui.runlog.writer import EventWriter
from tests.runlog.hosts.far_host import StandIn, running_sshd
from tests.runlog.making import make_folder, started
from tests.waiting import wait_until

AWKWARD = 'it\'s a "run"; $(touch HACKED) `touch HACKED` & *'


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    host = StandIn(tmp_path / "far")
    monkeypatch.setenv("PATH", f"{host.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield host
    other_hosts.close_all()


def steps(first: int, count: int = 5) -> Steps:
    values: list[float | None] = [1.0 / (first + number + 1) for number in range(count)]
    return Steps(first=first, loss=values, lr=[0.1] * count, accuracy=values, grad_norm=values, seconds=values)


def write(folder: RunFolder, count: int, first: int = 0, *, begin: bool = True) -> EventWriter:
    writer = EventWriter(folder)
    if begin:
        writer.write(started())
    for number in range(count):
        writer.write(steps(first + 5 * number))
    writer.flush()
    return writer


def mirrored(mirror: Mirror, name: str) -> History:
    history = History(RunFolder(mirror.folder / name))
    history.poll()
    return history


def test_addresses() -> None:
    assert parse_address("ssh://gpu7/data/runs/") == Address("gpu7", "/data/runs")
    assert parse_address("ssh://me@gpu7.lab:2222/~/my%20runs") == Address("gpu7.lab", "my runs", "me", 2222)
    assert parse_address("ssh://[::1]:22/r") == Address("::1", "/r", "", 22)
    for text in ("ssh://me@gpu7.lab:2222/~/my runs", "ssh://[::1]:22/r", "ssh://h/a b"):
        assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    "text",
    ["ssh://-oProxyCommand=touch%20x/r", "ssh://-l/r", "ssh://-x@host/r", "ssh://a b/r", "ssh://h;ls/r", "ssh://h",
     "ssh:///r", "ssh://h:0/r", "ssh://h:x/r", "ssh://h/~", "ssh://h/a%0Ab", "ssh://$(ls)/r"],
)  # fmt: skip
def test_an_address_that_ssh_or_a_shell_could_misread_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match=r"^--runs: "):
        parse_address(text)


def test_ssh_asks_for_no_password_and_takes_the_host_for_no_option() -> None:
    words = ssh_words(Address("gpu7", "/r", "me", 2222))
    assert words[-3:] == ["--", "gpu7", "exec sh"]
    assert "BatchMode=yes" in words
    assert OPTIONS["RequestTTY"] == "no"


def test_a_run_is_the_same_there_and_here_by_one_connection(far: StandIn) -> None:
    """Names with blanks, quotes and shell characters, in a folder that has some, too, and below it."""
    base = far.home / AWKWARD
    folder = base / "sweep 'a'" / AWKWARD
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    (folder / "recipe.toml").write_text("epochs = 3\n")
    write(run, 10).close()
    (base / "flat").mkdir()
    write(RunFolder(base / "flat"), 3).close()
    mirror = open_mirror(f"ssh://far/~/{AWKWARD}")
    mirror.sync()
    found = {copy.path.relative_to(mirror.folder).as_posix() for copy in runs_below([mirror.folder])}
    assert found == {"flat", f"sweep 'a'/{AWKWARD}"}
    assert (mirror.folder / "sweep 'a'" / AWKWARD / "events.jsonl").read_bytes() == run.events.read_bytes()
    assert (mirror.folder / "sweep 'a'" / AWKWARD / "recipe.toml").read_bytes() == b"epochs = 3\n"
    assert far.connections() == 1
    assert not list(far.home.rglob("HACKED"))


def test_a_living_run_is_alive_here_until_all_it_wrote_is_here(far: StandIn) -> None:
    folder = make_folder(far.home / "runs")
    write(folder, 2)
    held = lock.take(folder.lock_file, 0)
    mirror = open_mirror("ssh://far/~/runs")
    mirror.sync()
    assert mirrored(mirror, "run").state() == "running"
    held.release()
    mirror.sync()
    assert mirrored(mirror, "run").state() == "lost"


BARE = ("sh", "find", "ls", "tail", "head")


@pytest.mark.parametrize("way", ["the kernel's list", "a log that grows"])
def test_a_host_without_flock_knows_its_living_runs(far: StandIn, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    far.only(*BARE, "sed")
    if way == "a log that grows":
        script = listing._locks
        monkeypatch.setattr(listing, "_locks", lambda runs: script(runs).replace("/proc/locks", "/proc/none"))
    elif not Path("/proc/locks").exists():
        pytest.skip("there is no /proc/locks")
    folder = make_folder(far.home / "runs")
    write(folder, 2).close()
    old = make_folder(far.home / "runs", "old")
    write(old, 2).close()
    lock.take(old.lock_file, 0).release()
    os.utime(old.events, (1e9, 1e9))
    held = lock.take(folder.lock_file, 0)
    mirror = open_mirror("ssh://far/~/runs")
    mirror.sync()
    assert [mirrored(mirror, name).state() for name in ("run", "old")] == ["running", "lost"]
    held.release()


def test_commands_reach_the_run_there(far: StandIn) -> None:
    folder = make_folder(far.home / "runs")
    write(folder, 2)
    folder.commands.write_bytes(b'{"torn')
    reader = CommandReader(folder.commands)
    held = lock.take(folder.lock_file, 0)
    mirror = open_mirror("ssh://far/~/runs")
    mirror.sync()
    mirror.start()
    here = RunFolder(mirror.folder / "run")
    here.send(Command(command="set_lr", time=1.0, value=0.25))
    here.send(Command(command="stop", time=2.0))
    got: list[Command] = []

    def both() -> bool:
        got.extend(reader.poll())
        return len(got) == 2

    wait_until(both, what="two commands")
    assert [(command.command, command.value) for command in got] == [("set_lr", 0.25), ("stop", None)]
    assert not here.commands.exists()
    held.release()


def test_a_line_killed_in_mid_record_goes_on_at_its_byte(far: StandIn) -> None:
    folder = make_folder(far.home / "runs")
    writer = write(folder, 200)
    held = lock.take(folder.lock_file, 0)
    with folder.events.open("ab") as file:
        file.write(b'{"type":"steps","first":1000,"lo')  # a record of which half is there
    mirror = open_mirror("ssh://far/~/runs")
    mirror.sync()
    size = folder.events.stat().st_size
    copied = mirror.folder / "run" / "events.jsonl"
    assert copied.stat().st_size == size
    inode = copied.stat().st_ino
    mirror.start()
    far.down.touch()
    far.kill()
    wait_until(lambda: mirror.trouble, what="the broken line")
    history = mirrored(mirror, "run")
    assert "Connection refused" in history.trouble or "closed" in history.trouble
    assert history.trouble.startswith("far: ")
    assert history.state() == "running"
    with pytest.raises(RequestError, match=r"not sent: far: "):
        history.folder.send(Command(command="pause", time=1.0))
    with folder.events.open("ab") as file:
        file.write(b'ss":[0.5],"lr":[0.1],"accuracy":[0.5],"grad_norm":[1.0],"seconds":[9.0]}\n')
    far.down.unlink()
    wait_until(lambda: copied.stat().st_size == folder.events.stat().st_size, what="the rest")
    assert copied.read_bytes() == folder.events.read_bytes()
    assert copied.stat().st_ino == inode
    wait_until(lambda: not mirror.trouble, what="the line")
    wait_until(lambda: not mirrored(mirror, "run").trouble, what="the note")
    assert mirrored(mirror, "run").steps_done == 1001
    writer.close()
    held.release()


def test_pauses_between_tries_grow(far: StandIn) -> None:
    make_folder(far.home / "runs")
    mirror = open_mirror("ssh://far/~/runs")
    waited: list[float] = []
    told = mirror._break

    def noted(why: str, pause: float) -> None:
        waited.append(pause)
        told(why, 0.0)
        if len(waited) == 8:
            mirror._closing.set()

    mirror._break = noted  # type: ignore[method-assign]
    far.down.touch()
    mirror._run()
    assert waited == [1, 2, 4, 8, 16, 32, 60, 60]
    mirror._closing.clear()


def test_a_log_that_was_written_anew_replaces_the_copy(far: StandIn) -> None:
    folder = make_folder(far.home / "runs")
    write(folder, 40).close()
    mirror = open_mirror("ssh://far/~/runs")
    mirror.sync()
    other_hosts.close_all()
    folder.events.unlink()
    write(folder, 60, first=0).close()
    with folder.events.open("r+b") as file:  # as long as before and more, with other bytes
        file.seek(0)
        file.write(b" ")
    mirror = open_mirror("ssh://far/~/runs")
    mirror.sync()
    folder.events.unlink()
    write(folder, 1).close()
    mirror.sync()
    assert (mirror.folder / "run" / "events.jsonl").read_bytes() == folder.events.read_bytes()


def test_fifty_megabytes(far: StandIn) -> None:
    folder = make_folder(far.home / "runs")
    line = b'{"type":"log","time":1.0,"level":"info","message":"' + b"x" * 900 + b'"}\n'
    folder.events.write_bytes(line * (50_000_000 // len(line)))
    mirror = open_mirror("ssh://far/~/runs")
    seen: list[int] = []
    mirror.sync(progress=lambda _done, _all, missing: seen.append(missing))
    copied = mirror.folder / "run" / "events.jsonl"
    assert copied.stat().st_size == folder.events.stat().st_size
    assert copied.read_bytes() == folder.events.read_bytes()
    assert seen[0] > 49_000_000
    assert seen == sorted(seen, reverse=True)
    other_hosts.close_all()
    with folder.events.open("ab") as file:
        file.write(b'{"type":"log"}\n')
    again = open_mirror("ssh://far/~/runs")
    again.sync(progress=lambda _done, _all, missing: seen.append(missing))
    assert copied.stat().st_size == folder.events.stat().st_size
    assert 15 in seen  # only what is new is brought the next time


def test_a_second_reader_at_the_same_time_has_a_copy_of_its_own(far: StandIn) -> None:
    folder = make_folder(far.home / "runs")
    write(folder, 20).close()
    first = open_mirror("ssh://far/~/runs")
    first.sync()
    second = Mirror(first.address)
    assert second.folder != first.folder
    second.sync()
    assert (second.folder / "run" / "events.jsonl").read_bytes() == folder.events.read_bytes()
    second.close()
    assert not second.folder.exists()


def test_runs_that_are_gone_there_go_here(far: StandIn) -> None:
    folder = make_folder(far.home / "runs", "a")
    write(folder, 1).close()
    make_folder(far.home / "runs", "b")
    mirror = open_mirror("ssh://far/~/runs")
    mirror.sync()
    manage.delete(folder)
    mirror.sync()
    assert [run.name for run in runs_below([mirror.folder])] == ["b"]


def test_a_link_in_a_run_there_is_not_followed(far: StandIn) -> None:
    folder = make_folder(far.home / "runs")
    secret = far.home / "secret"
    secret.write_text("secret")
    folder.events.symlink_to(secret)
    folder.commands.symlink_to(secret)
    mirror = open_mirror("ssh://far/~/runs")
    mirror.sync()
    assert not (mirror.folder / "run" / "events.jsonl").exists()
    assert mirror._copies["run"].append_command(mirror._line, b"x") != ""
    assert secret.read_text() == "secret"


def test_a_picture_is_copied_when_it_is_asked_for(far: StandIn) -> None:
    folder = make_folder(far.home / "runs")
    write(folder, 2).close()
    folder.pictures.mkdir(exist_ok=True)
    data = bytes(range(256)) * 1000
    (folder.pictures / "it's-000010.png").write_bytes(data)
    secret = far.home / "secret.png"
    secret.write_text("secret")
    (folder.pictures / "link.png").symlink_to(secret)
    mirror = open_mirror("ssh://far/~/runs")
    mirror.sync()
    here = mirror.folder / "run"
    assert other_hosts.bring_picture(here, "pictures/it's-000010.png") == "It lies on far, and can't be copied."
    mirror.start()
    assert other_hosts.bring_picture(here, "pictures/it's-000010.png") == "Copying it from far …"
    copy = here / "pictures" / "it's-000010.png"
    wait_until(lambda: copy.exists() and copy.stat().st_size == len(data), what="the picture")
    assert copy.read_bytes() == data
    for name in ("link.png", "none.png"):
        gone = f"far: pictures/{name} is not there any more"
        wait_until(lambda: other_hosts.bring_picture(here, f"pictures/{name}") == gone, what=name)  # noqa: B023
        assert not (here / "pictures" / name).exists()
    for path in ("pictures/../secret.png", "secret.png", "/etc/passwd", "pictures/.hidden.png", "pictures/../../x.png"):
        assert "lie" in other_hosts.bring_picture(here, path)
    assert other_hosts.bring_picture(folder.path, "pictures/x.png") == ""


def test_what_only_its_own_host_can_do_is_refused(far: StandIn) -> None:
    write(make_folder(far.home / "runs"), 2).close()
    mirror = open_mirror("ssh://far/~/runs")
    mirror.sync()
    here = RunFolder(mirror.folder / "run")
    from cvtui.runlog.fork import checkpoint_file

    for work in (
        lambda: recipe_of(here, "resumed"), lambda: recipe_of(here, "forked"), lambda: checkpoint_file(here),
        lambda: manage.rename(here, "x"), lambda: manage.delete(here), lambda: manage.pin(here, True),
        lambda: manage.write_note(here, "x"),
    ):  # fmt: skip
        with pytest.raises(RequestError, match=r"^'run' lies on another host \(ssh://far/~/runs\): it can't be "):
            work()


def test_a_host_or_folder_that_is_not_there_is_one_line(far: StandIn) -> None:
    with pytest.raises(RequestError, match="there is no such folder on far"):
        open_mirror("ssh://far/~/none").sync()
    far.down.touch()
    with pytest.raises(RequestError, match="Connection refused") as told:
        open_mirror("ssh://far/~/other").sync()
    assert told.value.hint == "try it by hand: ssh far"


def test_over_a_real_sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network as well: keys, a login shell, a connection that is killed, commands."""
    place = tmp_path / "sshd"
    place.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = make_folder(tmp_path / AWKWARD)
    write(folder, 2000)
    held = lock.take(folder.lock_file, 0)
    try:
        with running_sshd(place) as (port, program):
            monkeypatch.setenv("PATH", f"{program}:{os.environ['PATH']}")
            mirror = open_mirror(f"ssh://127.0.0.1:{port}{tmp_path}/{AWKWARD}")
            mirror.sync()
            assert mirrored(mirror, "run").steps_done == 10_000
            mirror.start()
            os.kill(int((place / "pids").read_text().split()[-1]), 9)
            write(folder, 10, first=10_000, begin=False).close()
            wait_until(lambda: mirrored(mirror, "run").steps_done == 10_050, what="the new steps")
            wait_until(lambda: not mirror.trouble, what="the line")
            assert (mirror.folder / "run" / "events.jsonl").read_bytes() == folder.events.read_bytes()
            RunFolder(mirror.folder / "run").send(Command(command="pause", time=1.0))
            reader = CommandReader(folder.commands)
            wait_until(reader.poll, what="the command")
            (folder.path / "pictures").mkdir(exist_ok=True)
            (folder.path / "pictures" / "a b.png").write_bytes(b"png" * 1000)
            copy = mirror.folder / "run" / "pictures" / "a b.png"
            other_hosts.bring_picture(mirror.folder / "run", "pictures/a b.png")
            wait_until(lambda: copy.exists() and copy.read_bytes() == b"png" * 1000, what="the picture")
            other_hosts.close_all()
            (place / "authorized").write_text("")
            with pytest.raises(RequestError, match="Permission denied") as told:
                open_mirror(f"ssh://127.0.0.1:{port}{tmp_path}/other").sync()
            assert "cvtui asks for no password" in told.value.hint
    except RuntimeError as error:
        pytest.skip(str(error))
    finally:
        other_hosts.close_all()
        held.release()
