"""An ssh server in Python (asyncssh), told by an sshd_config: `python asyncssh_server.py -D -e -f CONFIG`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any


async def serve(config: dict[str, str]) -> None:
    import asyncssh

    async def shell(process: Any) -> None:
        """Run a connection's command by the shell, its streams the connection's."""
        child = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", process.command or "", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
        waits = [asyncio.ensure_future(child.wait()), asyncio.ensure_future(process.wait_closed())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if child.returncode is None:
            child.kill()
        process.exit(await child.wait() & 255)

    class Server(asyncssh.SSHServer):
        """Reads the keys at each connection, as sshd does."""

        def connection_made(self, conn: Any) -> None:
            self._connection = conn

        def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - as asyncssh calls it
            if Path(config["AuthorizedKeysFile"]).read_text(encoding="utf-8").strip():
                self._connection.set_authorized_keys(config["AuthorizedKeysFile"])
            return True

        def public_key_auth_supported(self) -> bool:
            return True

    await asyncssh.listen(
        config["ListenAddress"], int(config["Port"]), server_host_keys=[config["HostKey"]], server_factory=Server,
        process_factory=shell, encoding=None,
    )  # fmt: skip
    await asyncio.Event().wait()


if __name__ == "__main__":
    lines = Path(sys.argv[sys.argv.index("-f") + 1]).read_text(encoding="utf-8").splitlines()
    asyncio.run(serve(dict(line.split(" ", 1) for line in lines)))
