"""A worker: how its supervisor starts it, and what it has from its supervisor."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from tornado_router.background.supervisor import start_task

VARIABLE = "TORNADO_ROUTER_WORKER"
"""Set for a worker: the descriptors that it was given."""

READY = b"."
"""What a worker sends its supervisor once it serves."""


class Inheritance(NamedTuple):
    """What a worker has from its supervisor.

    Attributes:
        sockets: to listen on.
        life: open as long as the supervisor lives.
    """

    sockets: list[socket.socket]
    life: socket.socket

    @classmethod
    def take(cls) -> Inheritance | None:
        """What this process was given, or None if it is not a worker."""
        given = os.environ.pop(VARIABLE, None)
        if given is None:
            return None
        *sockets, life = (socket.socket(fileno=number) for number in json.loads(given))
        for item in (*sockets, life):
            item.setblocking(False)
        return cls(sockets, life)

    def ready(self) -> None:
        """Notifies the supervisor that this worker serves."""
        with suppress(OSError):
            self.life.send(READY)

    def on_end(self, stop: Callable[[], None]) -> None:
        """Has `stop` called when the supervisor is gone. On the running event loop."""
        loop = asyncio.get_running_loop()

        def read() -> None:
            with suppress(OSError):
                if self.life.recv(1):
                    return
            loop.remove_reader(self.life)
            stop()

        loop.add_reader(self.life, read)

    def close(self) -> None:
        """Detaches from the supervisor. On the running event loop."""
        asyncio.get_running_loop().remove_reader(self.life)
        self.life.close()


class Worker:
    """A worker as its supervisor sees it. To be made on the running event loop.

    Args:
        number: that no other has at the same time.
        process: of it.
        life: the end of its supervisor of what it was given.

    Attributes:
        number: the same.
        serving: done once it serves (True), or has ended before (False).
        ended: done with its exit status.
    """

    def __init__(
        self, number: int, process: asyncio.subprocess.Process, life: socket.socket
    ) -> None:
        self.number = number
        self._process = process
        self.serving: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.ended = start_task(f"worker {number}", self._watch(life))

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        number: int,
        sockets: Sequence[socket.socket],
        environ: Mapping[str, str],
    ) -> Worker:
        """Starts one.

        Args:
            command: that starts it.
            number: that no other has at the same time.
            sockets: that it listens on.
            environ: variables for it, over those of this process.

        Raises:
            OSError: no process, memory or descriptor is left for it.
        """
        mine, its = socket.socketpair()
        mine.setblocking(False)
        with its:
            given = [item.fileno() for item in (*sockets, its)]
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    env={**os.environ, **environ, VARIABLE: json.dumps(given)},
                    pass_fds=given,
                    stdin=asyncio.subprocess.DEVNULL,
                )
            except BaseException:
                mine.close()
                raise
        return cls(number, process, mine)

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal, if it has not ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _watch(self, life: socket.socket) -> int:
        with life:
            with suppress(OSError):
                if await asyncio.get_running_loop().sock_recv(life, 1) == READY:
                    self.serving.set_result(True)
            status = await self._process.wait()
        if not self.serving.done():
            self.serving.set_result(False)
        return status


def worker_command(path: os.PathLike[str], server: Mapping[str, object]) -> list[str]:
    """What starts a worker for a router.toml, with the options that the command line has set."""
    given = [word for name, value in server.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "tornado_router.cli", "serve", "--config", os.fspath(path)]
    return command + given
