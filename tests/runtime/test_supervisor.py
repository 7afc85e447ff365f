"""The supervisor of workers where the system has nothing left; the rest is in tests/e2e."""

import asyncio
import errno
import sys

import pytest
from loguru import logger

from tornado_router.runtime import supervisor, worker
from tornado_router.runtime.supervisor import Supervisor

WORKER = (
    "import os, json, signal, socket; "
    f"life = socket.socket(fileno=json.loads(os.environ[{worker.VARIABLE!r}])[-1]); "
    "life.send(b'.'); signal.sigwait([signal.SIGTERM])"
)


@pytest.fixture
def errors():
    lines = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="ERROR")
    yield lines
    logger.remove(sink)


@pytest.mark.parametrize("place", ["socketpair", "fork"])
def test_a_worker_that_could_not_be_started_is_started_later(monkeypatch, errors, place):
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)
    home, name = {
        "socketpair": (worker.socket, "socketpair"),
        "fork": (asyncio, "create_subprocess_exec"),
    }[place]
    whole, left = getattr(home, name), iter([True, True])

    def fail(*args, **options):
        if next(left, False):
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        return whole(*args, **options)

    async def main():
        made = Supervisor([sys.executable, "-c", WORKER], 1, "127.0.0.1", 0, 1.0)
        ready = asyncio.Event()
        monkeypatch.setattr(home, name, fail)
        running = asyncio.get_running_loop().create_task(made.run(ready.set))
        await asyncio.wait_for(ready.wait(), 60)
        made._stopping.set()
        assert await asyncio.wait_for(running, 60) == 0
        for item in made._seats[0].sockets:
            item.close()

    asyncio.run(main())
    said = "worker 0 could not be started ([Errno 11] Resource temporarily unavailable)"
    assert [line.partition(";")[0] for line in errors] == [said, said]
