"""Clients that want too much at once, or keep a connection without progress."""

import asyncio
import itertools

import pytest
from loguru import logger

from tornado_router.config.options import ServerOptions
from tornado_router.errors import ApiError
from tornado_router.http import client_bounds
from tornado_router.http.client_bounds import PROGRESS_BYTES, ClientBounds

from ..support import DEADLINE


class Connection:
    def __init__(self, peer="127.0.0.1"):
        self.peer = peer

    secure = False
    unsent = 0
    taken = 0
    aborted = False

    def abort(self):
        self.aborted = True


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(client_bounds, "time", clock)
    return clock


@pytest.fixture
def make():
    def make(**options):
        return ClientBounds(ServerOptions(**options))

    return make


@pytest.fixture
def lines():
    lines = []
    sink = logger.add(lines.append, format="{message}")
    yield lines
    logger.remove(sink)


def fresh(bounds, peer="127.0.0.1"):
    connection = Connection(peer)
    assert bounds.opened(connection)
    return connection


def receiving(bounds, peer="127.0.0.1"):
    connection = fresh(bounds, peer)
    bounds.receiving(connection)
    return connection


def serving(bounds, peer="127.0.0.1"):
    connection = receiving(bounds, peer)
    bounds.received(connection)
    return connection


def idle(bounds, peer="127.0.0.1"):
    connection = serving(bounds, peer)
    bounds.responded(connection)
    return connection


def unread(bounds):
    connection = serving(bounds)
    connection.unsent = 100_000
    return connection


def unread_but_over(bounds):
    connection = unread(bounds)
    bounds.responded(connection)
    return connection


@pytest.fixture
def aborted(clock, make):
    """Which connections are aborted within some seconds, a sweep in each."""

    def aborted(options, seconds, *begins, meanwhile=lambda connection: None):
        bounds = make(**options)
        connections = [begin(bounds) for begin in begins]
        for _ in range(seconds):
            clock.now += 1
            bounds.sweep()
            for connection in connections:
                meanwhile(connection)
        return [connection.aborted for connection in connections]

    return aborted


class TestCalls:
    def test_there_are_no_more_than_configured(self, make):
        bounds = make(max_calls=2)
        bounds.begin_call()
        bounds.begin_call()
        with pytest.raises(ApiError) as caught:
            bounds.begin_call()
        assert (caught.value.status, caught.value.code) == (503, "overloaded")
        assert caught.value.headers == {"Retry-After": "1"}
        bounds.end_call()
        bounds.begin_call()
        assert bounds.calls == 2


class TestIdle:
    def test_a_connection_is_closed_after_idle_seconds(self, aborted):
        options = {"idle_seconds": 5.0, "body_seconds": 100.0, "stalled_seconds": 100.0}
        begins = (idle, fresh, receiving, serving, unread, unread_but_over)
        assert not any(aborted(options, 5, *begins))
        assert aborted(options, 6, *begins) == [True, True, False, False, False, False]

    def test_it_counts_from_the_last_response(self, make, clock):
        bounds = make(idle_seconds=5.0)
        first, second = idle(bounds), idle(bounds)
        clock.now += 4
        bounds.receiving(first)
        bounds.received(first)
        bounds.responded(first)
        clock.now += 2
        bounds.sweep()
        assert (first.aborted, second.aborted) == (False, True)


class TestConnections:
    def test_beyond_the_limit_the_longest_idle_one_makes_room(self, make):
        bounds = make(max_connections=3)
        busy, first, second = serving(bounds), idle(bounds), idle(bounds)
        new = serving(bounds)
        assert [item.aborted for item in (busy, first, second)] == [False, True, False]
        newer = serving(bounds)
        assert [item.aborted for item in (busy, second, new)] == [False, True, False]
        assert set(bounds.connections) == {busy, new, newer}
        assert bounds.refused == 0

    def test_so_does_one_that_never_sent_a_request(self, make):
        bounds = make(max_connections=2)
        _, silent = serving(bounds), fresh(bounds)
        fresh(bounds)
        assert silent.aborted

    def test_but_not_one_that_is_written_to(self, make):
        bounds = make(max_connections=1)
        writing = idle(bounds)
        writing.unsent = 1
        assert not bounds.opened(Connection())
        assert not writing.aborted

    def test_nor_one_that_has_become_busy(self, make):
        bounds = make(max_connections=3)
        first, second, third = idle(bounds), idle(bounds), idle(bounds)
        bounds.opened(Connection())
        bounds.receiving(second)
        bounds.opened(Connection())
        assert [item.aborted for item in (first, second, third)] == [True, False, True]

    def test_if_all_are_in_use_a_new_one_is_refused(self, make):
        bounds = make(max_connections=2)
        busy = [serving(bounds), receiving(bounds)]
        assert not bounds.opened(Connection())
        assert bounds.refused == 1
        assert [item.aborted for item in busy] == [False, False]
        bounds.closed(busy[0])
        assert bounds.opened(Connection())

    def test_those_refused_are_logged_once_a_sweep(self, make, lines):
        bounds = make(max_connections=1)
        serving(bounds)
        for _ in range(3):
            bounds.opened(Connection())
        bounds.sweep()
        bounds.sweep()
        assert lines == ["connections refused, as max_connections are open and in use: 3\n"]

    def test_what_comes_of_a_closed_one_is_ignored(self, make):
        bounds = make()
        connection = fresh(bounds)
        bounds.closed(connection)
        for note in (bounds.receiving, bounds.received, bounds.responded, bounds.closed):
            note(connection)
        assert not bounds.connections

    def test_one_that_is_over_makes_room_and_no_stop_waits_for_it(self, make):
        bounds = make(max_connections=1)
        first = receiving(bounds)
        assert bounds.arriving == 1
        bounds.ended(first)
        assert bounds.arriving == 0
        assert bounds.opened(Connection())
        assert first.aborted


MINE, OTHER = "192.0.2.1", "192.0.2.2"


class TestAddresses:
    def test_one_has_no_more_than_configured(self, make):
        bounds = make(max_connections_per_address=2)
        serving(bounds, MINE)
        first = serving(bounds, MINE)
        assert not bounds.opened(Connection(MINE))
        assert bounds.opened(Connection(OTHER))
        bounds.closed(first)
        assert bounds.opened(Connection(MINE))
        assert bounds.refused == 1

    def test_its_own_idle_one_makes_room_and_no_other(self, make):
        bounds = make(max_connections_per_address=3)
        other = idle(bounds, OTHER)
        connections = serving(bounds, MINE), idle(bounds, MINE), idle(bounds, MINE)
        assert bounds.opened(Connection(MINE))
        assert [item.aborted for item in (other, *connections)] == [False, False, True, False]

    @pytest.mark.parametrize(
        ("first", "second", "same"),
        [
            ("2001:db8::1", "2001:db8::2", True),
            ("2001:db8:0:0:ffff::", "2001:db8::", True),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
            ("::ffff:192.0.2.1", "192.0.2.1", True),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ],
    )
    def test_a_network_of_ipv6_counts_as_one(self, make, first, second, same):
        bounds = make(max_connections_per_address=1)
        serving(bounds, first)
        assert bounds.opened(Connection(second)) != same

    def test_a_trusted_proxy_has_no_limit_of_its_own(self, make):
        bounds = make(
            max_connections=5, max_connections_per_address=1, trusted_proxies=("10.0.0.0/8",)
        )
        for _ in range(5):
            serving(bounds, "10.1.2.3")
        assert not bounds.opened(Connection("10.1.2.3"))

    def test_nothing_is_remembered_of_those_that_left(self, make):
        bounds = make()
        for number in range(10):
            bounds.closed(fresh(bounds, f"192.0.2.{number}"))
        assert not bounds._networks

    def test_those_refused_are_logged_as_what_they_are(self, make, lines):
        bounds = make(max_connections=2, max_connections_per_address=1)
        serving(bounds, MINE)
        for _ in range(3):
            bounds.opened(Connection(MINE))
        serving(bounds, OTHER)
        bounds.opened(Connection("192.0.2.3"))
        bounds.sweep()
        bounds.sweep()
        assert lines == [
            "connections refused, as max_connections are open and in use: 1\n",
            "connections refused, as their address has max_connections_per_address open and in "
            "use: 3 (is it a proxy? trusted_proxies have no such limit)\n",
        ]


class TestDescriptors:
    """The process has no more of them."""

    def test_the_longest_idle_connections_are_closed(self, make, clock):
        bounds = make()
        busy, *resting = serving(bounds), *(idle(bounds) for _ in range(20))
        clock.now += 1
        bounds.exhausted()
        assert not busy.aborted
        assert [item.aborted for item in resting] == [True] * 16 + [False] * 4

    def test_not_those_whose_request_may_not_be_read_yet(self, make, clock):
        bounds = make()
        old = idle(bounds)
        clock.now += 1
        new = idle(bounds)
        bounds.exhausted()
        assert (old.aborted, new.aborted) == (True, False)

    def test_a_line_a_minute_says_so(self, make, clock, lines):
        bounds = make()
        idle(bounds)
        clock.now += 1
        for _ in range(121):
            bounds.exhausted()
            clock.now += 1
        first, *others = lines
        assert first == (
            "no more open files are allowed (ulimit -n), so clients have to wait; idle "
            "connections closed: 1\n"
        )
        assert len(others) == 2


class TestRequests:
    def test_one_that_does_not_come_closes_its_connection(self, aborted):
        begins = (fresh, receiving, serving, idle)
        assert aborted({"body_seconds": 5}, 6, *begins) == [True, True, False, False]

    def test_but_not_too_soon(self, aborted):
        assert aborted({"body_seconds": 5}, 5, fresh, receiving) == [False, False]

    @pytest.mark.parametrize("kind", ["request", "response"])
    def test_a_further_one_of_a_connection_that_was_idle_for_long(self, make, clock, kind):
        bounds = make(body_seconds=5, stalled_seconds=5)
        connection = idle(bounds)
        for second in range(20):
            clock.now += 1
            bounds.sweep()
            if second == 9:
                assert not connection.aborted
                bounds.receiving(connection)
                if kind == "response":
                    bounds.received(connection)
                    connection.unsent = 100_000
                    bounds.responded(connection)
        assert connection.aborted


class TestResponses:
    def test_one_that_is_not_read_closes_its_connection(self, aborted):
        begins = (unread, unread_but_over, serving)
        assert aborted({"stalled_seconds": 5}, 7, *begins) == [True, True, False]

    def test_but_not_too_soon(self, aborted):
        assert aborted({"stalled_seconds": 5}, 6, unread) == [False]

    @pytest.mark.parametrize(("step", "gone"), [(PROGRESS_BYTES // 4, False), (1, True)])
    def test_who_reads_slowly_has_to_make_progress(self, aborted, step, gone):
        def read_on(connection):
            connection.taken += step

        assert aborted({"stalled_seconds": 5}, 60, unread, meanwhile=read_on) == [gone]

    def test_who_has_read_everything_begins_anew(self, aborted):
        numbers = itertools.count()

        def read_now_and_then(connection):
            connection.unsent = 100_000 if next(numbers) % 5 else 0

        options = {"stalled_seconds": 5}
        assert aborted(options, 60, unread, meanwhile=read_now_and_then) == [False]


def test_it_sweeps_by_itself(clock, monkeypatch):
    monkeypatch.setattr(client_bounds, "SWEEP_SECONDS", 0.01)

    async def main():
        bounds = ClientBounds(ServerOptions())
        connection = fresh(bounds)
        bounds.start()
        async with asyncio.timeout(DEADLINE):
            while not connection.aborted:
                clock.now += 10
                await asyncio.sleep(0.01)
        bounds.close()

    asyncio.run(main())
