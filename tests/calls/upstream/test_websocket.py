"""Websockets to a vendor: against Tornado's server, and one that breaks the rules."""

import asyncio
import base64
import hashlib
from contextlib import asynccontextmanager

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from tornado_router.calls.upstream import open_upstream
from tornado_router.calls.upstream import websocket as module
from tornado_router.errors import ProviderError
from tornado_router.provider import UpstreamRequest

from .vendor import provider_options, room

pytestmark = pytest.mark.usefixtures("each_client")

SHORT = 0.05


class Vendor(WebSocketHandler):
    """Does what each message asks for."""

    opened = None
    closed = None

    def initialize(self, seen):
        self.seen = seen

    def select_subprotocol(self, subprotocols):
        self.seen["offered"] = subprotocols
        return "realtime" if "realtime" in subprotocols else None

    def open(self):
        self.seen["headers"] = dict(self.request.headers)
        self.set_nodelay(True)

    async def on_message(self, message):
        self.seen.setdefault("messages", []).append(message)
        match message:
            case "close":
                self.close(1000, "Bye.")
            case "fail":
                self.close(4000, "Quota.")
            case "break":
                self.stream.close()
            case "ping":
                self.ping(b"are you there")
            case "flood":
                try:
                    for number in range(400):
                        await self.write_message(bytes(65536), binary=True)
                        self.seen["flooded"] = number + 1
                except WebSocketClosedError:
                    pass
            case _:
                await self.write_message(message, binary=isinstance(message, bytes))

    def on_pong(self, data):
        self.write_message(f"pong {data.decode()}")

    def on_ping(self, data):
        self.seen["pinged"] = self.seen.get("pinged", 0) + 1

    def on_close(self):
        self.seen["code"] = self.close_code
        self.seen["gone"].set()


class Refusing(RequestHandler):
    def get(self, status):
        self.set_header("Retry-After", "7")
        if status == "302":
            self.set_header("Location", "/socket")
        self.set_status(int(status))
        self.finish("{}")


@asynccontextmanager
async def serving(**options):
    """A vendor, the connections to it, its address, and what it has seen."""
    seen = {"gone": asyncio.Event()}
    app = Application([(r"/socket", Vendor, {"seen": seen}), (r"/status/(\d+)", Refusing)])
    server = HTTPServer(app)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    client = open_upstream("acme", provider_options(**options), room())
    try:
        yield client, f"ws://127.0.0.1:{sockets[0].getsockname()[1]}", seen
    finally:
        await client.close()
        server.stop()
        await server.close_all_connections()


def talk(story, *, path="/socket", protocols=(), **options):
    """What comes of one websocket, and what the vendor has seen."""

    async def main():
        async with asyncio.timeout(60), serving(**options) as (client, url, seen):
            request = UpstreamRequest(url + path, b"", {"Authorization": "Bearer k"})
            try:
                async with client.connect(request, protocols) as socket:
                    result = await story(socket)
            except ProviderError as error:
                result = error
            if path == "/socket":
                await seen["gone"].wait()
            return result, seen

    return asyncio.run(main())


async def nothing(socket):
    pass


async def opened(client, url):
    async with client.connect(UpstreamRequest(url, b"", {})):
        pass


class TestOpening:
    def test_the_handshake_carries_the_headers(self):
        _, seen = talk(nothing)
        assert seen["headers"]["Authorization"] == "Bearer k"
        assert seen["headers"]["User-Agent"].startswith("tornado-router/")

    def test_a_subprotocol_is_agreed_on(self):
        async def story(socket):
            return socket.protocol, socket.headers["sec-websocket-protocol"]

        result, seen = talk(story, protocols=("openai-insecure", "realtime"))
        assert result == ("realtime", "realtime")
        assert seen["offered"] == ["openai-insecure", "realtime"]

    @pytest.mark.parametrize(
        ("status", "retryable"), [(401, True), (429, True), (400, False), (500, True), (302, True)]
    )
    def test_a_vendor_that_refuses_says_so_by_its_status(self, status, retryable):
        """A redirect is a refusal, too: the key goes to no host that nobody configured."""
        error, _ = talk(nothing, path=f"/status/{status}")
        assert (error.status, error.retryable) == (status, retryable)
        assert error.message == f"The provider 'acme' refused a websocket with status {status}."
        assert error.headers == {"Retry-After": "7"}

    def test_a_response_that_is_no_websocket_is_a_bad_one(self):
        error, _ = talk(nothing, path="/status/200")
        assert (error.status, error.code) == (502, "bad_provider_answer")

    def test_nobody_listens(self, closed_port):
        async def main():
            client = open_upstream("acme", provider_options(), room())
            request = UpstreamRequest(f"ws://127.0.0.1:{closed_port}", b"", {})
            try:
                async with client.connect(request):
                    pass
            finally:
                await client.close()

        with pytest.raises(ProviderError, match="cannot be reached") as caught:
            asyncio.run(main())
        assert (caught.value.status, caught.value.code) == (502, "connection_error")

    def test_a_handshake_that_takes_too_long(self):
        error = raw(opened, b"", accept=False, first_byte_timeout=SHORT)
        assert (error.status, error.code) == (504, "timeout")
        assert error.message == "The provider 'acme' did not respond in time."

    def test_connections_are_counted_with_the_others(self):
        async def main():
            async with serving() as (client, url, _):
                async with client.connect(UpstreamRequest(f"{url}/socket", b"", {})):
                    during = client.pool.in_use
                return during, client.pool.in_use

        assert asyncio.run(main()) == (1, 0)


class TestMessages:
    def test_texts_and_bytes_go_both_ways(self):
        async def story(socket):
            received = []
            for message in ("é世界", b"\x00\xff", "", b""):
                await socket.send(message)
                received.append(await socket.receive())
            return received

        assert talk(story)[0] == ["é世界", b"\x00\xff", "", b""]

    def test_a_large_message(self):
        async def story(socket):
            await socket.send(bytes(3_000_000))
            return len(await socket.receive())

        assert talk(story)[0] == 3_000_000

    def test_messages_can_be_read_one_after_the_other_until_the_end(self):
        async def story(socket):
            for message in ("a", "b", "close"):
                await socket.send(message)
            return [message async for message in socket]

        assert talk(story)[0] == ["a", "b"]

    def test_one_side_may_send_while_the_other_receives(self):
        async def story(socket):
            waiting = asyncio.get_running_loop().create_task(socket.receive())
            await asyncio.sleep(0)
            await socket.send("hello")
            return await waiting

        assert talk(story)[0] == "hello"

    def test_a_message_that_is_too_large_is_refused(self, monkeypatch):
        monkeypatch.setattr(module, "MAX_EVENT_BYTES", 1000)

        async def story(socket):
            await socket.send(bytes(1001))
            await socket.receive()

        error, seen = talk(story)
        assert (error.status, error.code) == (502, "bad_provider_answer")
        assert seen["code"] == 1009

    def test_a_vendor_is_read_no_faster_than_its_messages_are_fetched(self):
        async def main():
            async with asyncio.timeout(60), serving() as (client, url, seen):
                async with client.connect(UpstreamRequest(f"{url}/socket", b"", {})) as socket:
                    await socket.send("flood")
                    await socket.receive()
                    before = -1
                    while before != seen.get("flooded"):  # until the vendor is stuck
                        before = seen.get("flooded")
                        await asyncio.sleep(0.2)
                    stuck = seen["flooded"]
                    for _ in range(399):
                        await socket.receive()
                return stuck, seen["flooded"]

        stuck, total = asyncio.run(main())
        assert stuck < 200
        assert total == 400


class TestLife:
    def test_pings_of_the_vendor_are_met(self):
        async def story(socket):
            await socket.send("ping")
            return await socket.receive()

        assert talk(story)[0] == "pong are you there"

    def test_a_silent_vendor_is_pinged_and_stays_connected_if_it_lives(self):
        async def main():
            async with serving(between_bytes_timeout=0.2) as (client, url, seen):
                request = UpstreamRequest(f"{url}/socket", b"", {})
                async with asyncio.timeout(60), client.connect(request) as socket:
                    waiting = asyncio.get_running_loop().create_task(socket.receive())
                    while seen.get("pinged", 0) < 3:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                    await socket.send("still here")
                    return await waiting

        assert asyncio.run(main()) == "still here"

    def test_a_vendor_without_a_pulse_is_given_up(self):
        async def story(client, url):
            async with client.connect(UpstreamRequest(url, b"", {})) as socket:
                with pytest.raises(ProviderError, match="did not respond in time") as caught:
                    await socket.receive()
                return caught.value, socket.close_code

        error, code = raw(story, b"", between_bytes_timeout=SHORT)
        assert (error.status, error.code, code) == (504, "timeout", 1006)

    def test_a_vendor_that_does_not_read_is_given_up(self):
        async def story(client, url):
            async with client.connect(UpstreamRequest(url, b"", {})) as socket:
                while True:
                    await socket.send(bytes(1_000_000))

        error = raw(story, None, between_bytes_timeout=0.5)
        assert (error.status, error.code) == (504, "timeout")


class TestEnd:
    def test_the_vendor_closes_in_order(self):
        async def story(socket):
            await socket.send("close")
            first, again = await socket.receive(), await socket.receive()
            return first, again, socket.close_code, socket.close_reason

        assert talk(story)[0] == (None, None, 1000, "Bye.")

    def test_the_vendor_closes_with_a_code_that_reports_a_failure(self):
        async def story(socket):
            await socket.send("fail")
            with pytest.raises(ProviderError, match="with code 4000") as caught:
                await socket.receive()
            return caught.value, socket.close_code, socket.close_reason

        error, code, reason = talk(story)[0]
        assert (error.status, error.code) == (502, "connection_error")
        assert (code, reason) == (4000, "Quota.")

    def test_the_connection_breaks(self):
        async def story(socket):
            await socket.send("break")
            with pytest.raises(ProviderError, match="broke off its connection") as caught:
                await socket.receive()
            return caught.value.status, socket.close_code

        assert talk(story)[0] == (502, 1006)

    def test_nothing_is_sent_behind_the_end(self):
        async def story(socket):
            await socket.send("close")
            await socket.receive()
            with pytest.raises(ProviderError) as caught:
                await socket.send("more")
            return caught.value.status

        assert talk(story)[0] == 502

    def test_leaving_closes_it(self):
        assert talk(nothing)[1]["code"] == 1000

    def test_closing_by_hand_has_a_code_and_ends_the_messages(self):
        async def story(socket):
            await socket.close(1001, "Done.")
            return await socket.receive()

        result, seen = talk(story)
        assert result is None
        assert seen["code"] == 1001

    def test_an_error_inside_closes_it(self):
        async def story(socket):
            raise ProviderError(502, "Oh.")

        error, seen = talk(story)
        assert (error.message, seen["code"]) == ("Oh.", 1001)

    def test_cancelling_closes_it(self):
        async def main():
            async with asyncio.timeout(60), serving() as (client, url, seen):

                async def use():
                    async with client.connect(UpstreamRequest(f"{url}/socket", b"", {})) as socket:
                        await socket.send("hello")
                        await socket.receive()
                        ready.set()
                        await socket.receive()

                ready = asyncio.Event()
                task = asyncio.get_running_loop().create_task(use())
                await ready.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await seen["gone"].wait()
                return client.pool.in_use

        assert asyncio.run(main()) == 0

    @pytest.mark.parametrize(
        "frame",
        [b"\x83\x00", b"\x81\x02\xff\xfe", b"\xc1\x01a", b"\x88\x01\x00"],
        ids=["unknown opcode", "no UTF-8", "reserved bit", "half a code"],
    )
    def test_a_vendor_that_breaks_the_protocol(self, frame):
        async def story(client, url):
            async with client.connect(UpstreamRequest(url, b"", {})) as socket:
                await socket.receive()

        error = raw(story, frame)
        assert (error.status, error.code) == (502, "bad_provider_answer")

    def test_a_close_frame_without_a_code(self):
        async def story(client, url):
            async with client.connect(UpstreamRequest(url, b"", {})) as socket:
                return await socket.receive(), socket.close_code

        assert raw(story, b"\x88\x00") == (None, 1005)


def raw(story, sent, *, accept=True, **options):
    """What comes of a vendor that opens a websocket, sends bytes, and never says more.

    It reads what it gets, unless `sent` is None; without `accept`, it opens none.
    """

    async def handle(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        (key,) = [x.split(": ")[1] for x in head if x.lower().startswith("sec-websocket-key")]
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        handshake = (
            b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        writer.write(handshake + (sent or b"") if accept else b"")
        try:
            while sent is not None and await reader.read(65536):
                pass
            await end.wait()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def main():
        nonlocal end
        end = asyncio.Event()
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = open_upstream("acme", provider_options(**options), room())
        try:
            async with asyncio.timeout(60):
                return await story(client, url)
        except ProviderError as error:
            return error
        finally:
            end.set()
            await client.close()
            server.close()
            await asyncio.sleep(0)

    end = None
    return asyncio.run(main())
