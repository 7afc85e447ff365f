"""What the router uses of aiohttp beyond its public interface: there, and with the same meaning.

If one of these fails after an update of aiohttp, `aiohttp_internals.py` is the only file to mend.
"""

import asyncio

import aiohttp
import pytest

from tornado_router.calls.upstream.aiohttp_internals import CHECKED, limit_silence, unread

from .vendor import CHUNKED, END, SHORT, WHOLE, Vendor, never, piece, post, serving

pytestmark = pytest.mark.usefixtures("aiohttp_client")
VERSION = f"aiohttp {aiohttp.__version__}; checked with {' to '.join(CHECKED)}"


def open_response(script, look):
    """What `look` finds out about a response that has begun."""

    async def main():
        vendor = serving(Vendor(script))
        async with vendor as (client, url), await client._open(post(url)) as response:
            return await look(response)

    return asyncio.run(main())


@pytest.mark.parametrize("name", ["_acquired", "_conns", "_waiters"])
def test_a_pool_has_what_its_numbers_are_made_of(name):
    async def main():
        async with serving(Vendor()) as (client, _):
            assert hasattr(client.pool, name), f"TCPConnector.{name} is gone: {VERSION}"

    asyncio.run(main())


def test_a_body_gives_what_was_received_of_it():
    async def look(response):
        await response.content.readexactly(2)
        return hasattr(response.content, "_read_nowait") and unread(response)

    assert open_response([WHOLE], look) == b"llo", f"StreamReader._read_nowait: {VERSION}"


@pytest.mark.parametrize("name", ["read_timeout", "start_timeout", "_reading_paused"])
def test_a_connection_has_what_its_time_out_is_set_by(name):
    async def look(response):
        protocol = response.connection.protocol
        assert hasattr(protocol, name), f"ResponseHandler.{name} is gone: {VERSION}"

    open_response([CHUNKED, piece(b"a"), never()], look)


def test_silence_is_limited_once_a_response_has_begun():
    async def look(response):
        limit_silence(response, SHORT)
        with pytest.raises(aiohttp.SocketTimeoutError):
            await response.read()

    open_response([CHUNKED, piece(b"a"), never()], look)


def test_no_limit_is_one_too():
    async def look(response):
        limit_silence(response, None)
        return await response.read()

    assert open_response([CHUNKED, piece(b"a"), END], look) == b"a"


def test_a_response_that_was_read_has_nothing_to_limit():
    async def look(response):
        await response.read()
        limit_silence(response, SHORT)

    open_response([WHOLE], look)


def test_a_response_that_nobody_reads_is_not_cut_for_its_silence():
    """The vendor is silent as we do not read: a limit set then would end a good stream."""

    async def look(response):
        async with asyncio.timeout(30):
            while not response.connection.protocol._reading_paused:  # noqa: ASYNC110
                await asyncio.sleep(0)
        limit_silence(response, SHORT)
        await asyncio.sleep(4 * SHORT)
        return len(await response.read())

    size = 8 * 1024 * 1024
    assert open_response([CHUNKED, piece(b"a" * size), END], look) == size


def test_a_pool_counts_its_connections():
    async def main():
        go_on = asyncio.Event()
        script = [go_on, WHOLE]
        vendor = Vendor(*([script] * 5))
        async with serving(vendor, max_connections=2) as (client, url):
            pool = client.pool
            assert (pool.in_use, pool.idle, pool.waiting, pool.limit) == (0, 0, 0, 2)
            calls = asyncio.gather(*(client.send(post(url)) for _ in range(5)))
            async with asyncio.timeout(30):
                while len(vendor.requests) < 2 or pool.waiting < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            assert (pool.in_use, pool.idle, pool.waiting) == (2, 0, 3)
            go_on.set()
            await calls
            assert (pool.in_use, pool.idle, pool.waiting) == (0, 2, 0)

    asyncio.run(main())
