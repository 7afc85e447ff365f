"""Bounds what clients hold of a process: connections, calls, and time without progress."""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator

from loguru import logger

from tornado_router.accounts.throttle import network_of
from tornado_router.background.supervisor import repeat
from tornado_router.config.options import ServerOptions
from tornado_router.error_codes import Refusal
from tornado_router.http.client_address import is_trusted
from tornado_router.http.connection import ClientConnection

SWEEP_SECONDS = 1.0

PROGRESS_BYTES = 16 * 1024
"""A client that takes less of a response in `stalled_seconds`, while more waits, is stalled."""

FIRST_SECONDS = 2.0
"""A client that has just connected sends a request, and for so long a stop waits for it: TLS takes
some trips first. A connection that was opened ahead of time may never be used."""

LOOKED_AT = 100
"""So many idle connections at most are looked at for one whose response was read."""

FREED = 16
"""So many idle connections are closed when the process has no more descriptors: calls need some,
too, and the ledger."""

REST_SECONDS = 0.1
"""A connection that is idle for less may have a request that is not read yet, so it is not closed
for the want of a descriptor: its client would see a reset in place of a response."""

LINE_SECONDS = 60.0
"""A line in the log that clients can cause is written once in so many seconds."""


class _Watched:
    """What is known of one connection.

    Attributes:
        network: whose connections are counted together; empty for a trusted proxy.
        receiving_since: when the head or the body of a request began to be due, or None.
        blocked_since: when the client last took something while more waited, or None.
        taken: what it had taken by then.
        is_quiet: whether nothing is due, in either direction, before the next request.
    """

    __slots__ = ("blocked_since", "is_quiet", "network", "receiving_since", "taken")

    def __init__(self, network: str, now: float) -> None:
        self.network = network
        self.receiving_since: float | None = now
        self.blocked_since: float | None = None
        self.taken = 0
        self.is_quiet = False


class ClientBounds:
    """Refuses connections and calls beyond a number, and closes connections without progress.

    One sweep a second looks at all connections: a timer for each would cost every request.

    Args:
        options: `[server]`.

    Attributes:
        calls: that run now.
        max_calls: the most that may.
        max_connections: the most that may be open; the process may have too few descriptors for as
            many as are configured.
        refused: connections that were refused so far.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.max_calls = options.max_calls
        self.max_connections = options.max_connections
        self._max_per_address = options.max_connections_per_address
        self._trusted = options.trusted_proxies
        self._receive_seconds = options.body_seconds
        self._stalled_seconds = options.stalled_seconds
        self._idle_seconds = options.idle_seconds
        self._watched: dict[ClientConnection, _Watched] = {}
        self._idle: OrderedDict[ClientConnection, float] = OrderedDict()
        self._networks: dict[str, dict[ClientConnection, None]] = {}
        self._sweeps: repeat | None = None
        self._refused_before = 0
        self._crowded = 0
        self._no_files_logged = -LINE_SECONDS
        self.calls = 0
        self.refused = 0

    def start(self) -> None:
        """Begins to sweep, on the running event loop."""
        self._sweeps = repeat("client bounds", SWEEP_SECONDS, self.sweep)

    def close(self) -> None:
        """Stops sweeping."""
        if self._sweeps:
            self._sweeps.cancel()

    @property
    def connections(self) -> Collection[ClientConnection]:
        """Those that are open."""
        return self._watched.keys()

    @property
    def arriving(self) -> int:
        """Connections with a request that is on its way, or may be for all that is known."""
        recent = time.monotonic() - FIRST_SECONDS
        return sum(
            watched.receiving_since is not None
            and (connection not in self._idle or watched.receiving_since >= recent)
            for connection, watched in self._watched.items()
        )

    def opened(self, connection: ClientConnection) -> bool:
        """A client has connected; its TLS handshake and its first request are still to come.

        At a limit, the connection that has been idle for longest makes room; without an idle one,
        the new connection is refused (False).
        """
        network = "" if is_trusted(connection.peer, self._trusted) else network_of(connection.peer)
        if not self._has_room(network):
            self.refused += 1
            return False
        now = time.monotonic()
        self._watched[connection] = _Watched(network, now)
        self._idle[connection] = now
        if network:
            self._networks.setdefault(network, {})[connection] = None
        return True

    def closed(self, connection: ClientConnection) -> None:
        """The connection is closed."""
        watched = self._watched.pop(connection, None)
        self._idle.pop(connection, None)
        if watched and watched.network:
            same = self._networks[watched.network]
            del same[connection]
            if not same:
                del self._networks[watched.network]

    def exhausted(self) -> None:
        """A client could not be let in, as the process has no more descriptors."""
        now = time.monotonic()
        closed = sum(self._close_idle(self._rested(now)) for _ in range(FREED))
        if now - self._no_files_logged >= LINE_SECONDS:
            self._no_files_logged = now
            logger.error(
                "no more open files are allowed (ulimit -n), so clients have to wait; idle "
                "connections closed: {}",
                closed,
            )

    def receiving(self, connection: ClientConnection) -> None:
        """The head of a request is here; its body may still come."""
        watched = self._watched.get(connection)
        if watched:  # it may be closed by now, here as below
            watched.receiving_since = time.monotonic()
            watched.is_quiet = False
            self._idle.pop(connection, None)

    def received(self, connection: ClientConnection) -> None:
        """The whole request is here."""
        watched = self._watched.get(connection)
        if watched:
            watched.receiving_since = None

    def responded(self, connection: ClientConnection) -> None:
        """The response is written, though the client may not have read it."""
        if connection in self._watched:
            self._idle[connection] = time.monotonic()

    def ended(self, connection: ClientConnection) -> None:
        """Nothing more is read of it: it gives way to others, and no stop waits for it."""
        self.received(connection)
        self.responded(connection)

    def begin_call(self) -> None:
        """Lets a call begin; it has to be ended.

        Raises:
            ApiError: 503, there are too many.
        """
        if self.calls >= self.max_calls:
            raise Refusal.overloaded()
        self.calls += 1

    def end_call(self) -> None:
        """A call that began is over."""
        self.calls -= 1

    def sweep(self) -> None:
        """Closes connections whose clients neither send nor read in time."""
        now = time.monotonic()
        for connection in self._idle_too_long(now):
            connection.abort()
        for connection, watched in [it for it in self._watched.items() if not it[1].is_quiet]:
            since = watched.receiving_since
            if since is not None and now - since > self._receive_seconds:
                _abort(connection, "no complete request within body_seconds")
            elif self._is_stalled(connection, watched, now):
                _abort(connection, "response not read within stalled_seconds")
            elif since is None and connection in self._idle:
                watched.is_quiet = watched.blocked_since is None  # nothing is unsent
        self._log_refused()

    def _idle_too_long(self, now: float) -> list[ClientConnection]:
        """Those that wait for a further request for too long; none whose response is not read."""
        too_long = itertools.takewhile(
            lambda item: now - item[1] > self._idle_seconds, self._idle.items()
        )
        return [connection for connection, _ in too_long if not connection.unsent]

    def _rested(self, now: float) -> Iterator[ClientConnection]:
        """Those that are idle for longer than it takes to read what has come of a request."""
        items = self._idle.items()
        return (
            it for it, since in itertools.takewhile(lambda it: now - it[1] >= REST_SECONDS, items)
        )

    def _log_refused(self) -> None:
        count = self.refused - self._refused_before - self._crowded
        if count:
            logger.warning("connections refused, as max_connections are open and in use: {}", count)
        if self._crowded:
            logger.warning(
                "connections refused, as their address has max_connections_per_address open and in "
                "use: {} (is it a proxy? trusted_proxies have no such limit)",
                self._crowded,
            )
        self._refused_before, self._crowded = self.refused, 0

    def _has_room(self, network: str) -> bool:
        same = self._networks.get(network, {})
        if len(same) >= self._max_per_address and not self._close_idle(
            [item for item in same if item in self._idle]
        ):
            self._crowded += 1
            return False
        return len(self._watched) < self.max_connections or self._close_idle(self._idle)

    def _close_idle(self, idle: Iterable[ClientConnection]) -> bool:
        """Closes the first of some idle connections whose response was read, if there is one."""
        for connection in itertools.islice(idle, LOOKED_AT):
            if not connection.unsent:
                self.closed(connection)
                connection.abort()
                return True
        return False

    def _is_stalled(self, connection: ClientConnection, watched: _Watched, now: float) -> bool:
        if not connection.unsent:
            watched.blocked_since = None
            return False
        taken = connection.taken
        if watched.blocked_since is None or taken - watched.taken >= PROGRESS_BYTES:
            watched.blocked_since, watched.taken = now, taken
            return False
        return now - watched.blocked_since > self._stalled_seconds


def _abort(connection: ClientConnection, why: str) -> None:
    logger.info("closed connection from {}: {}", connection.peer, why)
    connection.abort()
