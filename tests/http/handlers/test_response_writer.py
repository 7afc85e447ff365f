"""The writer of a response: when it says that it is alive, and when it no longer waits."""

import asyncio
from types import SimpleNamespace

import pytest

from tornado_router.http.handlers import response_writer
from tornado_router.http.handlers.response_writer import ResponseWriter

COMMENT = b": hi\n\n"
STREAM = "text/event-stream"


class Handler:
    """Stands for a request; its client takes what is written when it is told to."""

    def __init__(self, seconds):
        server = SimpleNamespace(keepalive_seconds=seconds)
        config = SimpleNamespace(server=server)
        self.services = SimpleNamespace(serving=SimpleNamespace(config=config))
        self.connection = SimpleNamespace(unsent=0, abort=lambda: self.sent.append("abort"))
        self.request = SimpleNamespace(connection=SimpleNamespace(write=self.pass_on))
        self.headers = {}
        self.sent = []
        self.flushes = []

    def set_headers(self, headers):
        self.headers |= headers

    def set_header(self, name, value):
        self.headers[name] = value

    def begin(self, data):
        self.sent += [data] if data else []
        self.flushes.append(asyncio.Future())
        return self.flushes[-1]

    def pass_on(self, data):
        """What the connection does with a part that follows the head."""
        assert self.flushes, "the head is out"
        return self.begin(data)

    end = pass_on
    respond = begin

    def taken(self):
        for flush in self.flushes:
            if not flush.done():
                flush.set_result(None)


class World:
    def __init__(self, monkeypatch, seconds=15):
        self.now = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr(response_writer, "time", clock)
        self.handler = Handler(seconds)
        self.writer = ResponseWriter(self.handler)

    def keep_alive(self):
        self.writer.keep_alive(COMMENT, lambda: {"early": "1"}, STREAM)

    def sleep(self, seconds):
        """Time goes by, and the sweep looks every half second."""
        for _ in range(int(seconds * 2)):
            self.now += 0.5
            self.writer.look_after(self.now)

    @property
    def comments(self):
        return self.handler.sent.count(COMMENT)


@pytest.fixture
def world(monkeypatch):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield lambda **options: World(monkeypatch, **options)
    asyncio.set_event_loop(None)
    loop.close()


def test_a_silent_stream_says_so_again_and_again(world):
    at = world()
    at.keep_alive()
    at.sleep(14.5)
    assert not at.writer.begun
    at.sleep(0.5)
    assert at.comments == 1
    assert at.writer.begun
    assert at.handler.headers["early"] == "1"
    assert at.handler.headers["Content-Type"] == STREAM
    assert at.handler.headers["X-Accel-Buffering"] == "no"
    at.sleep(29.5)
    assert at.comments == 2


def test_another_head_comes_too_late(world):
    at = world()
    at.keep_alive()
    at.sleep(15)
    at.writer.begin({"late": "1"}, STREAM, stream=True)
    assert "late" not in at.handler.headers


def test_one_that_writes_says_nothing(world):
    at = world()
    at.keep_alive()
    at.writer.begin({"late": "1"}, STREAM, stream=True)
    for _ in range(10):
        at.sleep(14)
        at.writer.write(b"x")
        at.handler.taken()
    assert at.comments == 0
    assert at.handler.headers["late"] == "1"
    at.sleep(15.5)
    assert at.comments == 1
    assert "early" not in at.handler.headers


def test_a_client_that_does_not_read_is_told_nothing(world):
    at = world()
    at.keep_alive()
    at.writer.write(b"x")  # which is not taken
    at.sleep(100)
    assert at.comments == 0
    at.handler.taken()
    at.handler.connection.unsent = 1
    at.sleep(100)
    assert at.comments == 0
    at.handler.connection.unsent = 0
    at.sleep(0.5)
    assert at.comments == 1


def test_nobody_waits_for_a_client_that_does_not_read_a_comment(world):
    at = world()
    at.keep_alive()
    at.sleep(15)
    assert not at.handler.flushes[-1].done()
    assert not at.writer.is_waiting


@pytest.mark.parametrize("end", ["finish", "abort"])
def test_behind_the_end_nothing_is_said(world, end):
    at = world()
    at.keep_alive()
    getattr(at.writer, end)(*([b"x"] if end == "finish" else []))
    at.handler.taken()
    at.sleep(100)
    assert at.comments == 0


def test_it_can_be_switched_off(world):
    at = world(seconds=0)
    at.keep_alive()
    at.sleep(1000)
    assert at.handler.sent == []
    assert not at.writer.begun


@pytest.mark.parametrize("seconds", [0, 15])
def test_an_end_is_awaited_for_a_moment(world, seconds):
    at = world(seconds=seconds)
    gave_up = []
    at.keep_alive()
    at.writer.write(b"x")
    at.handler.taken()
    at.sleep(14)
    at.writer.await_end(2, lambda: gave_up.append(at.now))
    at.sleep(1.5)
    at.writer.write(b"y")
    at.handler.taken()
    at.sleep(1.5)
    assert gave_up == []
    at.sleep(1)
    assert len(gave_up) == 1
    assert at.comments == 0


def test_a_response_that_is_no_stream_is_left_alone(world):
    at = world()
    at.sleep(1000)
    assert at.handler.sent == []


@pytest.mark.parametrize(
    ("size", "unsent", "flushes"), [(100_000, 0, 2), (100_000, 7, 1), (1000, 0, 1)]
)
def test_the_head_of_a_large_response_goes_first_if_nothing_else_waits(
    world, size, unsent, flushes
):
    handler = world().handler
    handler.connection.unsent = unsent
    writer = ResponseWriter(handler)
    writer.begin({}, "application/json", stream=False)
    assert writer.finish(b"x" * size) is handler.flushes[-1]
    assert len(handler.flushes) == flushes
    assert handler.headers.get("Content-Length", str(size)) == str(size)
    assert handler.sent == [b"x" * size]
