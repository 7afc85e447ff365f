"""Makes connections: looks names up, tries the addresses side by side, and checks certificates."""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import Callable, Sequence

import aiohappyeyeballs
from aiohappyeyeballs import AddrInfoType

from tornado_router.background.open_files import FREED_SECONDS, may_open
from tornado_router.background.supervisor import child_task
from tornado_router.calls.upstream.bounds import RECEIVE_BUFFER, bound
from tornado_router.calls.upstream.failures import UnreachableError
from tornado_router.calls.upstream.request_head import Origin

NAME_SECONDS = 10.0
"""For so long a name's addresses are used before it is looked up again."""

NEXT_ADDRESS_SECONDS = 0.25
"""If an address has not responded by then, the next is tried beside it (RFC 8305 section 5)."""


@functools.cache
def trusted() -> ssl.SSLContext:
    """TLS as the system trusts it, or `SSL_CERT_FILE`. Reads files."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Names:
    """The addresses of hosts, each looked up by one request at a time for all that wait for it."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], tuple[float, list[AddrInfoType]]] = {}
        self._running: dict[tuple[str, int], asyncio.Task[list[AddrInfoType]]] = {}

    async def find(self, host: str, port: int) -> Sequence[AddrInfoType]:
        """The addresses of a host; each time another one is first, so that all get their share.

        Raises:
            OSError: it has none.
        """
        key, loop = (host, port), asyncio.get_running_loop()
        until, addresses = self._found.get(key, (0.0, []))
        if loop.time() >= until:
            task = self._running.get(key)
            if task is None:
                task = child_task(f"look up {host}", self._look_up(host, port))
                self._running[key] = task
                task.add_done_callback(lambda done: self._end(key, done))
            addresses = await asyncio.shield(task)
        used = list(addresses)
        addresses.append(addresses.pop(0))
        return used

    def forget(self, host: str, port: int) -> None:
        """Looks a host up anew the next time: none of its addresses responds."""
        self._found.pop((host, port), None)

    async def close(self) -> None:
        """Ends what is being looked up."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, key: tuple[str, int], task: asyncio.Task[list[AddrInfoType]]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # those that wait for it report it; there may be none any more

    async def _look_up(self, host: str, port: int) -> list[AddrInfoType]:
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        if not addresses:
            raise OSError(f"{host} has no address")
        now = loop.time()
        self._found = {key: kept for key, kept in self._found.items() if kept[0] > now}
        self._found[host, port] = (now + NAME_SECONDS, list(addresses))
        return self._found[host, port][1]


class Connector:
    """Makes connections."""

    def __init__(self) -> None:
        self._names = Names()

    async def connect(self, origin: Origin, make: Callable[[], asyncio.BaseProtocol]) -> None:
        """Makes a connection, which its protocol gets by `connection_made`.

        Args:
            origin: where it leads.
            make: its protocol.

        Raises:
            UnreachableError: no address of the host takes it.
            ssl.SSLError: the host cannot prove that it is the one, or speaks no TLS.
        """
        loop = asyncio.get_running_loop()
        context = await asyncio.to_thread(trusted) if origin.tls else None
        try:
            made = await self._reach(origin)
            bound(made, RECEIVE_BUFFER)
            try:
                await loop.create_connection(
                    make,
                    sock=made,
                    ssl=context,
                    server_hostname=origin.host.rstrip(".") if context else None,
                )
            except BaseException:
                made.close()  # unless the loop has taken it, which closes it then
                raise
        except ssl.SSLError:
            raise
        except OSError as error:
            self._names.forget(origin.host, origin.port)
            raise UnreachableError(error.errno, error.strerror or str(error)) from None

    async def close(self) -> None:
        """Ends what is being looked up."""
        await self._names.close()

    async def _reach(self, origin: Origin) -> socket.socket:
        """A socket that is connected to a host.

        A process without descriptors waits for one: clients that are idle make room meanwhile, and
        it says nothing of the vendor.

        Raises:
            OSError: the host has no address, or none of them takes it.
        """
        while True:
            try:
                addresses = await self._names.find(origin.host, origin.port)
                return await aiohappyeyeballs.start_connection(
                    addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, interleave=1
                )
            except OSError:  # without descriptors, also a name is not found
                if may_open():
                    raise
            await asyncio.sleep(FREED_SECONDS)
