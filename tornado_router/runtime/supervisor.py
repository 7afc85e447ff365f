"""Several workers on one machine behind one port: started, watched, and started again.

Each worker has listening sockets of its own on the same port, among which the kernel spreads
connections (SO_REUSEPORT: https://man7.org/linux/man-pages/man7/socket.7.html). The supervisor made
them and keeps them open, so connections that wait at a worker that died are served by the next.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from loguru import logger
from tornado.netutil import bind_sockets

from tornado_router.background.supervisor import start_task
from tornado_router.config.worker_variables import (
    METRICS_VARIABLE,
    NUMBER_VARIABLE,
    RESTARTS_VARIABLE,
)

VARIABLE = "TORNADO_ROUTER_WORKER"
"""Set for a worker: the descriptors that it was given."""

READY = b"."
"""What a worker sends its supervisor once it serves."""

SOON_SECONDS = 10.0
"""A worker that dies earlier may do so again: the next one waits."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0

GRACE_SECONDS = 20.0
"""What a worker has to stop, beyond the time that its calls have: more than it takes if the
database hangs (`server.CUT_OFF_SECONDS`, and ten seconds to close)."""

BACKLOG = 1024


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


class Supervisor:
    """Keeps so many workers running.

    Args:
        command: that starts a worker.
        workers: how many.
        host: to listen on.
        port: the same; 0 lets the system choose.
        shutdown_seconds: what running calls have when it stops.

    Attributes:
        port: that it listens on.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(
        self, command: Sequence[str], workers: int, host: str, port: int, shutdown_seconds: float
    ) -> None:
        self._command = command
        _check_free(port, host)
        self._sockets: list[list[socket.socket]] = []
        for _ in range(workers):
            made = bind_sockets(port, host, backlog=BACKLOG, reuse_port=True)
            port = made[0].getsockname()[1]
            self._sockets.append(made)
        self.port = port
        self._shutdown_seconds = shutdown_seconds
        self._metrics = TemporaryDirectory(prefix="tornado-router-metrics-")
        self._processes: set[asyncio.subprocess.Process] = set()
        self._serving: set[asyncio.subprocess.Process] = set()
        self._stopping = asyncio.Event()
        self._broken: int | None = None

    async def run(self, ready: Callable[[], None]) -> int:
        """Runs the workers until SIGTERM or SIGINT; SIGHUP goes on to each.

        Args:
            ready: called once all of them serve.

        Returns:
            0, or the exit status of a worker that could not even start.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        started = [asyncio.Event() for _ in self._sockets]
        keepers = [
            start_task(f"worker {number}", self._keep(number, sockets, started[number]))
            for number, sockets in enumerate(self._sockets)
        ]
        announce = start_task("announcement", _when_all(started, ready))
        await self._stopping.wait()
        announce.cancel()
        self._pass_on(signal.SIGTERM)
        _, late = await asyncio.wait(keepers, timeout=self._shutdown_seconds + GRACE_SECONDS)
        if late:
            logger.warning("{} workers do not stop and are killed", len(late))
            self._pass_on(signal.SIGKILL)
            await asyncio.wait(late)
        self._metrics.cleanup()
        return self._broken or 0

    async def _keep(
        self, number: int, sockets: Sequence[socket.socket], started: asyncio.Event
    ) -> None:
        """Starts a worker, and another whenever it ends."""
        pause = FIRST_PAUSE
        restarts = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                status = await self._run_one(number, restarts, sockets, started)
            except OSError as error:  # no process, memory or descriptor is left for it
                ended = f"could not be started ({error})"
            else:
                if self._stopping.is_set():
                    return
                if not started.is_set():  # it never served: so will none
                    self._broken = abs(status) or 1
                    self._stopping.set()
                    return
                ended = f"exited with status {status}"
                if status < 0:
                    ended = f"was killed (signal {-status})"
            pause = FIRST_PAUSE if time.monotonic() - began > SOON_SECONDS else pause
            logger.error("worker {} {}; restarting in {} s", number, ended, pause)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(2 * pause, LONGEST_PAUSE)
            restarts += 1

    async def _run_one(
        self,
        number: int,
        restarts: int,
        sockets: Sequence[socket.socket],
        started: asyncio.Event,
    ) -> int:
        """Runs one worker to its end; returns its exit status."""
        mine, its = socket.socketpair()
        mine.setblocking(False)
        with mine:
            with its:
                numbers = [item.fileno() for item in (*sockets, its)]
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    env={
                        **os.environ,
                        VARIABLE: json.dumps(numbers),
                        METRICS_VARIABLE: self._metrics.name,
                        NUMBER_VARIABLE: str(number),
                        RESTARTS_VARIABLE: str(restarts),
                    },
                    pass_fds=numbers,
                    stdin=asyncio.subprocess.DEVNULL,
                )
            self._processes.add(process)
            if self._stopping.is_set():  # while it was started
                process.terminate()
            try:
                with suppress(OSError):
                    if await asyncio.get_running_loop().sock_recv(mine, 1) == READY:
                        started.set()
                        self._serving.add(process)
                return await process.wait()
            finally:
                self._forget_gauges(number)
                self._processes.discard(process)
                self._serving.discard(process)

    def _forget_gauges(self, number: int) -> None:
        """What a worker was doing is over; what it has counted stays."""
        for path in Path(self._metrics.name).glob(f"gauge_live*_{number}.db"):
            path.unlink(missing_ok=True)

    def _reload(self) -> None:
        for process in self._serving:  # one that still starts will read the file as it is now
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGHUP)

    def _pass_on(self, number: signal.Signals) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.send_signal(number)


def _check_free(port: int, host: str) -> None:
    """Makes sure that no other process listens: with SO_REUSEPORT, the kernel would let both.

    Raises:
        OSError: another process does.
    """
    if port:  # or else the system chooses one that is free
        for item in bind_sockets(port, host):
            item.close()


async def _when_all(started: Sequence[asyncio.Event], ready: Callable[[], None]) -> None:
    for event in started:
        await event.wait()
    ready()


def worker_command(path: os.PathLike[str], server: Mapping[str, object]) -> list[str]:
    """What starts a worker for a router.toml, with the options that the command line has set."""
    given = [word for name, value in server.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "tornado_router.cli", "serve", "--config", os.fspath(path)]
    return command + given
