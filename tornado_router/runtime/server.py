"""Serves one process of the router: listens, and stops without breaking off what runs."""

from __future__ import annotations

import asyncio
import socket
import time

from loguru import logger
from tornado.netutil import bind_sockets

from tornado_router.background.supervisor import repeat
from tornado_router.http.body_limit import DISCARDED_BODIES
from tornado_router.http.fronts import make_front
from tornado_router.observability.loop_watchdog import LoopWatchdog
from tornado_router.runtime.router_process import RouterProcess

DRAIN_SECONDS = 0.1
"""For this long a stop listens on idle connections: a client that sends a request gets a response
that closes the connection, instead of finding it closed."""

MEASURE_SECONDS = 1.0

NOTICE_SECONDS = 1.0
"""For this long a stop waits until clients have received the error of calls that are cut off."""

CUT_OFF_SECONDS = 5
"""For this long a stop waits until the requests that it cut off have accounted for themselves."""

SILENCE_SECONDS = 0.5
"""How often streams are looked at for silence, which keeps its bounds as exactly as this."""


class Server:
    """The listening server of one process.

    Args:
        router: what to serve.
    """

    def __init__(self, router: RouterProcess) -> None:
        self._router = router
        self._options = router.loaded.config.server
        self._requests = router.services.requests
        self._bounds = router.services.bounds
        self._front = make_front(
            router.application, self._bounds, self._options, DISCARDED_BODIES, router.tls
        )

    async def start(self, sockets: list[socket.socket] | None = None) -> int:
        """Begins to listen; returns the port.

        Args:
            sockets: to listen on; None for those of the configured address.

        Raises:
            OSError: the address cannot be listened on.
        """
        if sockets is None:
            sockets = bind_sockets(self._options.port, self._options.host, backlog=1024)
        await self._front.listen(sockets)
        self._bounds.start()
        plugins = self._router.services.process.plugins.found
        self._watchdog = LoopWatchdog({plugin.package: plugin.label for plugin in plugins})
        self._router.services.process.watchdog = self._watchdog
        self._measure()
        self._silence = repeat("silent streams", SILENCE_SECONDS, self._requests.look_after)
        self._measurements = repeat("measurements", MEASURE_SECONDS, self._measure)
        return int(sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stops listening, lets requests end up to the configured time, and closes.

        Those on their way here are let in. Calls that take longer are cut off, and their clients
        get an error.
        """
        requests = self._requests
        requests.stopping = True
        self._front.stop_listening()
        if requests.count:
            logger.info("stopping; requests in progress: {}", requests.count)
        drained = await self._drain(self._options.shutdown_seconds)
        # At once, before another request begins on a connection: it would be cut off half-way.
        requests.cutting_off = True
        if not drained:
            count = requests.count + self._bounds.arriving
            logger.warning("stopping; requests cut off: {}", count)
            requests.cut_off()
            await self._drain(NOTICE_SECONDS)
        await self._front.close()
        await requests.finished(CUT_OFF_SECONDS)
        self._measurements.cancel()
        self._silence.cancel()
        self._watchdog.close()
        self._bounds.close()
        await self._router.close()

    def _measure(self) -> None:
        """Updates the metrics of this process every second, for other workers that are scraped."""
        self._router.recorder.tidy()
        stored = self._router.services.serving.gateway.stored
        stored.tidy()
        self._router.services.serving.passed.resources.tidy()
        self._router.services.background.look_after(stored)
        self._router.services.process.measure()

    async def _drain(self, seconds: float) -> bool:
        """Waits until no request runs or arrives, and no response is unsent.

        Returns:
            False if it takes longer than so many seconds.
        """
        requests, bounds, connections = self._requests, self._bounds, self._bounds.connections
        deadline = time.monotonic() + seconds
        while await requests.finished(deadline - time.monotonic()):
            await asyncio.sleep(DRAIN_SECONDS if connections else 0)
            if not (requests.count or bounds.arriving or any(item.unsent for item in connections)):
                return True
            if time.monotonic() >= deadline:  # `finished` ignores it if nothing runs
                break
        return False
