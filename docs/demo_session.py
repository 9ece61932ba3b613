"""Run commands in a demo world where nothing varies, and give what a person would see.

The clock, the server's address and the ids are pinned, so what is shown is what was printed. Only
the name of the temporary folder is replaced, because a fixed one could be in use.
"""

import fcntl
import math
import os
import pty
import shlex
import socket
import struct
import sys
import tempfile
import termios
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import time_machine

from clearml_snapshot.cli.main import main
from clearml_snapshot.cli.output import progress
from clearml_snapshot.exporter.standin.data.history import ANCHOR, demo_history
from clearml_snapshot.exporter.standin.http.server import StandIn

WIDTH = 96
"""Columns of the terminal."""

HOME = "/home/ada"
"""What is shown for the temporary folder."""

_END = b"\x04the end of what was printed\x04"

HOST = "api.clearml.example"
"""Resolves to the stand-in, whichever port that listens on."""


class DemoSession:
    """A folder, a terminal and the demo history: the clock moves between commands only."""

    def __init__(self, folder: str, environment: dict[str, str], clock: time_machine.Traveller):
        self._folder, self._environment, self._clock = folder, environment, clock

    def read(self, name: str) -> str:
        """Read a file that a command has written."""
        return (Path(self._folder) / name).read_text(encoding="utf-8")

    def run(self, command: str, *, minutes_later: int = 0) -> list[str]:
        """Run a command; give its line, and its answer and notes in the order of a terminal.

        Args:
            command: as it is typed.
            minutes_later: how many minutes after the last one it is run.

        Raises:
            SystemExit: the command ended with another code than 0.
        """
        self._clock.shift(timedelta(minutes=minutes_later))
        terminal, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, WIDTH, 0, 0))
        try:
            with _streams(theirs), _surroundings(self._folder, self._environment):
                code = main(shlex.split(command)[1:])
            os.write(theirs, _END)
        finally:
            os.close(theirs)
        printed = _everything(terminal).replace(self._folder, HOME)
        if code:
            raise SystemExit(f"{command} ended with {code}: {printed}")
        return [f"$ {command}", *printed.splitlines(), ""]


@contextmanager
def demo_session() -> Iterator[DemoSession]:
    """Start the stand-in with the demo history, ten minutes after that was made."""
    pinned: dict[str, Any] = {
        # of the export, and of each answer, whose size is in the row of the export
        "uuid.uuid4": lambda: uuid.UUID(int=7 << 64, version=4),
        # how far it is, which is shown where a machine takes its time
        f"{progress.__name__}._PLAIN_EVERY": math.inf,
        # a bar, of which nothing is left on a terminal when the command ends
        f"{progress.__name__}.is_terminal": lambda _stream: False,
    }
    with ExitStack() as stack:
        for name, value in pinned.items():
            stack.enter_context(patch(name, value))
        clock = stack.enter_context(time_machine.travel(ANCHOR + timedelta(minutes=10), tick=False))
        folder = os.path.realpath(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(StandIn(demo_history()))
        stack.enter_context(_resolved(server))
        yield DemoSession(folder, _environment(server), clock)


def _environment(server: StandIn) -> dict[str, str]:
    """Return the variables that lead the program to the server."""
    own = ("CLEARML_SNAPSHOT_DATA", "COLUMNS", "LINES")
    theirs = {name: value for name, value in os.environ.items() if name not in own}
    return {
        **theirs,
        **server.environment(),
        "CLEARML_API_HOST": f"http://{HOST}:8008",
        "CLEARML_WEB_HOST": "http://app.clearml.example:8080",
        "NO_PROXY": HOST,
        "NO_COLOR": "1",
        "TERM": "dumb",
        "TZ": "UTC",
    }


@contextmanager
def _resolved(server: StandIn) -> Iterator[None]:
    """Let the name of the host lead to the server."""
    port, resolve = int(server.url.rpartition(":")[2]), socket.getaddrinfo

    def getaddrinfo(host: Any, host_port: Any, *rest: Any, **named: Any) -> Any:
        address = ("127.0.0.1", port) if host == HOST else (host, host_port)
        return resolve(*address, *rest, **named)

    with patch("socket.getaddrinfo", getaddrinfo):
        yield


@contextmanager
def _streams(terminal: int) -> Iterator[None]:
    """Let this process have the streams that one of its own would have.

    To start one takes far longer than most commands do, and there are twenty.
    """
    with ExitStack() as stack, Path(os.devnull).open() as nothing:
        theirs = {"stdin": nothing.fileno(), "stdout": terminal, "stderr": terminal}
        for descriptor_number, (name, descriptor) in enumerate(theirs.items()):
            stack.callback(_put_back, descriptor_number, os.dup(descriptor_number))
            stack.callback(setattr, sys, name, getattr(sys, name))
            os.dup2(descriptor, descriptor_number)
            mode = "w" if descriptor_number else "r"
            stream = stack.enter_context(
                os.fdopen(descriptor_number, mode, encoding="utf-8", closefd=False)
            )
            setattr(sys, name, stream)
        yield


def _put_back(descriptor: int, before: int) -> None:
    os.dup2(before, descriptor)
    os.close(before)


@contextmanager
def _surroundings(folder: str, environment: dict[str, str]) -> Iterator[None]:
    """Go to a folder, with these variables and no others."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environment)
        with chdir(folder):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _everything(terminal: int) -> str:
    """Read what is in a terminal before the end.

    Its other side may stay open: the library that draws pictures keeps the streams that it starts
    with.
    """
    printed = b""
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        while not printed.endswith(_END):
            printed += screen.read(1 << 16)
    return printed.removesuffix(_END).decode().replace("\r\n", "\n")
