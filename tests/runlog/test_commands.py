"""Commands: whoever sends them and whenever they are read, each is applied once and in order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cvtui.errors import RequestError
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import Command
from tests.runlog.making import make_folder
from tests.waiting import wait_until

SENDER = """
import sys
from pathlib import Path
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
folder, who = RunFolder(Path(sys.argv[1])), float(sys.argv[2])
for number in range(500):
    folder.send(Command(command="set_lr", time=who, value=float(number)))
"""


def test_two_senders_at_once_each_command_once_and_in_order(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    reader = CommandReader(folder.commands)
    senders = [subprocess.Popen([sys.executable, "-c", SENDER, folder.path, str(who)]) for who in (1, 2)]
    found: list[Command] = []

    def all_there() -> bool:
        found.extend(reader.poll())
        return len(found) >= 1000

    try:
        wait_until(all_there, 60, "1,000 commands")
        assert [sender.wait(60) for sender in senders] == [0, 0]
    finally:
        for sender in senders:
            sender.kill()
            sender.wait()
    assert reader.poll() == []
    assert reader.skipped == 0
    for who in (1.0, 2.0):
        assert [command.value for command in found if command.time == who] == [float(number) for number in range(500)]
    lines = [line for line in folder.commands.read_bytes().splitlines() if line]
    assert found == [msgspec.json.decode(line, type=Command) for line in lines], "in the order of the file"


def test_commands_that_were_there_before_the_reader(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    folder.send(Command(command="pause", time=1.0))
    early, resumed = CommandReader(folder.commands), CommandReader(folder.commands, offset=None)
    folder.send(Command(command="stop", time=2.0))
    assert [command.command for command in early.poll()] == ["pause", "stop"]
    assert [command.command for command in resumed.poll()] == ["stop"]
    assert early.offset == resumed.offset == folder.commands.stat().st_size
    assert CommandReader(folder.commands, offset=early.offset).poll() == []


def test_a_torn_command_waits_and_broken_ones_are_counted(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    reader = CommandReader(folder.commands)
    assert reader.poll() == []
    whole = msgspec.json.encode(Command(command="save", time=1.0))
    folder.commands.write_bytes(
        b'{"command":"explode","time":1.0}\nnonsense\n\n{"command":"set_lr","time":1.0,"value":-1.0}\n'
        b'{"command":"set_lr","time":1.0}\n' + whole[:9]
    )
    assert reader.poll() == []
    assert reader.skipped == 4
    with open(folder.commands, "ab") as file:
        file.write(whole[9:])
    assert reader.poll() == []
    with open(folder.commands, "ab") as file:
        file.write(b"\n")
    assert [command.command for command in reader.poll()] == ["save"]


def test_a_torn_line_of_a_killed_screen_spoils_only_itself(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    folder.commands.write_bytes(b'{"command":"sa')
    folder.send(Command(command="stop", time=1.0))
    reader = CommandReader(folder.commands)
    assert [command.command for command in reader.poll()] == ["stop"]
    assert reader.skipped == 1


@pytest.mark.parametrize("value", [None, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_no_rate_is_not_sent(tmp_path: Path, value: float | None) -> None:
    folder = make_folder(tmp_path)
    with pytest.raises(RequestError, match="finite number from 0 up"):
        folder.send(Command(command="set_lr", time=1.0, value=value))
    assert not folder.commands.exists()


def test_sending_to_a_folder_that_is_gone(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    folder.path.rename(tmp_path / "moved")
    with pytest.raises(RequestError, match="is gone"):
        folder.send(Command(command="stop", time=1.0))
    (tmp_path / "moved" / "commands.jsonl").mkdir()
    folder.path = tmp_path / "moved"
    folder.commands = folder.path / "commands.jsonl"
    with pytest.raises(RequestError, match="can't write") as caught:
        folder.send(Command(command="stop", time=1.0))
    assert caught.value.hint.endswith("; it goes on meanwhile"), "the way out"
