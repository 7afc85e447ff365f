"""Processes of the router that need not import it: forks of one that has.

Imports are most of what a start costs, and the tests start a thousand. Where the start itself is
what a test is about, it asks for a cold one: see `support.Project.cold`.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO

MODULE = "tornado_router.cli"
OF_THE_INTERPRETER = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_")
"""Variables that a process reads before it runs a line of ours, by their first letters."""
OF_IMPORTS = {"PYTHONPATH", "SENTRY_DSN"}
"""Variables that decide what is imported."""
LARGEST = 1 << 17
"""Bytes of a message: the words of a command, and its environment."""


class WarmProcess:
    """A command of the router, with the part of `subprocess.Popen` that tests use.

    Args:
        words: of the command.
        folder: to run in.
        env: of it, as `Nursery` of the same can start it.
        files: its standard input, output and error.

    Attributes:
        pid: of it.
        returncode: as of a `Popen`; None while it runs.
    """

    def __init__(self, words: list[str], folder: Path, env: dict, files: list[IO]) -> None:
        self.returncode: int | None = None
        self._status, its = os.pipe()
        try:
            _nursery(_of_the_interpreter(env)).start(words, folder, env, [*files, its])
        finally:
            os.close(its)
        self.pid = int(self._line())

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            status = select.poll()
            status.register(self._status, select.POLLIN)
            if not status.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(MODULE, timeout)
            self.returncode = int(self._line())
            os.close(self._status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(self._status, 1)
            assert byte, "what starts routers has ended"
            line += byte
        return line


class Nursery:
    """The process that has imported the router, as a test sees it.

    Args:
        env: what of an environment the interpreter reads at its start.
    """

    def __init__(self, env: dict[str, str]) -> None:
        self._socket, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(its.fileno())],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
            )
        atexit.register(self._close)

    def start(self, words: list[str], folder: Path, env: dict, files: list) -> None:
        """Starts a command; the last of the files is told its process id, then its end."""
        message = json.dumps([words, os.fspath(folder), env]).encode()
        numbers = [item if isinstance(item, int) else item.fileno() for item in files]
        socket.send_fds(self._socket, [message], numbers)

    def _close(self) -> None:
        self._socket.close()
        self._process.wait()


def _of_the_interpreter(env: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(item for item in env.items() if item[0].startswith(OF_THE_INTERPRETER)))


def can_start(env: dict[str, str]) -> bool:
    """Whether a process of an environment imports what its siblings do."""
    return OF_IMPORTS.isdisjoint(env)


@cache
def _nursery(env: tuple[tuple[str, str], ...]) -> Nursery:
    return Nursery(dict(env))


# In the process of the nursery


def _import_all() -> None:
    import tornado_router

    for module in pkgutil.walk_packages(tornado_router.__path__, "tornado_router."):
        own = module.name.split(".")[1]
        if own not in ("testing", "scaffold") and not module.name.endswith("__main__"):
            import_module(module.name)
    for plugin in entry_points(group="tornado_router"):
        with suppress(Exception):  # which each router reports by itself
            plugin.load()
    import_module("genai_prices.data")
    import_module("uvloop")


def _serve(requests: socket.socket) -> list[str]:
    """Forks at each request; returns the words of a command in the process that is to run it."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(wake)
    running: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            os.read(woken, 1000)
            _report(running)
        if requests not in ready:
            continue
        message, files, _, _ = socket.recv_fds(requests, LARGEST, 4)
        if not message:
            os._exit(0)
        words, folder, env = json.loads(message)
        status = files.pop()
        pid = os.fork()
        if pid:
            for number in files:
                os.close(number)
            os.write(status, b"%d\n" % pid)
            running[pid] = status
            continue
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (woken, wake, status, *running.values()):
            os.close(number)
        requests.close()
        _become(folder, env, files)
        return words


def _report(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        told = running.pop(pid)
        with suppress(BrokenPipeError):  # of a test that did not wait for it
            os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(told)


def _become(folder: str, env: dict[str, str], files: list[int]) -> None:
    """Has what a process has that was started by itself."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.path.insert(0, os.getcwd())
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)


if __name__ == "__main__":
    _import_all()
    gc.collect()
    gc.freeze()
    sys.argv[1:] = _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
