"""Responses: how they are framed, what follows them, and what never gets into one."""

import asyncio

import pytest
from tornado.httputil import HTTPHeaders, HTTPOutputError, ResponseStartLine
from tornado.web import RequestHandler

from tornado_router.http.connection import ClientGoneError

from ..fronts import LARGE, LLHTTP, ON_LOOPS, World, play, serve
from .delegates import OK, Message, Recorder

WORDS = [b"one ", b"two ", b"three "]


class Handler(RequestHandler):
    """Responds as its path says."""

    def clear(self):
        super().clear()
        for name in ("Date", "Server", "Content-Type"):
            self.clear_header(name)

    def compute_etag(self):
        return None

    async def get(self, kind):
        if kind == "words":
            for word in WORDS:
                self.write(word)
                await self.flush()
        elif kind.isdecimal():
            self.set_status(int(kind))
        elif kind == "closing":
            self.set_header("Connection", "close")
            self.write(b"hello")
        else:
            self.write(b"hello")

    head = post = get


@pytest.fixture(params=ON_LOOPS)
def ask(request):
    """What is responded to some requests on one connection, until it is closed."""
    return asking(*request.param)


@pytest.fixture(params=LLHTTP)
def ask_ours(request):
    """The same of the front over llhttp."""
    return asking(*request.param)


def asking(http, loop):
    def ask(*requests):
        async def story(world):
            return await world.respond(b"".join(requests))

        return play(story, lambda: World(http, serve(("/(.*)", Handler))), loop)

    return ask


def line(path, *headers, method="GET", version="1.1"):
    lines = [f"{method} /{path} HTTP/{version}", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode()


LAST = line("last", "Connection: close")
LAST_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (line("whole"), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        (
            line("words"),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"4\r\none \r\n4\r\ntwo \r\n6\r\nthree \r\n0\r\n\r\n",
        ),
        (line("whole", method="HEAD"), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (line("words", method="HEAD"), b"HTTP/1.1 200 OK\r\n\r\n"),
        (line("204"), b"HTTP/1.1 204 No Content\r\n\r\n"),
        (line("304"), b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        (
            line("whole", "Connection: keep-alive", version="1.0"),
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\nhello",
        ),
    ],
)
def test_one_is_framed_so_that_another_may_follow(ask, request_, response):
    assert ask(request_, LAST) == response + LAST_RESPONSE


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (
            line("whole", version="1.0"),
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ),
        (line("words", version="1.0"), b"HTTP/1.1 200 OK\r\n\r\none two three "),
        (LAST, LAST_RESPONSE),
    ],
)
def test_or_so_that_none_may(ask, request_, response):
    assert ask(request_, LAST) == response


@pytest.fixture(params=LLHTTP)
def run(request):
    """Has a delegate respond to a request; `respond` is its method."""
    http, loop = request.param

    def run(story, respond):
        class Responding(Message):
            def respond(self):
                respond(self.exchange)

        recorder = Recorder(Responding)
        return play(story, lambda: World(http, recorder), loop)

    return run


async def all_of_it(world):
    return await world.respond(line("x"))


def test_the_end_is_that_of_the_connection_if_nothing_else_says_it(run):
    """A keep-alive of HTTP/1.0 has no chunks."""

    def respond(exchange):
        exchange.write_headers(OK, HTTPHeaders(), b"hello")
        exchange.finish()

    async def story(world):
        return await world.respond(line("x", "Connection: keep-alive", version="1.0"))

    assert run(story, respond) == b"HTTP/1.1 200 OK\r\n\r\nhello"


def test_one_that_says_close_is_the_last(ask_ours):
    response = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
    assert ask_ours(line("closing"), line("closing")) == response


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b", "\u20ac"])
@pytest.mark.parametrize("where", ["name", "value", "reason"])
def test_nothing_gets_into_its_head(run, value, where):
    raised = []

    def respond(exchange):
        headers = HTTPHeaders({"Content-Length": "0"})
        name = value if where == "name" else "X"
        headers._as_list[name] = [value if where == "value" else "a"]
        reason = value if where == "reason" else "OK"
        try:
            exchange.write_headers(ResponseStartLine("", 200, reason), headers)
        except ValueError:
            raised.append(True)

    assert run(all_of_it, respond) == b""
    assert raised


@pytest.mark.parametrize("parts", [[b"toolong"], [b"too", b"long"]])
def test_one_that_is_longer_than_it_says_is_cut_off(run, parts):
    raised = []

    def respond(exchange):
        try:
            exchange.write_headers(OK, HTTPHeaders({"Content-Length": "4"}), parts[0])
            for part in parts[1:]:
                exchange.write(part)
        except HTTPOutputError:
            raised.append(True)

    assert b"long" not in run(all_of_it, respond)
    assert raised


def test_one_that_is_shorter_is_cut_off(run):
    raised = []

    def respond(exchange):
        exchange.write_headers(OK, HTTPHeaders({"Content-Length": "9"}), b"short")
        try:
            exchange.finish()
        except HTTPOutputError:
            raised.append(True)

    assert run(all_of_it, respond).endswith((b"short", b""))
    assert raised


def test_nothing_is_written_behind_its_end(run):
    """It would be part of the next response."""

    def respond(exchange):
        exchange.write_headers(OK, HTTPHeaders({"Content-Length": "2"}), b"ok")
        exchange.finish()
        with pytest.raises(HTTPOutputError):
            exchange.write(b"more")

    async def story(world):
        return await world.respond(line("x") + line("x", "Connection: close"))

    assert run(story, respond).count(b"ok") == 2


def test_an_empty_part_does_not_end_it(run):
    def respond(exchange):
        exchange.write_headers(OK, HTTPHeaders(), b"")
        exchange.write(b"")
        exchange.write(b"a")
        exchange.finish()

    async def story(world):
        return await world.respond(line("x", "Connection: close"))

    assert run(story, respond).endswith(b"\r\n\r\n1\r\na\r\n0\r\n\r\n")


class TestWrites:
    """Their futures are done once the client, or the system, has taken what was written."""

    @pytest.fixture(params=LLHTTP)
    def unread(self, request):
        """Plays a story with the future of a large write, and a socket that reads nothing yet."""
        http, loop = request.param

        def unread(story):
            writes = []

            def respond(exchange):
                length = HTTPHeaders({"Content-Length": str(LARGE)})
                writes.append(exchange.write_headers(OK, length))
                writes.append(exchange.write(b"x" * LARGE))
                exchange.finish()

            class Responding(Message):
                def respond(self):
                    respond(self.exchange)

            async def play_it(world):
                with world.unread(line("x") + line("y")) as sock:
                    await world.until(lambda: len(writes) == 2)
                    await asyncio.sleep(0.05)
                    assert [write.done() for write in writes] == [True, False]
                    return await story(world, sock, writes)

            return play(play_it, lambda: World(http, Recorder(Responding)), loop)

        return unread

    def test_and_the_next_request_waits_for_it(self, unread):
        async def story(world, sock, writes):
            loop, received = asyncio.get_running_loop(), 0
            while received < LARGE:
                received += len(await loop.sock_recv(sock, 2**20))
                assert len(writes) == 2 or writes[1].done()
            await world.until(lambda: len(writes) == 4)
            assert writes[1].result() is None

        unread(story)

    def test_or_fail_once_it_has_left(self, unread):
        async def story(world, sock, writes):
            (connection,) = world.observer.open
            sock.close()
            with pytest.raises(ClientGoneError):
                await writes[1]
            assert connection.unsent == 0
            assert len(writes) == 2

        unread(story)

    def test_as_they_do_at_once_from_then_on(self, run):
        writes = []

        def respond(exchange):
            exchange._line.abort()
            writes.append(exchange.write_headers(OK, HTTPHeaders({"Content-Length": "2"})))
            writes.append(exchange.write(b"ok"))
            exchange.finish()

        assert run(all_of_it, respond) == b""
        for write in writes:
            assert isinstance(write.exception(), ClientGoneError)
