"""What a terminal is sent when a run ends: what its own manual says, and the bell alone where nothing is known."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import pytest

from cvtui import settings
from cvtui.notify.end_watch import EndWatch
from cvtui.tui.app import CvtuiApp
from cvtui.tui.end_notice import EndNotice
from cvtui.tui.terminal_notice import notification, terminal_around_tmux
from tests.tui.written_runs import finished_run
from tests.waiting import wait_until, wait_until_async

KITTY = "\x1b]99;i=cvtui:d=0;run finished\x1b\\\x1b]99;i=cvtui:d=1:p=body;97 %\x1b\\\a"
OSC_9 = "\x1b]9;run finished: 97 %\x1b\\\a"
OSC_777 = "\x1b]777;notify;run finished;97 %\x1b\\\a"


@pytest.mark.parametrize(
    ("environment", "written"),
    [
        ({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}, KITTY),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, OSC_9),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, OSC_9),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, OSC_9),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, OSC_9),
        ({"TERM": "foot-extra"}, OSC_777),
        ({"TERM": "rxvt-unicode-256color"}, OSC_777),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, OSC_777),
        ({"TERM": "xterm-256color"}, "\a"),
        ({"TERM": "linux"}, "\a"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, "\a"),
        ({"TERM": "xterm-kitty", "VTE_VERSION": "7600"}, KITTY),
        ({"TERM": "tmux-256color", "TERM_PROGRAM": "tmux", "TMUX": "/tmp/x", "VTE_VERSION": "7600"}, "\a"),
        ({}, "\a"),
    ],
)
def test_each_terminal_gets_its_own_sequence(environment: dict[str, str], written: str) -> None:
    assert notification("run finished", "97 %", environment) == written


def test_inside_tmux_it_goes_through_tmux() -> None:
    written = notification("run finished", "97 %", {"TMUX": "/tmp/x,1,0"}, "iTerm2 3.5 xterm-256color")
    assert written == "\x1bPtmux;\x1b\x1b]9;run finished: 97 %\x1b\x1b\\\x1b\\\a"


def test_a_name_can_neither_end_the_sequence_nor_begin_one() -> None:
    evil = "a\x07b\x1b\\\x1b]0;x\x9cc;d"
    for term in ("xterm-kitty", "foot", "xterm-ghostty"):
        written = notification(evil, evil, {"TERM": term})
        inside = re.sub(r"\x1b\](9|777|99);|\x1b\\|\a$", "", written)
        assert inside.isprintable(), inside
    assert notification("a;b", "c", {"TERM": "foot"}) == "\x1b]777;notify;a,b;c\x1b\\\a"


def _holds(seen: Path, words: bytes) -> bool:
    return seen.exists() and words in seen.read_bytes()


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_a_real_tmux_passes_it_on_and_swallows_it_where_that_is_off(tmp_path: Path) -> None:
    """`tmux` in a pseudo-terminal of `script`; what it writes to that terminal is read from the file.

    tmux passes nothing on before its client has drawn the pane once, so the pane says a word and waits. The command
    doesn't hold that word: `script` notes the command too.
    """
    if shutil.which("script") is None:
        pytest.skip("needs script(1)")
    (tmp_path / "text").write_text(notification("run finished", "97 %", {"TMUX": "x"}, "foot"))
    pane = f"printf %s dra wn; tmux wait-for go; cat {tmp_path}/text; tmux wait-for done"
    sockets = tempfile.mkdtemp(dir="/tmp")  # a socket's name must be short
    for allowed in ("on", "off"):
        seen, tmux = tmp_path / f"seen-{allowed}", ["tmux", "-f", "/dev/null", "-S", f"{sockets}/{allowed}"]
        started = shlex.join([*tmux, "set", "-g", "allow-passthrough", allowed, ";", "new", pane])
        client = subprocess.Popen(
            ["script", "-qfec", started, str(seen)],
            env={"TERM": "xterm-256color", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_until(partial(_holds, seen, b"drawn"), what="the pane")
            subprocess.run([*tmux, "wait-for", "-S", "go"], check=True)
            wait_until(partial(_holds, seen, b"\a"), what="the bell through tmux")
        finally:
            subprocess.run([*tmux, "kill-server"], capture_output=True, check=False)
            client.communicate(timeout=60)
        assert _holds(seen, b"777;notify;run finished;97 %") == (allowed == "on")
    shutil.rmtree(sockets)


def test_outside_tmux_nobody_is_asked() -> None:
    assert terminal_around_tmux({}) is None
    assert terminal_around_tmux({"TMUX": "/nowhere,1,0", "PATH": ""}) in (None, "")


@pytest.mark.parametrize(
    ("wanted", "focused", "rings"),
    [(None, True, False), (None, False, True), ("always", True, True), ("off", False, False)],
)
async def test_the_terminal_is_told_when_nobody_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str | None, focused: bool, rings: bool
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    if wanted:
        settings.keep(terminal=wanted)
    folder = finished_run(tmp_path)
    folder.lock().release()
    written: list[str] = []
    app = CvtuiApp(runs=tmp_path, prewarm=False)
    async with app.run_test() as pilot:
        app.app_focus = focused
        notice = EndNotice(app, written.append)
        notice._watches[folder] = EndWatch(folder)
        notice.poll()
        await app.workers.wait_for_complete()
        await pilot.pause()
        if rings:
            await wait_until_async(lambda: written, what="the notification")
            assert written[0].endswith("\a")
        notice.poll()
        assert len(written) == int(rings)
