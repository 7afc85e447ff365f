"""The requests that a stop waits for."""

import asyncio

from tornado_router.http.running_requests import RunningRequests


def test_finished_waits_until_there_is_none():
    async def main():
        requests = RunningRequests()
        assert await requests.finished(30)
        requests.begin("a")
        requests.begin("b")
        assert requests.count == 2
        assert not await requests.finished(0.001)
        loop = asyncio.get_running_loop()
        loop.call_soon(requests.end, "a")
        loop.call_soon(requests.end, "b")
        assert await requests.finished(30)
        assert requests.count == 0

    asyncio.run(main())


def test_an_end_that_comes_twice_does_no_harm():
    async def main():
        requests = RunningRequests()
        requests.begin("a")
        requests.begin("b")
        requests.end("a")
        requests.end("a")
        assert requests.count == 1

    asyncio.run(main())
