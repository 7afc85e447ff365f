"""Several workers on one machine behind one port: started, watched, started again, and replaced.

Each worker has listening sockets of its own on the same port, among which the kernel spreads
connections (SO_REUSEPORT: https://man7.org/linux/man-pages/man7/socket.7.html). The supervisor made
them and keeps them open, so connections that wait at a worker that died are served by the next. A
worker that is replaced stops after its successor has begun to accept from the same sockets.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from loguru import logger
from tornado.netutil import bind_sockets

from tornado_router.background.supervisor import start_task
from tornado_router.config.worker_variables import (
    METRICS_VARIABLE,
    NUMBER_VARIABLE,
    RESTARTS_VARIABLE,
)
from tornado_router.runtime.worker import Worker

REPLACE = signal.SIGUSR2
"""Asks a supervisor to replace its workers, one after the other."""

SOON_SECONDS = 10.0
"""A worker that dies earlier may do so again: the next one waits."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0

GRACE_SECONDS = 20.0
"""What a worker has to stop, beyond the time that its calls have: more than it takes if the
database hangs (`server.CUT_OFF_SECONDS`, and ten seconds to close)."""

BACKLOG = 1024


@dataclass
class _Seat:
    """Where one of the workers serves, whichever process that is.

    Attributes:
        sockets: that it listens on.
        number: of the worker that serves here, or is to be started again.
        worker: the same, or the one that has ended.
        started: set once a worker has served here.
        lock: held while the worker changes.
    """

    sockets: Sequence[socket.socket]
    number: int
    worker: Worker | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


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
        self._seats: list[_Seat] = []
        for number in range(workers):
            made = bind_sockets(port, host, backlog=BACKLOG, reuse_port=True)
            port = made[0].getsockname()[1]
            self._seats.append(_Seat(made, number))
        self.port = port
        self._stop_seconds = shutdown_seconds + GRACE_SECONDS
        self._metrics = TemporaryDirectory(prefix="tornado-router-metrics-")
        self._workers: set[Worker] = set()
        self._restarts: Counter[int] = Counter()
        self._stopping = asyncio.Event()
        self._replacing: asyncio.Task[None] | None = None
        self._again = False
        self._broken: int | None = None

    async def run(self, ready: Callable[[], None]) -> int:
        """Runs the workers until SIGTERM or SIGINT.

        SIGHUP goes on to each; `REPLACE` replaces them.

        Args:
            ready: called once all of them serve.

        Returns:
            0, or the exit status of a worker that could not even start.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        loop.add_signal_handler(REPLACE, self._replace)
        tasks = [start_task(f"seat {seat.number}", self._keep(seat)) for seat in self._seats]
        started = [seat.started for seat in self._seats]
        announce = start_task("announcement", _when_all(started, ready))
        await self._stopping.wait()
        announce.cancel()
        self._pass_on(signal.SIGTERM)
        if self._replacing:
            tasks.append(self._replacing)
        _, late = await asyncio.wait(tasks, timeout=self._stop_seconds)
        if late:
            logger.warning("{} workers do not stop and are killed", len(self._workers))
            self._pass_on(signal.SIGKILL)
            await asyncio.wait(late)
        self._metrics.cleanup()
        return self._broken or 0

    async def _keep(self, seat: _Seat) -> None:
        """Starts a worker, and another whenever it ends."""
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                status = await self._employ(seat)
            except OSError as error:  # no process, memory or descriptor is left for it
                ended = f"could not be started ({error})"
            else:
                if self._stopping.is_set():
                    return
                if not seat.started.is_set():  # it never served: so will none
                    self._broken = abs(status) or 1
                    self._stopping.set()
                    return
                ended = f"exited with status {status}"
                if status < 0:
                    ended = f"was killed (signal {-status})"
            pause = FIRST_PAUSE if time.monotonic() - began > SOON_SECONDS else pause
            logger.error("worker {} {}; restarting in {} s", seat.number, ended, pause)
            self._restarts[seat.number] += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _employ(self, seat: _Seat) -> int:
        """Has a worker serve, and those that replace it; returns the exit status of the last.

        Raises:
            OSError: none could be started.
        """
        async with seat.lock:
            worker = seat.worker
            if worker is None or worker.ended.done():  # no other has been put here meanwhile
                worker = seat.worker = await self._start(seat, seat.number)
        while True:
            if await worker.serving:
                seat.started.set()
            status = await worker.ended
            if seat.worker is None or seat.worker is worker:
                return status
            worker = seat.worker

    async def _start(self, seat: _Seat, number: int) -> Worker:
        worker = await Worker.start(
            self._command,
            number,
            seat.sockets,
            {
                METRICS_VARIABLE: self._metrics.name,
                NUMBER_VARIABLE: str(number),
                RESTARTS_VARIABLE: str(self._restarts[number]),
            },
        )
        self._workers.add(worker)
        worker.ended.add_done_callback(lambda _: self._forget(worker))
        if self._stopping.is_set():  # while it was started
            worker.send(signal.SIGTERM)
        return worker

    def _forget(self, worker: Worker) -> None:
        """What a worker was doing is over; what it has counted stays."""
        self._workers.discard(worker)
        for path in Path(self._metrics.name).glob(f"gauge_live*_{worker.number}.db"):
            path.unlink(missing_ok=True)

    def _replace(self) -> None:
        """Begins to replace the workers, or to do so again after those that are being replaced."""
        self._again = True
        if self._replacing is None or self._replacing.done():
            self._replacing = start_task("replacement", self._replace_all())

    async def _replace_all(self) -> None:
        while self._again:
            self._again = False
            for seat in self._seats:
                if not await self._replace_one(seat):
                    return
            logger.info("all workers are replaced")

    async def _replace_one(self, seat: _Seat) -> bool:
        """Starts a worker beside the one of a seat, and stops that once the other serves.

        Returns:
            Whether it serves; if not, the one before stays.
        """
        try:
            successor = await self._start(seat, self._free_number())
        except OSError as error:
            logger.error("the workers are not replaced: none could be started ({})", error)
            return False
        if not await successor.serving:
            if not self._stopping.is_set():
                status = await successor.ended
                logger.error("the workers are not replaced: a new one ended with {}", status)
            return False
        async with seat.lock:
            before, seat.worker, seat.number = seat.worker, successor, successor.number
        if before:
            logger.info("worker {} replaces worker {}", successor.number, before.number)
            await self._retire(before)
        return not self._stopping.is_set()

    async def _retire(self, worker: Worker) -> None:
        """Stops a worker, whose calls have their time to end."""
        worker.send(signal.SIGTERM)
        _, late = await asyncio.wait([worker.ended], timeout=self._stop_seconds)
        if late:
            logger.warning("worker {} does not stop and is killed", worker.number)
            worker.send(signal.SIGKILL)
            await worker.ended

    def _free_number(self) -> int:
        """The least that no worker has: two would count in the same files."""
        used = {seat.number for seat in self._seats} | {item.number for item in self._workers}
        return next(number for number in itertools.count() if number not in used)

    def _reload(self) -> None:
        for worker in self._workers:
            if worker.serving.done():  # one that still starts will read the file as it is now
                worker.send(signal.SIGHUP)

    def _pass_on(self, number: signal.Signals) -> None:
        for worker in self._workers:
            worker.send(number)


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
