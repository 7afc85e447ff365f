"""Tries of keys that do not exist are counted by network, for a minute."""

import asyncio

import pytest

from tornado_router.accounts import unknown_keys
from tornado_router.accounts.unknown_keys import FREE_TRIES, MINUTE, UnknownKeyThrottle
from tornado_router.errors import ApiError

HOME, ELSEWHERE = "2001:db8:1:2::1", "2001:db8:9::1"
NEIGHBOUR = "2001:db8:1:2::2"
"""Of the same customer as HOME."""


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(unknown_keys, "time", clock)
    return clock


def free(throttle, *addresses):
    """Of which addresses a look-up need not wait while another one is under way."""

    async def look_up(address, found):
        async with throttle.turn(address):
            found.append(address)

    async def main():
        found = []
        throttle._turn = asyncio.Lock()
        async with throttle._turn:
            tasks = [asyncio.ensure_future(look_up(address, found)) for address in addresses]  # noqa: TID251
            for _ in range(5):
                await asyncio.sleep(0)
            at_once = list(found)
        await asyncio.gather(*tasks)
        assert sorted(found) == sorted(addresses)
        return at_once

    return asyncio.run(main())


def tried(times):
    throttle = UnknownKeyThrottle()
    for _ in range(times):
        throttle.count(HOME)
    return throttle


def test_a_few_tries_are_free(clock):
    assert free(tried(FREE_TRIES - 1), HOME) == [HOME]


def test_then_the_network_queues_and_no_other(clock):
    throttle = tried(FREE_TRIES)
    assert free(throttle, HOME, NEIGHBOUR, ELSEWHERE) == [ELSEWHERE]


def test_a_minute_later_it_is_free_again(clock):
    throttle = tried(FREE_TRIES)
    clock.now += MINUTE
    assert free(throttle, HOME) == [HOME]
    throttle.count(HOME)
    assert free(throttle, HOME) == [HOME]


def test_a_full_queue_refuses(clock, monkeypatch):
    monkeypatch.setattr(unknown_keys, "WAITING", 0)

    async def main():
        async with tried(FREE_TRIES).turn(HOME):
            pass

    with pytest.raises(ApiError) as caught:
        asyncio.run(main())
    assert (caught.value.status, caught.value.code) == (429, "rate_limit_exceeded")
    assert caught.value.headers["Retry-After"] == "1"


def test_networks_are_bounded(clock, monkeypatch):
    monkeypatch.setattr(unknown_keys, "NETWORKS", 10)
    throttle = UnknownKeyThrottle()
    for number in range(50):
        throttle.count(f"192.0.2.{number}")
    assert len(throttle._tries) == 10
