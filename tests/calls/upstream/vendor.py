"""A vendor on a real socket that plays scripts, and the connections to it."""

import asyncio
from contextlib import asynccontextmanager

from tornado_router.background.held_memory import HeldMemory
from tornado_router.calls.upstream import open_upstream
from tornado_router.config.options import ProviderOptions
from tornado_router.provider import UpstreamRequest

HTTP_CLIENT = "llhttp"
"""Which client `provider_options` chooses; tests set it by the fixture `each_client`."""

SHORT = 0.05
WHOLE = b"HTTP/1.1 200 OK\r\nX-Kind: Whole\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def piece(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Vendor:
    """Plays one script for each request: bytes are sent, an event is waited for."""

    def __init__(self, *scripts):
        self.scripts = list(scripts)
        self.connections = 0
        self.requests = []
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()

    async def handle(self, reader, writer):
        self.connections += 1
        loop = asyncio.get_running_loop()
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head + await reader.readexactly(length(head)))
                self.asked.set()
                for item in self.scripts.pop(0):
                    if item is None:
                        return
                    if isinstance(item, bytes):
                        writer.write(item)
                        await writer.drain()
                        continue
                    hangs_up = loop.create_task(reader.read(1))
                    goes_on = loop.create_task(item.wait())
                    waits = {hangs_up, goes_on}
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                    is_cut = not goes_on.done()
                    for wait in waits:
                        wait.cancel()
                    await asyncio.gather(*waits, return_exceptions=True)
                    if is_cut:
                        return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.gone.set()
            writer.close()


def length(head):
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


@asynccontextmanager
async def serving(vendor, *, tls=None, memory=None, **options):
    """A vendor that listens, and the connections to it."""
    running = set()

    async def handle(reader, writer):
        running.add(asyncio.current_task())
        await vendor.handle(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    client = open_upstream("acme", provider_options(**options), memory or room())
    try:
        yield client, f"http{'s' if tls else ''}://localhost:{port}/v1"
    finally:
        await client.close()
        server.close()
        if running:  # each sees that its client is gone
            await asyncio.wait(running, timeout=30)
        await asyncio.sleep(0)


def provider_options(**options):
    return ProviderOptions(type="t", http_client=HTTP_CLIENT, **options)


def post(url, body=b"{}", **headers):
    return UpstreamRequest(url, body, {"Content-Type": "application/json", **headers})


def room(limit=2**27):
    """Memory for bodies."""
    return HeldMemory(limit)


def never():
    return asyncio.Event()
