"""A server that starts, and that stops without breaking off what runs."""

import asyncio
from contextlib import closing, suppress

import aiohttp
import orjson
import pytest

from tornado_router.accounts import keys, registration
from tornado_router.http import client_bounds
from tornado_router.http.llhttp import lingering
from tornado_router.provider import Provider
from tornado_router.runtime.loaded_config import load_config
from tornado_router.runtime.router_process import RouterProcess
from tornado_router.runtime.server import DRAIN_SECONDS, Server
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import UsageLog

from ..support import DEADLINE

ECHO = '[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n'
CHUNK = {"id": "c", "choices": [{"index": 0, "delta": {"content": "x" * 40}}]}
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "Hello out there"}]}


@pytest.fixture
def read(tmp_path):
    def read(text, **environ):
        (tmp_path / "router.toml").write_text(text)
        return load_config(tmp_path / "router.toml", environ)

    return read


class World:
    """A served deployment, and a client of it."""

    def __init__(self, loaded, storage):
        self.router = RouterProcess(loaded, storage)
        self.server = Server(self.router)
        self.storage = storage
        self.key = storage.call(
            lambda: keys.create_key(registration.create_administrator(), "test")
        )

    async def start(self):
        self.port = await self.server.start()
        return self

    def provide(self, **methods):
        """Puts another provider behind the model `echo`."""
        made = type("Other", (Provider,), {"capabilities": {"chat.completions": ()}, **methods})
        object.__setattr__(
            self.router.services.serving.providers["echo"], "provider", made("e", {})
        )

    async def open(self, *, stream=True):
        """A connection on which a call was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self.request(stream=stream))
        return reader, writer

    def request(self, *, stream=False):
        body = orjson.dumps({**HELLO, "stream": stream})
        return (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (self.key.encode(), len(body), body)
        )

    async def open_slowly(self, sent):
        """A connection on which only so many bytes of a request were sent, and a stop that waits.

        Returns:
            Its two ends, and the task of the stop.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self.request()[:sent])
        bounds = self.router.services.bounds
        async with asyncio.timeout(DEADLINE):
            # Until its head is here
            while not bounds.connections or (sent and bounds._idle):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        stopped = asyncio.get_running_loop().create_task(self.server.stop())
        return reader, writer, stopped

    async def post(self, data, **headers):
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"http://127.0.0.1:{self.port}/v1/chat/completions",
                data=data,
                headers={
                    "Authorization": f"Bearer {self.key}",
                    "Content-Type": "application/json",
                    **headers,
                },
            ) as response,
        ):
            return response.status, orjson.loads(await response.read())


@pytest.fixture
def serve(read, place):
    """Runs a coroutine with a served deployment."""

    def serve(story, text=""):
        loaded = read("[server]\nport = 0\n" + text + "\n" + ECHO)

        async def main():
            return await story(await World(loaded, Storage(place.location)).start())

        return asyncio.run(main())

    return serve


@pytest.fixture
def rows(place):
    def rows():
        storage = Storage(place.location)
        with closing(storage):
            return storage.call(lambda: list(UsageLog.select().dicts()))

    return rows


class TestServer:
    def test_serves_and_writes_everything_before_it_is_gone(self, serve, rows):
        async def story(world):
            status, _ = await world.post(orjson.dumps(HELLO))
            await world.server.stop()
            return status

        assert serve(story) == 200
        assert [row["status"] for row in rows()] == [200]

    def test_a_stop_lets_calls_end(self, serve, rows):
        async def story(world):
            began, go = asyncio.Event(), asyncio.Event()

            async def send(self, call, http):
                began.set()
                await go.wait()
                return {"choices": [{"index": 0}]}

            world.provide(send=send)
            loop = asyncio.get_running_loop()
            asked = loop.create_task(world.post(orjson.dumps(HELLO)))
            await began.wait()
            stopped = loop.create_task(world.server.stop())
            await asyncio.sleep(0)
            assert world.router.services.requests.stopping
            with pytest.raises(aiohttp.ClientConnectorError):
                await world.post(b"{}")
            assert not stopped.done()
            go.set()
            await stopped
            return await asked

        assert serve(story)[0] == 200
        assert [row["status"] for row in rows()] == [200]

    def test_but_not_for_ever(self, serve, rows):
        async def story(world):
            began = asyncio.Event()

            async def send(self, call, http):
                began.set()
                await asyncio.Event().wait()

            world.provide(send=send)
            asked = asyncio.get_running_loop().create_task(world.post(orjson.dumps(HELLO)))
            await began.wait()
            await world.server.stop()
            return await asyncio.gather(asked, return_exceptions=True)

        ((status, body),) = serve(story, "shutdown_seconds = 0.05")
        assert (status, body["error"]["type"], body["error"]["code"]) == (
            503,
            "server_error",
            "stopped",
        )
        (row,) = rows()
        assert (row["status"], row["error_code"]) == (503, "stopped")
        assert row["prompt_tokens"] > 0

    @pytest.mark.parametrize("sent", [0, -10])
    def test_a_stop_lets_requests_come_in_that_are_on_their_way(
        self, serve, rows, sent, monkeypatch
    ):
        monkeypatch.setattr(client_bounds, "FIRST_SECONDS", DEADLINE)

        async def story(world):
            reader, writer, stopped = await world.open_slowly(sent)
            await asyncio.wait([stopped], timeout=6 * DRAIN_SECONDS)
            assert not stopped.done()
            writer.write(world.request()[sent:])
            with closing(writer):
                head = await reader.readuntil(b"\r\n\r\n")
                await stopped
            return head

        head = serve(story)
        assert head.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in head.lower()
        assert [row["status"] for row in rows()] == [200]

    def test_but_not_for_ever_either(self, serve, rows):
        async def story(world):
            reader, writer, stopped = await world.open_slowly(-10)
            await stopped
            with closing(writer), suppress(ConnectionError):
                return await reader.read()

        assert not serve(story, "shutdown_seconds = 0.3")
        assert rows() == []

    def test_a_stop_does_not_wait_for_a_connection_that_may_never_be_used(self, serve, monkeypatch):
        monkeypatch.setattr(client_bounds, "FIRST_SECONDS", 0.0)

        async def story(world):
            _, writer, stopped = await world.open_slowly(0)
            with closing(writer):
                async with asyncio.timeout(DEADLINE):
                    await stopped

        serve(story, "shutdown_seconds = 1000")

    @pytest.mark.parametrize("http", ["llhttp", "tornado"])
    @pytest.mark.parametrize(
        "broken",
        [
            b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nX y\r\n\r\n",
            b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n?\r\n",
        ],
        ids=["head", "chunk"],
    )
    def test_nor_for_one_that_was_refused_while_it_sent(self, serve, monkeypatch, http, broken):
        monkeypatch.setattr(lingering, "LINGER_SECONDS", 10 * DEADLINE)
        monkeypatch.setattr(client_bounds, "FIRST_SECONDS", 10 * DEADLINE)

        async def story(world):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(broken)
            with closing(writer):
                async with asyncio.timeout(DEADLINE):
                    await reader.readuntil(b"\r\n\r\n")
                    await world.server.stop()

        serve(story, f'http = "{http}"\nshutdown_seconds = 1000')

    def test_a_stream_that_a_stop_cuts_off_says_so(self, serve, rows):
        async def story(world):
            began = asyncio.Event()

            async def stream(self, call, http):
                yield [CHUNK]
                began.set()
                await asyncio.Event().wait()

            world.provide(stream=stream)
            reader, writer = await world.open()
            await began.wait()
            await world.server.stop()
            received = await reader.read()
            writer.close()
            return received

        received = serve(story, "shutdown_seconds = 0.05")
        assert received.endswith(b"\r\n0\r\n\r\n")  # whole, as HTTP sees it
        assert b"event: error\ndata: " in received
        assert b'"code":"stopped"' in received
        assert b"[DONE]" not in received
        (row,) = rows()
        assert (row["status"], row["error_code"]) == (503, "stopped")
        assert row["completion_tokens"] == 10

    @pytest.mark.parametrize("streams", [False, True])
    def test_who_does_not_read_does_not_hold_up_a_stop(self, serve, rows, streams):
        async def story(world):
            large = {"index": 0, "message": {"content": "x" * 2**25}}

            async def send(self, call, http):
                return {"choices": [large]}

            async def stream(self, call, http):
                while True:
                    yield [{"id": "c", "choices": [{"index": 0, "delta": large["message"]}]}]

            world.provide(send=send, stream=stream)
            reader, writer = await world.open(stream=streams)
            await reader.readline()
            async with asyncio.timeout(20):
                await world.server.stop()
            writer.transport.abort()

        serve(story, "shutdown_seconds = 0.05")
        assert [row["error_code"] for row in rows()] == ["stopped" if streams else None]
