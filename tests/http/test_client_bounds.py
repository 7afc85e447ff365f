"""Clients that want too much at once, or hold a connection for nothing."""

import asyncio
from types import SimpleNamespace as Namespace

import pytest

from tornado_router.config.options import ServerOptions
from tornado_router.errors import ApiError
from tornado_router.http import client_bounds
from tornado_router.http.client_bounds import Overload

from ..support import DEADLINE


class Stream:
    def __init__(self):
        self.is_closed = False

    def closed(self):
        return self.is_closed

    def close(self):
        self.is_closed = True


class Connection:
    def __init__(self):
        self.stream = Stream()


class Request:
    remote_ip = "127.0.0.1"

    def __init__(self):
        self.connection = Connection()


class Writer:
    def __init__(self):
        self.request = Request()
        self.blocked_since = None


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(client_bounds, "SWEEP_SECONDS", 0.01)


def watched(options, *work, seconds=0.3):
    """Whether the router hung up on each, having watched them for so long."""

    async def main():
        guard = Overload(ServerOptions(**options))
        guard.start()
        requests = [begin(guard) for begin in work]
        await asyncio.sleep(seconds)
        guard.close()
        return [request.connection.stream.is_closed for request in requests]

    return asyncio.run(main())


class TestCalls:
    def test_there_are_no_more_than_configured(self):
        guard = Overload(ServerOptions(max_calls=2))
        guard.begin_call()
        guard.begin_call()
        with pytest.raises(ApiError) as caught:
            guard.begin_call()
        assert (caught.value.status, caught.value.code) == (503, "overloaded")
        assert caught.value.headers == {"Retry-After": "1"}
        guard.end_call()
        guard.begin_call()
        assert guard.calls == 2


class TestHeads:
    @staticmethod
    def silent(guard):
        connection = Connection()
        guard.opened(connection.stream, "127.0.0.1")
        return Namespace(connection=connection)

    @staticmethod
    def asking(guard):
        request = Request()
        guard.opened(request.connection.stream, "127.0.0.1")
        guard.arriving(request)
        guard.arrived(request)
        return request

    def test_who_connects_and_asks_nothing_is_hung_up_on(self):
        assert watched({"body_seconds": 0.05}, self.silent, self.asking) == [True, False]

    def test_but_not_too_soon(self):
        assert watched({"body_seconds": 60.0}, self.silent) == [False]

    def test_connections_that_are_gone_are_forgotten(self):
        async def main():
            guard = Overload(ServerOptions())
            guard.start()
            self.silent(guard).connection.stream.close()
            async with asyncio.timeout(DEADLINE):
                while guard._opened:  # noqa: ASYNC110 - nothing tells when
                    await asyncio.sleep(0.01)
            guard.close()

        asyncio.run(main())


class TestBodies:
    @staticmethod
    def slow(guard):
        request = Request()
        guard.arriving(request)
        return request

    @staticmethod
    def quick(guard):
        request = Request()
        guard.arriving(request)
        guard.arrived(request)
        return request

    def test_who_sends_too_slowly_is_hung_up_on(self):
        assert watched({"body_seconds": 0.05}, self.slow, self.quick) == [True, False]

    def test_but_not_too_soon(self):
        assert watched({"body_seconds": 60.0}, self.slow) == [False]


class TestStreams:
    @staticmethod
    def stalled(guard):
        writer = Writer()
        guard.begin_writing(writer)
        writer.blocked_since = 0.0
        return writer.request

    @staticmethod
    def waiting_for_the_provider(guard):
        writer = Writer()
        guard.begin_writing(writer)
        return writer.request

    @staticmethod
    def over(guard):
        writer = Writer()
        guard.begin_writing(writer)
        writer.blocked_since = 0.0
        guard.end_writing(writer)
        return writer.request

    def test_who_does_not_read_is_hung_up_on(self):
        begin = (self.stalled, self.waiting_for_the_provider, self.over)
        assert watched({"stalled_seconds": 0.05}, *begin) == [True, False, False]
