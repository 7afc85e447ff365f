"""The pool: so many connections at once, first come, first served, none lost."""

import asyncio
import contextlib

import pytest
import uvloop

from tornado_router.calls.upstream.request_head import Heads
from tornado_router.errors import ProviderError

from .vendor import WHOLE, Vendor, never, post, serving

pytestmark = pytest.mark.usefixtures("llhttp_client")


class Gate(Vendor):
    """Responds to each request once it is let through; `order` has what they ask for."""

    def __init__(self):
        super().__init__()
        self.order = []
        self.open = asyncio.Semaphore(0)

    async def handle(self, reader, writer):
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.order.append(head.split(b" ")[1].decode())
                await self.open.acquire()
                writer.write(WHOLE)
        self.gone.set()
        writer.close()

    async def asked_for(self, count):
        await reached(lambda: len(self.order) >= count)


async def reached(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


def start(client, url, name):
    return asyncio.get_running_loop().create_task(client.send(post(f"{url}/{name}", b"")))


def test_who_waits_longest_is_next():
    async def main():
        gate = Gate()
        async with serving(gate, max_connections=1) as (client, url):
            tasks = [start(client, url, number) for number in range(5)]
            for _ in range(5):
                gate.open.release()
                await gate.asked_for(1)
            await reached(lambda: client.pool.waiting == 0)
            await asyncio.gather(*tasks)
        return gate.order, gate.connections

    assert asyncio.run(main()) == ([f"/v1/{number}" for number in range(5)], 1)


def test_who_comes_later_does_not_pass_by():
    async def main():
        gate = Gate()
        async with serving(gate, max_connections=1) as (client, url):
            tasks = [start(client, url, "a"), start(client, url, "b")]
            await reached(lambda: client.pool.waiting == 1)
            # It comes in the very turn in which the connection is free, before "b" has run.
            tasks[0].add_done_callback(lambda _: tasks.append(start(client, url, "c")))
            for _ in range(3):
                gate.open.release()
            await reached(lambda: len(tasks) == 3)
            await asyncio.gather(*tasks)
        return gate.order

    assert asyncio.run(main()) == ["/v1/a", "/v1/b", "/v1/c"]


def test_who_left_is_passed_over():
    async def main():
        gate = Gate()
        async with serving(gate, max_connections=1) as (client, url):
            first, second, third = (start(client, url, name) for name in "abc")
            await reached(lambda: client.pool.waiting == 2)
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
            assert client.pool.waiting == 1
            for _ in range(2):
                gate.open.release()
            await asyncio.gather(first, third)
            assert (client.pool.in_use, client.pool.idle) == (0, 1)
        return gate.order

    assert asyncio.run(main()) == ["/v1/a", "/v1/c"]


async def handed_on(client, url, then):
    """What becomes of two that wait, once the only connection is given on."""
    pool, origin = client.pool, Heads().find(post(url)).origin
    first = await pool.get(origin)
    loop = asyncio.get_running_loop()
    second, third = (loop.create_task(pool.get(origin)) for _ in range(2))
    await reached(lambda: pool.waiting == 2)
    pool._release(first, True)
    then(pool, origin, second)
    found = await asyncio.gather(second, return_exceptions=True)
    if found[0] is first:
        pool._release(first, True)
    assert await third is first
    pool._release(first, True)
    assert (pool.in_use, pool.idle, pool.waiting) == (0, 1, 0)
    return found[0] is first


def test_what_was_given_on_cannot_be_taken():
    def take(pool, origin, _):
        assert pool.take(origin) is None

    async def main():
        async with serving(Vendor(), max_connections=1) as (client, url):
            return await handed_on(client, url, take)

    assert asyncio.run(main())


def test_who_is_given_one_and_leaves_gives_it_on():
    async def main():
        async with serving(Vendor(), max_connections=1) as (client, url):
            return await handed_on(client, url, lambda *args: args[-1].cancel())

    assert not asyncio.run(main())


@pytest.mark.parametrize("turns", range(6))
def test_who_leaves_just_then_gives_its_place_on(turns):
    async def main():
        gate = Gate()
        async with serving(gate, max_connections=1) as (client, url):
            first, second, third = (start(client, url, name) for name in "abc")
            await reached(lambda: client.pool.waiting == 2)
            first.add_done_callback(lambda _: [leave() for leave in leaves])
            leaves = [second.cancel]
            if turns:
                first.remove_done_callback(first)  # nothing: `second` leaves some turns later
            for _ in range(3):
                gate.open.release()
            await first
            for _ in range(turns):
                await asyncio.sleep(0)
            await asyncio.gather(second, return_exceptions=True)
            await third
            assert (client.pool.in_use, client.pool.idle, client.pool.waiting) == (0, 1, 0)

    asyncio.run(main())


def test_a_failure_to_connect_gives_its_place_on(closed_port):
    async def main():
        gate = Gate()
        gate.open.release()
        async with serving(gate, max_connections=1) as (client, url):
            nowhere = f"http://127.0.0.1:{closed_port}"
            tasks = [start(client, nowhere, n) for n in range(5)] + [start(client, url, "a")]
            *failed, served = await asyncio.gather(*tasks, return_exceptions=True)
            assert {error.code for error in failed} == {"connection_error"}
            assert served.body == b"hello"
            assert (client.pool.in_use, client.pool.waiting) == (0, 0)

    asyncio.run(main())


def test_hosts_share_the_limit():
    """One that is kept for another host is closed for a new one."""

    async def main():
        one, other = Gate(), Gate()
        async with (
            serving(one, max_connections=1) as (client, url),
            serving(other) as (_, elsewhere),
        ):
            for number in range(3):
                for gate, place in ((one, url), (other, elsewhere)):
                    gate.open.release()
                    await client.send(post(place, b""))
                    assert client.pool.idle == 1
                    assert number < gate.connections
            await asyncio.wait_for(one.gone.wait(), 30)
            assert client.pool.in_use == 0
            await client.close()

    asyncio.run(main())


def test_the_connection_that_was_used_last_is_used_first():
    """So that those beyond the need are closed in time."""

    async def main():
        gate = Gate()
        async with serving(gate, max_connections=9) as (client, url):
            tasks = [start(client, url, number) for number in range(3)]
            await gate.asked_for(3)
            for _ in range(13):
                gate.open.release()
            await asyncio.gather(*tasks)
            assert client.pool.idle == 3
            (kept,) = client.pool._idle.values()
            last = kept[-1]
            for _ in range(10):
                await client.send(post(url, b""))
                assert kept[-1] is last

    asyncio.run(main())


def test_a_replacement_is_made_before_others_are_served():
    """A request whose kept connection was closed has waited already."""

    async def main():
        go = asyncio.Event()
        vendor = Vendor([WHOLE], [go, None], [WHOLE], [WHOLE])
        async with serving(vendor, max_connections=1) as (client, url):
            await client.send(post(url))
            tasks = [start(client, url, "a"), start(client, url, "b")]
            await reached(lambda: client.pool.waiting == 1)
            go.set()
            await asyncio.gather(*tasks)
        return [request.split(b" ")[1] for request in vendor.requests]

    assert asyncio.run(main())[2:] == [b"/v1/a", b"/v1/b"]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_closing_ends_all_of_it(run):
    async def main():
        vendor = Vendor([WHOLE], [never()])
        async with serving(vendor, max_connections=1) as (client, url):
            await client.send(post(url))
            tasks = [start(client, url, "a"), start(client, url, "b")]
            await reached(lambda: client.pool.waiting == 1)
            await client.close()
            for error in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(error, ProviderError)
                assert error.code == "connection_error"
            pool = client.pool
            assert (pool.in_use, pool.idle, pool.waiting) == (0, 0, 0)

    run(main())
