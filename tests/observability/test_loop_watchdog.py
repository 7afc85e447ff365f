"""Whoever blocks the event loop is named."""

import asyncio
import threading
import time
from types import ModuleType

import pytest
from loguru import logger

from tornado_router.observability import loop_watchdog
from tornado_router.observability.loop_watchdog import LoopWatchdog


class Report:
    """Waits, on whatever thread, until something was logged."""

    def __init__(self):
        self.lines = []
        self.came = threading.Event()

    def __call__(self, message):
        self.lines.append(message.record["message"])
        self.came.set()

    def wait(self):
        assert self.came.wait(30), "nothing was reported"


@pytest.fixture
def report():
    report = Report()
    sink = logger.add(report, level="ERROR")
    yield report
    logger.remove(sink)


def plugin(name):
    """A module whose function `wait_for` blocks."""
    module = ModuleType(name)
    exec("def wait_for(report):\n    report.wait()", module.__dict__)
    return module


def block(work, *args):
    async def main():
        loop_watchdog = LoopWatchdog({"acme": "tornado-llm-acme 1.2"}, blocked_seconds=0.01)
        work(*args)
        loop_watchdog.close()

    asyncio.run(main())


def test_a_plugin_is_named_by_its_distribution(report):
    block(plugin("acme.models.chat").wait_for, report)
    assert len(report.lines) == 1
    assert report.lines[0].startswith(
        "the plugin tornado-llm-acme 1.2 blocks the event loop, and every call with it, in "
    )


def test_anybody_else_is_the_router(report):
    block(plugin("acmeist").wait_for, report)
    assert report.lines[0].startswith("the router blocks the event loop")


def test_it_stops_when_it_is_closed():
    async def main():
        before = threading.active_count()
        loop_watchdog = LoopWatchdog({})
        assert threading.active_count() == before + 1
        loop_watchdog.close()
        assert threading.active_count() == before

    asyncio.run(main())


BLOCK = 0.3


def watch(work):
    """Runs a coroutine with a watchdog that beats quickly."""

    async def main():
        watching = LoopWatchdog({}, blocked_seconds=60)
        try:
            await work(watching)
        finally:
            watching.close()

    asyncio.run(main())


async def beats(watching, count):
    for _ in range(count):
        last = watching._last_beat
        while watching._last_beat == last:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(loop_watchdog, "BEAT_SECONDS", 0.01)


@pytest.mark.usefixtures("quick")
class TestLag:
    def test_a_block_is_seen_by_who_comes_later(self):
        async def work(watching):
            await beats(watching, 1)
            time.sleep(BLOCK)  # noqa: ASYNC251 - it is what is looked for
            await beats(watching, 5)
            assert watching.lag >= BLOCK - 0.01  # a beat was due within so long

        watch(work)

    def test_a_block_is_seen_before_the_loop_has_come_round(self):
        async def work(watching):
            await beats(watching, 1)
            time.sleep(BLOCK)  # noqa: ASYNC251
            assert watching.lag >= BLOCK - 0.01

        watch(work)

    def test_it_is_forgotten_in_the_end(self, monkeypatch):
        monkeypatch.setattr(loop_watchdog, "WINDOW_SECONDS", 0.05)

        async def work(watching):
            await beats(watching, 1)
            time.sleep(BLOCK)  # noqa: ASYNC251
            async with asyncio.timeout(30):
                while watching.lag >= BLOCK - 0.01:
                    await beats(watching, 1)

        watch(work)
