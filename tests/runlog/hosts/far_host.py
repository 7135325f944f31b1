"""Another host for tests: an sshd on loopback with keys and configuration of its own, or a stand-in for `ssh`."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

STAND_IN = """#!{python}
import os, sys
words = sys.argv[1:]
with open({calls!r}, "a") as log:
    log.write(repr(words) + chr(10))
if os.path.exists({down!r}):
    sys.exit("ssh: connect to host " + words[words.index("--") + 1] + " port 22: Connection refused")
with open({pids!r}, "a") as log:
    log.write(str(os.getpid()) + chr(10))
os.chdir({home!r})
if os.path.exists({tools!r}):
    os.environ["PATH"] = {tools!r}
os.execv("/bin/sh", ["sh", "-c", words[-1]])
"""


class StandIn:
    """An `ssh` that runs the command on this machine: all of it but the network."""

    def __init__(self, place: Path) -> None:
        self.bin, self.home = place / "bin", place / "home"
        self.calls, self.down, self._pids = place / "calls", place / "down", place / "pids"
        for folder in (self.bin, self.home):
            folder.mkdir(parents=True)
        text = STAND_IN.format(
            python=sys.executable,
            calls=str(self.calls),
            down=str(self.down),
            pids=str(self._pids),
            home=str(self.home),
            tools=str(place / "tools"),
        )
        program = self.bin / "ssh"
        program.write_text(text)
        program.chmod(0o755)

    def only(self, *names: str) -> None:
        """Leave the host just these programs."""
        tools = self.home.parent / "tools"
        tools.mkdir()
        for name in names:
            found = shutil.which(name)
            assert found is not None
            (tools / name).symlink_to(found)

    def connections(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0

    def kill(self) -> None:
        """Kill the newest connection's process, as a network that breaks would."""
        os.kill(int(self._pids.read_text().split()[-1]), signal.SIGKILL)


def sshd_command() -> list[str]:
    """Return the start of the line that runs a server: OpenSSH's sshd, else asyncssh; [] where there is neither."""
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is not None:
        return [program]
    found = find_spec("asyncssh") is not None and shutil.which("ssh") is not None
    return [sys.executable, str(Path(__file__).with_name("asyncssh_server.py"))] if found else []


@contextmanager
def running_sshd(place: Path) -> Iterator[tuple[int, Path]]:
    """Run an sshd on a free port of loopback; yield the port and a folder with the `ssh` that knows its keys.

    RuntimeError with sshd's words where it can't be started.
    """
    program = sshd_command()
    if not program or shutil.which("ssh-keygen") is None:
        raise RuntimeError("there is no sshd, nor asyncssh")
    place.chmod(stat.S_IRWXU)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (place / "authorized").write_text((place / "user.pub").read_text())
    (place / "known").write_text(f"[127.0.0.1]:{port} {(place / 'host.pub').read_text()}")
    (place / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {place / 'host'}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {place / 'authorized'}\nPasswordAuthentication no\nPermitRootLogin yes\n"
    )
    (place / "config").write_text(
        f"Host *\nIdentityFile {place / 'user'}\nIdentitiesOnly yes\nUserKnownHostsFile {place / 'known'}\n"
        f"User {getpass.getuser()}\n"
    )
    real = shutil.which("ssh")
    wrapper = place / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho $$ >>"{place}/pids"\nexec {real} -F "{place}/config" "$@"\n')
    wrapper.chmod(0o755)
    log = place / "log"
    server = subprocess.Popen(
        [*program, "-D", "-e", "-f", str(place / "sshd_config")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=log.open("wb"), start_new_session=True,
    )  # fmt: skip
    try:
        while True:
            if server.poll() is not None:
                raise RuntimeError(f"sshd can't be started here: {log.read_text().strip()[-200:]}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        yield port, wrapper.parent
    finally:
        server.terminate()
        server.wait()
