"""Notifications by apprise to a server on loopback; addresses are checked, hidden, and kept where only we can read."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from cvtui import settings
from cvtui.errors import RequestError
from cvtui.notify.hooks import EndHooks, asked_hooks, check_urls, saved_hooks, shown
from cvtui.notify.message import EndMessage
from cvtui.notify.send import notify, tell
from cvtui.notify.start import watch_end
from cvtui.runlog.events import RunEnded
from tests.cli.running import within
from tests.notify.test_end_watch import written
from tests.runlog.making import make_folder, started

HAS_APPRISE = importlib.util.find_spec("apprise") is not None
needs_apprise = pytest.mark.skipif(not HAS_APPRISE, reason="needs apprise (cvtui[notify])")
MESSAGE = EndMessage("finished", "a finished", "97.22 %", {"CVTUI_STATE": "finished"})
SECRET = "s3cr3t-token"


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def server() -> Iterator[tuple[int, list[dict[str, Any]], list[int]]]:
    """Port, what came, and the status to answer with."""
    came: list[dict[str, Any]] = []
    status = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield found.server_port, came, status
        found.shutdown()


@needs_apprise
def test_a_notification_arrives_and_a_refused_one_is_a_line_without_the_address(server: Any) -> None:
    port, came, status = server
    url = f"json://user:{SECRET}@127.0.0.1:{port}/{SECRET}"
    assert tell(EndHooks(urls=(url,)), MESSAGE, subprocess.DEVNULL) == []
    assert (came[0]["title"], came[0]["message"]) == ("cvtui: a finished", "97.22 %")
    status[0] = 500
    assert tell(EndHooks(urls=(url,)), MESSAGE, subprocess.DEVNULL) == ["--notify json://…: not delivered (failure)"]


@needs_apprise
def test_what_apprise_answers_is_what_we_count_on(server: Any) -> None:
    import apprise

    port, *_ = server
    service = apprise.Apprise()
    assert service.add("nosuchservice://x") is False  # no exception
    assert not service.notify(title="t", body="b")
    assert service.add(f"json://127.0.0.1:{port}/")
    assert bool(service.notify(title="t", body="b")) is True
    assert not service.notify(title="", body="")
    assert notify("nosuchservice://x", MESSAGE) == "apprise does not know this address"


@needs_apprise
def test_an_address_that_never_answers_costs_its_time_limit_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"json://127.0.0.1:{silent.getsockname()[1]}/{SECRET}"
        assert tell(EndHooks(urls=(url,)), MESSAGE, subprocess.DEVNULL, 0.3) == [
            "--notify json://…: no answer within 0.3 s"
        ]


@needs_apprise
def test_a_real_process_sends_it_and_no_file_of_the_run_holds_the_address(server: Any, tmp_path: Path) -> None:
    port, came, status = server
    status[0] = 403
    folder = make_folder(tmp_path)
    written(folder, started(), RunEnded(time=1.0, step=3, status="diverged", reason="loss is NaN"))
    folder.lock().release()
    watching = watch_end(folder, EndHooks(urls=(f"json://{SECRET}@127.0.0.1:{port}/{SECRET}",)))
    assert watching is not None
    shown_to_all = Path(f"/proc/{watching.pid}/cmdline")
    if shown_to_all.exists():
        assert SECRET.encode() not in shown_to_all.read_bytes()
    assert watching.wait(60) == 0
    assert came[0]["title"] == "cvtui: run diverged"
    assert b"not delivered" in folder.events.read_bytes()
    for file in folder.path.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


def test_an_unknown_address_is_refused_before_anything_starts_and_without_its_secrets(tmp_path: Path) -> None:
    done = within("--no-ui", "--notify", f"nosuchservice://{SECRET}", cwd=tmp_path)
    assert done.returncode == 2
    assert SECRET not in done.stdout + done.stderr
    assert ("nosuchservice://…" if HAS_APPRISE else "pip install 'cvtui[notify]'") in done.stderr
    assert not (tmp_path / "runs").exists()


def test_without_apprise_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RequestError, match="apprise is not installed") as refused:
        check_urls(["json://x"])
    assert refused.value.hint == "pip install 'cvtui[notify]'"
    check_urls([])


def test_a_kept_address_stops_no_run_where_apprise_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.keep(notify=[f"json://{SECRET}"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "apprise", None)
    hooks = asked_hooks(None, ())
    assert tell(hooks, MESSAGE, subprocess.DEVNULL) == [
        "--notify json://…: apprise is not installed: pip install 'cvtui[notify]'"
    ]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (f"tgram://{SECRET}/chat", "tgram://…"),
        (f"mailto://me:{SECRET}@mail.org", "mailto://…"),
        (SECRET, "…"),
        (f"{SECRET}:no-slashes", "…"),
        (f"a {SECRET}://x", "…"),
    ],
)
def test_an_address_is_shown_by_its_scheme(url: str, text: str) -> None:
    assert shown(url) == text
    assert SECRET not in repr(EndHooks("", (url,)))


def test_settings_are_kept_for_us_alone_and_options_win_over_them() -> None:
    assert saved_hooks() == EndHooks()
    settings.keep(on_end="echo saved")
    assert asked_hooks(None, ()) == EndHooks("echo saved")
    assert asked_hooks("echo mine", ()) == EndHooks("echo mine")
    assert asked_hooks("", ()) == EndHooks()
    assert asked_hooks(None, (), saved=False) == EndHooks()
    assert settings.path().stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("kept", [{"on_end": 3, "notify": "x"}, {"on_end": None, "notify": [1, "", None]}])
def test_spoilt_settings_are_as_none(kept: dict[str, Any]) -> None:
    settings.keep(**kept)
    assert saved_hooks() == EndHooks()


def test_the_command_keeps_shows_and_forgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvtui.notify.hooks.check_urls", lambda _: None)
    done = within("notify", "--url", f"json://{SECRET}", "--on-end", "true", "--terminal", "always", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["addresses", "json://…", "command", "true", "terminal", "always"]
    assert saved_hooks() == EndHooks("true", (f"json://{SECRET}",))
    assert settings.load()["terminal"] == "always"
    done = within("notify", "--clear", cwd=tmp_path)
    assert done.stdout.split() == ["addresses", "none", "command", "none", "terminal", "always"]
    done = within("notify", "--test", cwd=tmp_path)
    assert done.returncode == 2
    assert "nothing to test" in done.stderr


def test_the_command_tests_what_is_kept(tmp_path: Path) -> None:
    settings.keep(on_end=f"printf %s $CVTUI_RUN > {tmp_path}/told; exit 4")
    done = within("notify", "--test", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "--on-end: the command ended with exit code 4\n")
    assert (tmp_path / "told").read_text() == "test"
