"""The router's own client against vendors that break every rule, at every byte.

Whatever happens, a request ends with a response or an error, and no connection is left behind.
"""

import asyncio
import contextlib
import gc
import os
import random
import socket
import struct

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tornado_router.calls.upstream import connection, llhttp_client
from tornado_router.calls.upstream.exchange import Exchange
from tornado_router.errors import ProviderError, forget_frames
from tornado_router.provider import Part, Parts, UpstreamRequest

from ...coverage_guided import by_chance
from . import fuzzed_responses
from .vendor import CHUNKED, END, SHORT, WHOLE, Vendor, never, piece, post, serving

pytestmark = pytest.mark.usefixtures("llhttp_client")

RUNS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
EVENTS = b"data: a\n\ndata: b\n\n"
IN_CHUNKS = CHUNKED + piece(b"data: a\n\n") + piece(b"data: b\n\n") + END
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nX-Kind: Whole\r\n\r\nhello"


class Player(Vendor):
    """Sends the same bytes to every request, and then closes the connection if that is wanted."""

    def __init__(self, data, *, ends="", size=0, pause=0.0):
        super().__init__()
        self.data, self.ends, self.size, self.pause = data, ends, size, pause

    async def handle(self, reader, writer):
        self.connections += 1
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                await reader.read(2)
                await self.play(writer)
                if self.ends:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.gone.set()
            if self.ends == "reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
                writer.transport.abort()
            writer.close()

    async def play(self, writer):
        size = self.size or len(self.data) or 1
        for start in range(0, len(self.data), size):
            if start:
                await asyncio.sleep(self.pause)
            writer.write(self.data[start : start + size])
            await writer.drain()


async def ask(client, url, **how):
    """What comes of one request: its body and status, or the error."""
    try:
        response = await client.send(post(url, **how))
    except ProviderError as error:
        return error
    return response.status, response.body


async def read(client, url):
    """What comes of one stream: its bytes, and the error or None."""
    received = b""
    try:
        async with client.stream(post(url)) as response:
            async for data in response:
                received += data
    except ProviderError as error:
        return received, error
    return received, None


async def settled(client):
    """The numbers of the pool, once closed connections are gone."""
    for _ in range(3):
        await asyncio.sleep(0)
    return client.pool.in_use, client.pool.idle, client.pool.waiting


def is_broken(error):
    assert isinstance(error, ProviderError), error
    assert (error.status, error.code) == (502, "connection_error")
    return True


class TestBytes:
    """A connection that ends at each byte of a response, and one that brings each alone."""

    @RUNS
    @pytest.mark.parametrize("ends", ["close", "reset"])
    @pytest.mark.parametrize(
        ("data", "body"), [(WHOLE, b"hello"), (IN_CHUNKS, EVENTS)], ids=["length", "chunks"]
    )
    def test_one_that_ends_too_early_is_an_error(self, run, ends, data, body):
        async def main():
            vendor = Player(b"", ends=ends)
            async with serving(vendor) as (client, url):
                for size in range(len(data)):
                    vendor.data = data[:size]
                    assert is_broken(await ask(client, url)), size
                    received, error = await read(client, url)
                    assert is_broken(error), size
                    assert body.startswith(received)
                    assert await settled(client) == (0, 0, 0)
                vendor.data = data
                if ends == "close":
                    assert await ask(client, url) == (200, body)
                    assert await read(client, url) == (body, None)
                assert vendor.connections == len(vendor.requests)

        run(main())

    @RUNS
    @pytest.mark.parametrize(
        ("data", "body"), [(WHOLE, b"hello"), (IN_CHUNKS, EVENTS)], ids=["length", "chunks"]
    )
    @pytest.mark.parametrize("size", [1, 2, 3, 7])
    def test_one_that_comes_slowly_is_whole(self, run, data, body, size):
        async def main():
            vendor = Player(data, size=size)
            async with serving(vendor) as (client, url):
                assert await ask(client, url) == (200, body)
                assert await read(client, url) == (body, None)
            return vendor.connections

        assert run(main()) == 1

    def test_one_that_ends_with_the_connection(self):
        async def main():
            vendor = Player(UNTIL_CLOSE, ends="close")
            async with serving(vendor) as (client, url):
                assert await ask(client, url) == (200, b"hello")
                assert await read(client, url) == (b"hello", None)
                assert await settled(client) == (0, 0, 0)
                vendor.ends = "reset"
                vendor.data = UNTIL_CLOSE + b"x" * 200_000
                assert is_broken(await ask(client, url))

        asyncio.run(main())


INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-Kind: No\r\n\r\n"
)


class TestHeads:
    def test_interim_responses_are_none(self):
        async def main():
            async with serving(Vendor([INTERIM + WHOLE], [INTERIM, WHOLE])) as (client, url):
                for _ in range(2):
                    response = await client.send(post(url))
                    assert (response.status, response.body) == (200, b"hello")
                    assert response.headers["x-kind"] == "Whole"

        asyncio.run(main())

    @pytest.mark.parametrize("status", [204, 304])
    def test_some_statuses_have_no_body_whatever_the_head_says(self, status):
        async def main():
            head = b"HTTP/1.1 %d No\r\nContent-Length: 5\r\n\r\n" % status
            vendor = Vendor([head], [WHOLE])
            async with serving(vendor) as (client, url):
                assert await ask(client, url) == (status, b"")
                assert await ask(client, url) == (200, b"hello")
            return vendor.connections

        assert asyncio.run(main()) == 1

    def test_nor_has_a_response_to_head(self):
        async def main():
            vendor = Vendor([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"], [WHOLE])
            async with serving(vendor) as (client, url):
                response = await client.send(UpstreamRequest(url, b"", {}, "HEAD"))
                assert (response.status, response.body) == (200, b"")
                assert await ask(client, url) == (200, b"hello")

        asyncio.run(main())

    def test_a_vendor_of_http_1_0_is_understood(self):
        async def main():
            old = WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0")
            kept = old.replace(b"X-Kind", b"Connection: keep-alive\r\nX-Kind")
            vendor = Vendor([old], [kept], [WHOLE])
            async with serving(vendor) as (client, url):
                for _ in range(3):
                    assert await ask(client, url) == (200, b"hello")
            return vendor.connections

        assert asyncio.run(main()) == 2

    @pytest.mark.parametrize(
        "data",
        [
            b"HTTP/1.1 200 OK\r\nX: " + b"a" * 400_000 + b"\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 100_000 + b"Content-Length: 0\r\n\r\n",
            b"HTTP/1.1 103 Early\r\n\r\n" * 30_000 + WHOLE,
            CHUNKED + b"0\r\n" + b"X: a\r\n" * 100_000 + b"\r\n",
            CHUNKED + b"5;" + b"a" * 400_000 + b"\r\nhello\r\n0\r\n\r\n",
            CHUNKED + b"0" * 400_000 + b"5\r\nhello\r\n0\r\n\r\n",
        ],
        ids=["value", "headers", "interim", "trailers", "extension", "zeros"],
    )
    def test_what_is_no_body_is_bounded(self, data):
        async def main():
            async with serving(Player(data)) as (client, url):
                assert is_broken(await ask(client, url))
                _, error = await read(client, url)
                assert is_broken(error)
                assert await settled(client) == (0, 0, 0)

        asyncio.run(main())

    def test_what_frames_a_long_stream_is_not(self):
        count = connection.MAX_HEAD_BYTES // 64

        async def main():
            class Framed(Vendor):
                async def handle(self, reader, writer):
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(CHUNKED)
                    for _ in range(count):
                        for part in (b"1;" + b"x" * 200 + b"\r\n", b"a", b"\r\n"):
                            writer.write(part)
                            await asyncio.sleep(0)
                    writer.write(END)
                    writer.close()

            async with serving(Framed()) as (client, url):
                return await read(client, url)

        assert asyncio.run(main()) == (b"a" * count, None)


OK = b"HTTP/1.1 200 OK\r\n"
MALFORMED = {
    "both lengths": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both the other way": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "two equal lengths": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "list of lengths": OK + b"Content-Length: 5, 5\r\n\r\nhello",
    "sign": OK + b"Content-Length: +5\r\n\r\nhello",
    "hexadecimal": OK + b"Content-Length: 0x5\r\n\r\nhello",
    "too long a length": OK + b"Content-Length: 99999999999999999999999\r\n\r\nhello",
    "no length": OK + b"Content-Length:\r\n\r\nhello",
    "blank before colon": OK + b"Content-Length : 5\r\n\r\nhello",
    "unknown coding": OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "coding inside": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding outside": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "almost chunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "folded": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "nul": OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "lone cr": OK + b"X: a\rb\r\nContent-Length: 0\r\n\r\n",
    "no colon": OK + b"X\r\nContent-Length: 0\r\n\r\n",
    "empty name": OK + b": x\r\nContent-Length: 0\r\n\r\n",
    "status": b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
    "small status": b"HTTP/1.1 99 OK\r\nContent-Length: 0\r\n\r\n",
    "version": b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "not http": b"\x16\x03\x01\x00 hello\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello",
    "another, unnamed": b"HTTP/1.1 101 Go\r\n\r\nhello",
    "chunk of no size": CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
    "chunk of a word": CHUNKED + b"five\r\nhello\r\n0\r\n\r\n",
    "negative chunk": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "huge chunk": CHUNKED + b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "chunk too long": CHUNKED + b"4\r\nhello\r\n0\r\n\r\n",
    "chunk too short": CHUNKED + b"6\r\nhello\r\n0\r\n\r\n",
    "bare lf": OK.replace(b"\r", b"") + b"Content-Length: 0\n\n",
    "bare lf in chunk": CHUNKED + b"5;a\rb\nhello\r\n0\r\n\r\n",
}


class TestOffer:
    """A piece that is waited for goes first to whoever may take it at once."""

    def test_what_is_not_taken_is_read(self):
        offered, read = [], []

        async def main():
            turns = [asyncio.Event() for _ in range(3)]
            parts = (piece(data) for data in (b"b", b"c", b"d"))
            then = [item for pair in zip(turns, parts, strict=True) for item in pair]
            waits = iter(turns)

            def take(data):
                offered.append(data)
                if data == b"b":
                    next(waits).set()
                return data == b"b"

            vendor = Vendor([CHUNKED + piece(b"a"), *then, END])
            async with serving(vendor) as (client, url), client.stream(post(url)) as response:
                response.offer(take)
                async for data in response:
                    read.append(data)
                    if data != b"d":
                        next(waits).set()

        asyncio.run(main())
        assert (offered, read) == ([b"b", b"c", b"d"], [b"a", b"c", b"d"])


class TestMalformed:
    @pytest.mark.parametrize("name", MALFORMED)
    def test_is_an_error_and_ends_the_connection(self, name):
        async def main():
            vendor = Player(MALFORMED[name])
            async with serving(vendor) as (client, url):
                assert is_broken(await ask(client, url))
                _, error = await read(client, url)
                assert is_broken(error)
                assert await settled(client) == (0, 0, 0)
                await asyncio.wait_for(vendor.gone.wait(), 30)
            return vendor.connections

        assert asyncio.run(main()) == 2

    @settings(
        max_examples=3 * settings.default.max_examples,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.data())
    def test_whatever_comes_a_request_ends(self, data):
        parts = [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 100 C\r\n\r\n",
            b"Content-Length: 5\r\n",
            b"Content-Length: 0\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Encoding: gzip\r\n",
            b"Connection: close\r\n",
            b"\r\n",
            b"hello",
            b"5\r\n",
            b"0\r\n\r\n",
        ]
        pieces = st.one_of(st.sampled_from(parts), st.binary(max_size=12))
        script = b"".join(data.draw(st.lists(pieces, max_size=12)))

        async def main():
            vendor = Player(script, ends="close", size=data.draw(st.sampled_from([0, 3])))
            async with serving(vendor, first_byte_timeout=30) as (client, url):
                outcomes = [await ask(client, url), await read(client, url)]
                assert await settled(client) == (0, 0, 0)
            return outcomes

        whole, (received, error) = asyncio.run(main())
        if error is None:
            assert whole[1] == received

    def test_is_read_as_aiohttp_reads_it(self):
        by_chance(fuzzed_responses.check, 300)


class TestKept:
    @RUNS
    @pytest.mark.parametrize("extra", [b"X", b"\r\n", WHOLE, b"HTTP/1.1 100 C\r\n\r\n"])
    @pytest.mark.parametrize("later", [False, True])
    def test_a_connection_that_says_more_is_not_used_again(self, run, extra, later):
        """Else what it says would be taken for the response to the next request."""

        async def main():
            go = asyncio.Event()
            script = [WHOLE, go, extra, never()] if later else [WHOLE + extra]
            vendor = Vendor(script, [WHOLE])  # it would respond on the same connection
            async with serving(vendor) as (client, url):
                assert await ask(client, url) == (200, b"hello")
                go.set()
                if later:
                    await asyncio.wait_for(vendor.gone.wait(), 30)
                elif extra == b"\r\n":  # an empty line is nothing (RFC 9112 section 2.2)
                    return 2
                assert await ask(client, url) == (200, b"hello")
            return vendor.connections

        assert run(main()) == 2

    @RUNS
    @pytest.mark.parametrize("ending", ["Connection: close", "connection: Close"])
    def test_nor_is_one_that_the_vendor_will_close(self, run, ending):
        async def main():
            whole = WHOLE.replace(b"X-Kind", ending.encode() + b"\r\nX-Kind")
            vendor = Vendor([whole], [WHOLE])
            async with serving(vendor) as (client, url):
                for _ in range(2):
                    assert await ask(client, url) == (200, b"hello")
            return vendor.connections

        assert run(main()) == 2

    @RUNS
    @pytest.mark.parametrize("streamed", [False, True])
    def test_one_that_was_closed_meanwhile_is_replaced_once(self, run, streamed):
        async def main():
            vendor = Vendor([WHOLE], [None], [WHOLE], [None], [None], [WHOLE])
            async with serving(vendor) as (client, url):
                for _ in range(2):
                    if streamed:
                        assert await read(client, url) == (b"hello", None)
                    else:
                        assert await ask(client, url) == (200, b"hello")
                # kept: refused, anew: refused, and that is that
                assert is_broken(await ask(client, url))
                assert len(vendor.requests) == 5
                assert await settled(client) == (0, 0, 0)
            return vendor.connections

        assert run(main()) == 3

    def test_so_is_one_for_a_form(self):
        async def main():
            form = Parts((Part("model", "m"), Part("file", b"x" * 300_000)))
            vendor = Vendor([WHOLE], [None], [WHOLE])
            async with serving(vendor) as (client, url):
                await client.send(post(url))
                response = await client.send(UpstreamRequest(url, form, {}))
            return response.body, [len(request) for request in vendor.requests[1:]]

        body, sizes = asyncio.run(main())
        assert body == b"hello"
        assert sizes[0] == sizes[1] > 300_000

    @pytest.mark.parametrize("data", [WHOLE[:1], WHOLE[:-1], b"HTTP/1.1 100 Go\r\n\r\n"])
    def test_but_none_whose_response_had_begun(self, data):
        async def main():
            vendor = Vendor([WHOLE], [data, None], [WHOLE])
            async with serving(vendor) as (client, url):
                await client.send(post(url))
                assert is_broken(await ask(client, url))
            return len(vendor.requests)

        assert asyncio.run(main()) == 2

    def test_nor_a_new_one(self):
        async def main():
            vendor = Vendor([None], [WHOLE])
            async with serving(vendor) as (client, url):
                assert is_broken(await ask(client, url))
            return len(vendor.requests)

        assert asyncio.run(main()) == 1

    @RUNS
    def test_races_with_a_vendor_that_closes(self, run):
        """It closes each connection a moment after a response: no request is lost."""
        chance = random.Random(7)

        class Closing(Vendor):
            async def handle(self, reader, writer):
                self.connections += 1
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    await reader.readuntil(b"\r\n\r\n")
                    await reader.read(2)
                    writer.write(WHOLE)
                    await writer.drain()
                    for _ in range(chance.randrange(6)):
                        await asyncio.sleep(0)
                writer.close()

        async def main():
            vendor = Closing()
            async with serving(vendor, max_connections=4) as (client, url):
                for _ in range(40):
                    outcomes = await asyncio.gather(*(ask(client, url) for _ in range(8)))
                    assert outcomes == [(200, b"hello")] * 8
                await asyncio.sleep(SHORT)
                assert await settled(client) == (0, 0, 0)

        run(main())

    def test_one_is_closed_after_a_while(self):
        async def main():
            vendor = Vendor([WHOLE])
            async with serving(vendor, keepalive_seconds=SHORT) as (client, url):
                await client.send(post(url))
                assert client.pool.idle == 1
                await asyncio.wait_for(vendor.gone.wait(), 30)
                assert await settled(client) == (0, 0, 0)

        asyncio.run(main())

    def test_or_at_once_if_none_is_to_be_kept(self):
        async def main():
            vendor = Vendor([WHOLE], [WHOLE])
            async with serving(vendor, keepalive_seconds=0) as (client, url):
                for _ in range(2):
                    await client.send(post(url))
                    assert client.pool.idle == 0
            return vendor.connections

        assert asyncio.run(main()) == 2


class TestUploads:
    """Bodies that the vendor does not want, or does not read."""

    @RUNS
    @pytest.mark.parametrize("form", [True, False])
    def test_an_early_refusal_is_heard_though_the_vendor_does_not_read(self, run, form):
        class Hasty(Vendor):
            async def handle(self, reader, writer):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 413 No\r\nContent-Length: 5\r\n\r\nlarge")
                await self.gone.wait()
                writer.close()

        async def main():
            data = b"x" * 30_000_000
            body = Parts((Part("file", data),)) if form else data
            vendor = Hasty()
            async with serving(vendor) as (client, url):
                response = await client.send(UpstreamRequest(url, body, {}))
                numbers = await settled(client)
                vendor.gone.set()
            return response.status, response.body, numbers

        assert run(main()) == (413, b"large", (0, 0, 0))

    def test_an_early_response_does_not_end_with_a_connection_that_is_kept(self):
        """The rest of the body would be read as the next request."""

        class Early(Vendor):
            async def handle(self, reader, writer):
                self.connections += 1
                await reader.readuntil(b"\r\n\r\n")
                writer.write(WHOLE)
                with contextlib.suppress(ConnectionError):
                    while await reader.read(65536):
                        pass
                writer.close()

        async def main():
            vendor = Early()
            form = Parts((Part("a", b"x" * 300_000), Part("file", b"x" * 30_000_000)))
            async with serving(vendor) as (client, url):
                response = await client.send(UpstreamRequest(url, form, {}))
                assert response.body == b"hello"
                assert client.pool.idle == 0
                assert await ask(client, url) == (200, b"hello")
            return vendor.connections

        assert asyncio.run(main()) == 2

    def test_nor_if_it_comes_while_the_body_is_read_from_the_disk(self, monkeypatch):
        async def pieces(_):
            yield b"x" * 100
            await asyncio.sleep(4 * SHORT)
            yield b"x" * 100

        async def main():
            monkeypatch.setattr(llhttp_client, "form_pieces", pieces)
            vendor = Player(WHOLE)
            async with serving(vendor) as (client, url):
                form = Parts((Part("a", b"x" * 100),))
                response = await client.send(UpstreamRequest(url, form, {}))
                assert response.body == b"hello"
                assert client.pool.idle == 0
                await asyncio.wait_for(vendor.gone.wait(), 30)

        asyncio.run(main())

    @RUNS
    def test_the_head_of_an_early_refusal_ends_an_upload(self, run):
        """Its body may be long in coming."""

        class Hasty(Vendor):
            async def handle(self, reader, writer):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 413 No\r\nTransfer-Encoding: chunked\r\n\r\n")
                await self.gone.wait()
                writer.close()

        async def main():
            vendor, form = Hasty(), Parts((Part("file", b"x" * 30_000_000),))
            async with serving(vendor) as (client, url), asyncio.timeout(30):
                async with client.stream(UpstreamRequest(url, form, {})) as response:
                    assert response.status == 413
                vendor.gone.set()

        run(main())

    @RUNS
    def test_a_vendor_that_reads_nothing_is_given_up(self, run):
        class Deaf(Vendor):
            async def handle(self, reader, writer):
                await reader.readuntil(b"\r\n\r\n")
                await self.gone.wait()
                writer.close()

        async def main():
            vendor = Deaf()
            form = Parts((Part("file", b"x" * 30_000_000),))
            async with serving(vendor, first_byte_timeout=4 * SHORT) as (client, url):
                for body in (form, b"x" * 30_000_000):
                    with pytest.raises(ProviderError) as caught:
                        await client.send(UpstreamRequest(url, body, {}))
                    assert (caught.value.status, caught.value.code) == (504, "timeout")
                assert await settled(client) == (0, 0, 0)
                vendor.gone.set()

        run(main())


class TestSilence:
    @RUNS
    def test_a_vendor_that_sends_a_byte_now_and_then_is_not_silent(self, run):
        async def main():
            vendor = Player(IN_CHUNKS, size=9, pause=0.05)
            limits = {"first_byte_timeout": 0.3, "between_bytes_timeout": 0.3}
            async with serving(vendor, **limits) as (client, url):
                return await read(client, url)

        assert run(main()) == (EVENTS, None)

    @RUNS
    def test_what_is_not_read_is_not_silent(self, run):
        size = 8 * 1024 * 1024

        async def main():
            vendor = Player(CHUNKED + piece(b"a" * size) + END)
            async with serving(vendor, between_bytes_timeout=4 * SHORT) as (client, url):
                received = 0
                async with client.stream(post(url)) as response:
                    async for data in response:
                        if not received:
                            await asyncio.sleep(12 * SHORT)
                        received += len(data)
            return received

        assert run(main()) == size

    def test_the_total_ends_one_that_is_not_read(self):
        async def main():
            vendor = Player(CHUNKED + piece(b"a" * 8 * 1024 * 1024) + END)
            async with serving(vendor, total_timeout=4 * SHORT) as (client, url):

                async def stall():
                    async with client.stream(post(url)) as response:
                        async for _ in response:
                            await asyncio.wait_for(vendor.gone.wait(), 30)

                with pytest.raises(ProviderError) as caught:
                    await stall()
                assert await settled(client) == (0, 0, 0)
            return caught.value.code

        assert asyncio.run(main()) == "timeout"

    def test_a_later_limit_does_not_wait_for_an_earlier_one(self):
        """One timer serves all limits of a connection, and is set anew for a shorter one."""

        async def main():
            vendor = Vendor([WHOLE], [CHUNKED, piece(b"a"), never()])
            limits = {"first_byte_timeout": 60, "between_bytes_timeout": SHORT}
            async with serving(vendor, **limits) as (client, url):
                assert await ask(client, url) == (200, b"hello")
                async with asyncio.timeout(30):
                    received, error = await read(client, url)
            return received, error.code

        assert asyncio.run(main()) == (b"a", "timeout")


def open_files():
    return len(os.listdir("/proc/self/fd"))


class Hanging(Vendor):
    """Reads and never responds."""

    async def handle(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                self.asked.set()
        self.gone.set()
        writer.close()


class TestForgetting:
    """What is over is freed at once: a body would wait for the garbage collector else."""

    @RUNS
    @pytest.mark.parametrize(
        "script",
        [
            [[WHOLE]],
            [[WHOLE.replace(b"X-Kind", b"Connection: close\r\nX-Kind")]],
            [[None]],
            [[WHOLE[:-1], None]],
            [[CHUNKED, b"junk\r\n"]],
            [[WHOLE], [None], [WHOLE]],
        ],
        ids=["kept", "closed", "refused", "cut", "junk", "replaced"],
    )
    @pytest.mark.parametrize("streamed", [False, True])
    def test_an_exchange_and_its_connection(self, run, script, streamed):
        def alive():
            kinds = (Exchange, connection.Connection)
            return sum(isinstance(item, kinds) for item in gc.get_objects())

        async def main():
            async with serving(Vendor(*script)) as (client, url):
                for _ in script[:2]:
                    if streamed:
                        await read(client, url)
                    else:
                        outcome = await ask(client, url)
                        if isinstance(outcome, ProviderError):
                            forget_frames(outcome)
                            del outcome
                await settled(client)
                return alive() - client.pool.idle

        gc.collect()
        gc.disable()
        try:
            before = alive()
            assert run(main()) == before
        finally:
            gc.enable()


class TestCancelling:
    """At each stage it leaves neither a connection nor a task."""

    async def cancel(self, client, coroutine, until):
        loop = asyncio.get_running_loop()
        tasks, files = len(asyncio.all_tasks()), open_files()
        task = loop.create_task(coroutine)
        async with asyncio.timeout(30):
            while not until():  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await settled(client))[0::2] == (0, 0)
        async with asyncio.timeout(30):
            while (len(asyncio.all_tasks()), open_files()) > (tasks, files):  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    @RUNS
    def test_while_it_waits_for_a_connection(self, run):
        async def main():
            vendor = Hanging()
            async with serving(vendor, max_connections=1) as (client, url):
                first = asyncio.get_running_loop().create_task(client.send(post(url)))
                await vendor.asked.wait()
                second = asyncio.get_running_loop().create_task(client.send(post(url)))
                async with asyncio.timeout(30):
                    while client.pool.waiting != 1:  # noqa: ASYNC110
                        await asyncio.sleep(0)
                for task in (second, first):
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
                assert await settled(client) == (0, 0, 0)

        run(main())

    @RUNS
    def test_while_it_connects(self, run, full_port):
        async def main():
            async with serving(Vendor()) as (client, _):
                url = f"http://127.0.0.1:{full_port}/v1"
                count = open_files()
                await self.cancel(client, client.send(post(url)), lambda: open_files() > count)

        run(main())

    @RUNS
    def test_while_it_shakes_hands(self, run):
        async def main():
            vendor = Hanging()
            async with serving(vendor) as (client, url):
                secure = url.replace("http:", "https:")
                await self.cancel(client, client.send(post(secure)), vendor.asked.is_set)
                await asyncio.wait_for(vendor.gone.wait(), 30)

        run(main())

    @RUNS
    @pytest.mark.parametrize("streamed", [False, True])
    @pytest.mark.parametrize("script", [[], [CHUNKED], [CHUNKED, piece(b"x" * 10)]])
    def test_while_it_waits_for_the_response(self, run, streamed, script):
        async def main():
            vendor = Vendor([*script, never()])
            async with serving(vendor) as (client, url):
                asked = read(client, url) if streamed else client.send(post(url))
                await self.cancel(client, asked, vendor.asked.is_set)
                await asyncio.wait_for(vendor.gone.wait(), 30)

        run(main())

    @RUNS
    def test_while_it_sends(self, run):
        async def main():
            class Deaf(Vendor):
                async def handle(self, reader, writer):
                    await reader.readuntil(b"\r\n\r\n")
                    self.asked.set()
                    await self.gone.wait()
                    writer.close()

            vendor = Deaf()
            async with serving(vendor) as (client, url):
                form = Parts((Part("file", b"x" * 30_000_000),))
                asked = client.send(UpstreamRequest(url, form, {}))
                loop = asyncio.get_running_loop()
                task = loop.create_task(asked)
                await vendor.asked.wait()
                await asyncio.sleep(SHORT)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert await settled(client) == (0, 0, 0)
                vendor.gone.set()

        run(main())

    @RUNS
    def test_just_when_a_kept_connection_is_replaced(self, run):
        async def main():
            for turns in range(16):
                vendor = Vendor([WHOLE], [None], [WHOLE], [WHOLE])
                async with serving(vendor, max_connections=1) as (client, url):
                    await client.send(post(url))
                    task = asyncio.get_running_loop().create_task(client.send(post(url)))
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    assert client.pool.in_use == 0

        run(main())

    @RUNS
    def test_just_when_the_response_is_there(self, run):
        """Whichever of the two comes first: the connection is kept or closed, and never lost."""

        async def main():
            vendor = Player(WHOLE)
            async with serving(vendor) as (client, url):
                for turns in range(60):
                    task = asyncio.get_running_loop().create_task(client.send(post(url)))
                    for _ in range(turns % 12):
                        await asyncio.sleep(0)
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    assert client.pool.in_use == 0
                assert await ask(client, url) == (200, b"hello")

        run(main())
