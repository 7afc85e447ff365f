"""Connections to a provider, against a server that speaks, stalls or breaks off as it is told."""

import asyncio
import os
import ssl
import sys
import textwrap
from contextlib import ExitStack, suppress

import pytest
import trustme

from tornado_router.calls.upstream import bounds, open_upstream
from tornado_router.errors import ProviderError
from tornado_router.provider import CallFile, Part, Parts, UpstreamRequest

from .vendor import (
    CHUNKED,
    END,
    SHORT,
    WHOLE,
    Vendor,
    never,
    piece,
    post,
    provider_options,
    room,
    serving,
)

pytestmark = pytest.mark.usefixtures("each_client")


def send(vendor_script, **options):
    """What comes of one request: an answer or the error."""

    async def main():
        async with serving(Vendor(vendor_script), **options) as (client, url):
            try:
                return await client.send(post(url))
            except ProviderError as error:
                return error

    return asyncio.run(main())


def stream(vendor_script, **options):
    """What comes of one streamed request: its pieces, and the error if there is one."""

    async def main():
        pieces = []
        async with serving(Vendor(vendor_script), **options) as (client, url):
            try:
                async with client.stream(post(url)) as answer:
                    pieces.append(answer.status)
                    async for data in answer:
                        pieces.append(data)
            except ProviderError as error:
                pieces.append(error)
        return pieces

    return asyncio.run(main())


class TestSend:
    def test_an_answer(self):
        answer = send([WHOLE])
        assert (answer.status, answer.body) == (200, b"hello")
        assert answer.headers["x-kind"] == answer.headers["X-KIND"] == "Whole"

    def test_a_request_goes_out_as_it_was_built(self):
        async def main():
            vendor = Vendor([WHOLE])
            async with serving(vendor) as (client, url):
                await client.send(post(url, b'{"model": "\xc3\xa9"}', Authorization="Bearer k"))
            return vendor.requests[0]

        head, _, body = asyncio.run(main()).partition(b"\r\n\r\n")
        assert head.startswith(b"POST /v1 HTTP/1.1\r\n")
        assert body == b'{"model": "\xc3\xa9"}'
        headers = head.lower().split(b"\r\n")
        assert b"authorization: bearer k" in headers
        assert b"content-type: application/json" in headers
        assert b"accept-encoding: identity" in headers
        assert any(line.startswith(b"user-agent: tornado-router/") for line in headers)

    def test_a_failure_of_the_vendors_is_an_answer_too(self):
        answer = send([b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno"])
        assert (answer.status, answer.body) == (500, b"no")

    def test_a_redirect_is_not_followed(self):
        async def main():
            vendor = Vendor(
                [b"HTTP/1.1 307 Go\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"], [WHOLE]
            )
            async with serving(vendor) as (client, url):
                answer = await client.send(post(url))
                async with client.stream(post(url)) as whole:
                    assert await whole.read() == b"hello"
            return answer, len(vendor.requests)

        answer, requests = asyncio.run(main())
        assert answer.status == 307
        assert requests == 2

    def test_cookies_are_nobodys(self):
        async def main():
            cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n"
            vendor = Vendor([cookie], [WHOLE])
            async with serving(vendor) as (client, url):
                await client.send(post(url))
                await client.send(post(url))
            return vendor.requests[1]

        assert b"cookie" not in asyncio.run(main()).lower()


class TestForms:
    """Forms are sent from memory or disk, whole, again and again."""

    @pytest.fixture
    def make_form(self):
        with ExitStack() as stack:

            def make(size, memory_bytes):
                file = CallFile("file", "a.mp3", "audio/mpeg", memory_bytes=memory_bytes)
                stack.callback(file.close)
                file.write(bytes(size))
                return Parts((Part("model", "m"), Part("file", file)))

            yield make

    @pytest.mark.parametrize("memory_bytes", [10_000_000, 0], ids=["memory", "disk"])
    @pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
    def test_a_form_goes_out_and_can_be_sent_again(self, make_form, memory_bytes, streamed):
        form = make_form(900_000, memory_bytes)

        async def main():
            vendor = Vendor([WHOLE], [WHOLE])
            async with serving(vendor) as (client, url):
                request = UpstreamRequest(url, form, {"content-type": "never/this"})
                for _ in range(2):
                    if streamed:
                        async with client.stream(request) as response:
                            await response.read()
                    else:
                        await client.send(request)
            return vendor.requests

        first, again = asyncio.run(main())
        assert first == again
        head, _, body = first.partition(b"\r\n\r\n")
        assert body == b"".join(form.pieces())
        lines = head.lower().split(b"\r\n")
        assert f"content-type: {form.content_type}".encode() in lines
        assert f"content-length: {form.size}".encode() in lines
        assert not any(b"never/this" in line or b"transfer-encoding" in line for line in lines)

    def test_a_vendor_that_refuses_a_form_early_is_heard(self, make_form):
        class Hasty(Vendor):
            async def handle(self, reader, writer):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 413 No\r\nContent-Length: 5\r\n\r\nlarge")
                await writer.drain()
                with suppress(ConnectionError):
                    while await reader.read(65536):
                        pass
                writer.close()

        async def main():
            form = make_form(20_000_000, 0)
            async with serving(Hasty()) as (client, url):
                return await client.send(UpstreamRequest(url, form, {}))

        response = asyncio.run(main())
        assert (response.status, response.body) == (413, b"large")

    def test_a_vendor_that_stops_reading_is_not_read_for(self, make_form):
        """What is not sent is not read from the disk, and cancelling ends it."""

        class Deaf(Vendor):
            async def handle(self, reader, writer):
                await reader.readuntil(b"\r\n\r\n")
                self.asked.set()
                await self.gone.wait()
                writer.close()

        async def main():
            vendor, form = Deaf(), make_form(40_000_000, 0)
            async with serving(vendor) as (client, url):
                loop = asyncio.get_running_loop()
                sending = loop.create_task(client.send(UpstreamRequest(url, form, {})))
                await vendor.asked.wait()
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
                vendor.gone.set()

        asyncio.run(main())


class TestStream:
    def test_pieces_come_as_they_come(self):
        async def main():
            go = asyncio.Event()
            vendor = Vendor([CHUNKED, piece(b"data: a\n\n"), go, piece(b"data: b\n\n"), END])
            pieces = []
            async with serving(vendor) as (client, url), client.stream(post(url)) as answer:
                async for data in answer:
                    pieces.append(data)
                    go.set()  # the vendor sends on once the first piece is here
            return pieces

        assert asyncio.run(main()) == [b"data: a\n\n", b"data: b\n\n"]

    def test_an_error_can_be_read_whole(self):
        async def main():
            vendor = Vendor([b"HTTP/1.1 429 No\r\nContent-Length: 4\r\n\r\nslow"])
            async with serving(vendor) as (client, url), client.stream(post(url)) as answer:
                return answer.status, await answer.read()

        assert asyncio.run(main()) == (429, b"slow")

    def test_what_goes_on_unread_comes_in_larger_pieces(self):
        whole = os.urandom(1_000_000)
        script = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", whole]

        async def main():
            vendor, sizes = Vendor(script, script, script), []
            async with serving(vendor) as (client, url):
                for most in (0, 256 * 1024, 0):
                    async with client.stream(post(url)) as answer:
                        if most:
                            answer.widen(most)
                        pieces = [data async for data in answer]
                    assert b"".join(pieces) == whole
                    sizes.append(max(map(len, pieces)))
            return sizes, vendor.connections

        (first, large, last), connections = asyncio.run(main())
        assert first <= bounds.PIECE < large <= 256 * 1024
        assert last <= bounds.PIECE
        assert connections == 1

    @pytest.mark.parametrize("most", [0, 256 * 1024])
    def test_what_is_not_read_is_not_taken(self, most):
        """A client that stops reading stops the vendor, long before the answer is through."""

        async def main():
            total, size, sent = 400, 65536, []

            class Pump(Vendor):
                async def handle(self, reader, writer):
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(CHUNKED)
                    try:
                        for _ in range(total):
                            writer.write(piece(b"x" * size))
                            await writer.drain()
                            sent.append(size)
                    except ConnectionError:
                        pass
                    finally:
                        writer.close()

            async with serving(Pump()) as (client, url), client.stream(post(url)) as answer:
                if most:
                    answer.widen(most)
                await anext(aiter(answer))
                before = -1
                while before != len(sent):  # until the vendor is stuck
                    before = len(sent)
                    await asyncio.sleep(0.2)
                return len(sent) / total

        assert asyncio.run(main()) < 0.5

    def test_what_came_before_it_broke_is_read_however_slowly(self):
        """Its end may be there; only then comes the failure."""
        data = os.urandom(3 * bounds.PIECE)

        async def main():
            vendor = Vendor([CHUNKED + piece(data), None])
            received = b""
            async with serving(vendor) as (connections, url):
                try:
                    async with connections.stream(post(url)) as answer:
                        async for part in answer:
                            received += part
                            await vendor.gone.wait()
                            await asyncio.sleep(SHORT)
                except ProviderError as error:
                    return received, error.status
            return None

        assert asyncio.run(main()) == (data, 502)


class TestConnections:
    def test_is_kept_after_a_whole_answer(self):
        async def main():
            vendor = Vendor([WHOLE], [WHOLE])
            async with serving(vendor) as (client, url):
                await client.send(post(url))
                await client.send(post(url))
            return vendor.connections

        assert asyncio.run(main()) == 1

    def test_is_kept_after_a_stream_that_was_read_to_its_last_event(self):
        async def main():
            vendor = Vendor([CHUNKED, piece(b"data: [DONE]\n\n"), END], [WHOLE])
            async with serving(vendor) as (client, url):
                async with client.stream(post(url)) as answer:
                    async for _ in answer:
                        break
                await client.send(post(url))
            return vendor.connections

        assert asyncio.run(main()) == 1

    def test_its_end_may_come_a_little_later(self, monkeypatch):
        monkeypatch.setattr(bounds, "END_SECONDS", 30)

        async def main():
            go = asyncio.Event()
            vendor = Vendor([CHUNKED, piece(b"data: [DONE]\n\n"), go, END], [WHOLE])
            async with serving(vendor) as (client, url):
                async with client.stream(post(url)) as answer:
                    async for _ in answer:
                        asyncio.get_running_loop().call_later(SHORT, go.set)
                        break
                await client.send(post(url))
            return vendor.connections

        assert asyncio.run(main()) == 1

    def test_is_kept_after_an_error_that_was_read(self):
        async def main():
            refusal = b"HTTP/1.1 429 No\r\nContent-Length: 4\r\n\r\nslow"
            vendor = Vendor([refusal], [WHOLE])
            async with serving(vendor) as (client, url):
                async with client.stream(post(url)) as answer:
                    await answer.read()
                await client.send(post(url))
            return vendor.connections

        assert asyncio.run(main()) == 1

    def test_is_cut_when_the_reader_leaves_early(self):
        async def main():
            vendor = Vendor([CHUNKED, piece(b"data: a\n\n"), never()])
            async with serving(vendor) as (client, url):

                async def fail():
                    async with client.stream(post(url)) as answer:
                        async for _ in answer:
                            raise ZeroDivisionError

                with pytest.raises(ZeroDivisionError):
                    await fail()
                await asyncio.wait_for(vendor.gone.wait(), 30)

        asyncio.run(main())

    def test_is_cut_when_the_end_does_not_come(self, monkeypatch):
        monkeypatch.setattr(bounds, "END_SECONDS", SHORT)

        async def main():
            vendor = Vendor([CHUNKED, piece(b"data: [DONE]\n\n"), never()])
            async with serving(vendor) as (client, url):
                async with client.stream(post(url)) as answer:
                    async for _ in answer:
                        break
                await asyncio.wait_for(vendor.gone.wait(), 30)

        asyncio.run(main())

    @pytest.mark.parametrize("whole", [True, False])
    def test_is_cut_when_the_call_is_cancelled(self, whole):
        async def main():
            vendor = Vendor([CHUNKED, never()])
            async with serving(vendor) as (client, url):

                async def ask():
                    if whole:
                        await client.send(post(url))
                    async with client.stream(post(url)) as answer:
                        async for _ in answer:
                            pass

                task = asyncio.get_running_loop().create_task(ask())
                await vendor.asked.wait()
                task.cancel()
                await asyncio.wait_for(vendor.gone.wait(), 30)
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(main())

    def test_closing_the_router_closes_them(self):
        async def main():
            vendor = Vendor([WHOLE])
            async with serving(vendor) as (client, url):
                await client.send(post(url))
                await client.close()
                await asyncio.wait_for(vendor.gone.wait(), 30)

        asyncio.run(main())


class TestTimeouts:
    """Each limit is short, and the vendor never does what it limits."""

    def check(self, error, message):
        assert isinstance(error, ProviderError)
        assert (error.status, error.code) == (504, "timeout")
        assert error.retryable
        assert error.message == f"The provider 'acme' {message}"

    def test_until_the_answer_begins(self):
        error = send([never()], first_byte_timeout=SHORT)
        self.check(error, "did not respond in time.")

    def test_until_a_stream_begins(self):
        (error,) = stream([never()], first_byte_timeout=SHORT)
        self.check(error, "did not respond in time.")

    def test_between_bytes(self):
        error = send([WHOLE[:-1], never()], between_bytes_timeout=SHORT)
        self.check(error, "did not respond in time.")

    def test_between_bytes_of_a_stream(self):
        script = [CHUNKED, piece(b"a"), never()]
        status, data, error = stream(script, between_bytes_timeout=SHORT)
        assert (status, data) == (200, b"a")
        self.check(error, "did not respond in time.")

    def test_for_all_of_it(self):
        script = [CHUNKED, piece(b"a"), never()]
        *_, error = stream(script, total_timeout=SHORT)
        self.check(error, "did not respond in time.")

    def test_until_there_is_a_connection(self):
        async def main():
            vendor = Vendor([CHUNKED, never()])
            options = {"max_connections": 1, "connect_timeout": 0.5}
            async with serving(vendor, **options) as (client, url), client.stream(post(url)):
                with pytest.raises(ProviderError) as caught:
                    await client.send(post(url))
                return caught.value

        self.check(asyncio.run(main()), "could not be connected to in time.")

    def test_the_first_limit_ends_when_the_answer_begins(self):
        async def main():
            go = asyncio.Event()
            vendor = Vendor([CHUNKED, piece(b"a"), go, piece(b"b"), END])
            async with serving(vendor, first_byte_timeout=1) as (client, url):
                pieces = []
                async with client.stream(post(url)) as answer:
                    async for data in answer:
                        pieces.append(data)
                        asyncio.get_running_loop().call_later(1.2, go.set)
                return pieces

        assert asyncio.run(main()) == [b"a", b"b"]


class TestFailures:
    def check(self, error, code, message):
        assert isinstance(error, ProviderError)
        assert (error.status, error.code) == (502, code)
        assert error.retryable
        assert error.message == f"The provider 'acme' {message}"

    @pytest.mark.parametrize(
        "script",
        [
            [None],
            [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", None],
            [CHUNKED, piece(b"hello"), None],
            [b"\x16\x03\x01 this is no HTTP\r\n\r\n", None],
        ],
        ids=["nothing", "too short", "no last chunk", "no HTTP"],
    )
    def test_an_answer_that_breaks_off(self, script):
        self.check(send(script), "connection_error", "broke off its connection.")
        *_, error = stream(script)
        self.check(error, "connection_error", "broke off its connection.")

    def test_nobody_listens(self, closed_port):
        async def main():
            client = open_upstream("acme", provider_options(), room())
            try:
                await client.send(post(f"http://127.0.0.1:{closed_port}/v1"))
            except ProviderError as error:
                return error
            finally:
                await client.close()

        self.check(asyncio.run(main()), "connection_error", "cannot be reached.")

    def test_an_idle_connection_that_the_vendor_closed_is_not_used(self):
        async def main():
            vendor = Vendor([WHOLE, None], [WHOLE])
            async with serving(vendor) as (client, url):
                await client.send(post(url))
                await asyncio.wait_for(vendor.gone.wait(), 30)
                await asyncio.sleep(SHORT)
                answer = await client.send(post(url))
            return answer.body, vendor.connections

        assert asyncio.run(main()) == (b"hello", 2)


class TestTLS:
    @pytest.fixture(scope="class")
    def authority(self):
        return trustme.CA()

    @pytest.fixture
    def tls(self, authority):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        return context

    @pytest.mark.parametrize("ask", [send, stream])
    def test_a_certificate_that_nobody_trusts_is_refused(self, tls, ask):
        async def main():
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's side
            vendor = Vendor([WHOLE])
            async with serving(vendor, tls=tls) as (client, url):
                with pytest.raises(ProviderError) as caught:
                    await client.send(post(url))
            return caught.value, vendor.requests

        error, requests = asyncio.run(main())
        assert (error.status, error.code) == (502, "tls_error")
        assert requests == []

    def test_one_that_the_system_trusts_is_taken(self, tls, authority, tmp_path, each_client):
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        code = """
            import asyncio, sys
            from tornado_router.background.held_memory import HeldMemory
            from tornado_router.config.options import ProviderOptions
            from tornado_router.provider import CallFile, Part, Parts, UpstreamRequest
            from tornado_router.calls.upstream import open_upstream

            async def main():
                options = ProviderOptions(type="t", http_client=sys.argv[2])
                client = open_upstream("acme", options, HeldMemory(1))
                print((await client.send(UpstreamRequest(sys.argv[1], b"{}", {}))).body.decode())
                await client.close()

            asyncio.run(main())
        """

        async def main():
            async with serving(Vendor([WHOLE]), tls=tls) as (_, url):
                # Another process, as trust is read from the environment when one starts.
                child = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-c", textwrap.dedent(code), url, each_client),
                    env={**os.environ, "SSL_CERT_FILE": str(tmp_path / "ca.pem")},
                    stdout=asyncio.subprocess.PIPE,
                )
                return (await child.communicate())[0]

        assert asyncio.run(main()) == b"hello\n"

    def test_a_server_without_tls(self):
        class Plain(Vendor):
            async def handle(self, reader, writer):
                writer.write(WHOLE)
                writer.close()

        async def main():
            async with serving(Plain()) as (client, url):
                with pytest.raises(ProviderError) as caught:
                    await client.send(post(url.replace("http:", "https:")))
            return caught.value

        assert asyncio.run(main()).status == 502
