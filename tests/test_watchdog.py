"""Whoever blocks the event loop is named."""

import asyncio
import threading
from types import ModuleType

import pytest
from loguru import logger

from tornado_router.watchdog import LoopWatchdog


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
        watchdog = LoopWatchdog({"acme": "tornado-llm-acme 1.2"}, blocked_seconds=0.01)
        work(*args)
        watchdog.close()

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
        watchdog = LoopWatchdog({})
        assert threading.active_count() == before + 1
        watchdog.close()
        assert threading.active_count() == before

    asyncio.run(main())
