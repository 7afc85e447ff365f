"""State that all routers of a deployment share: how it is closed."""

import asyncio

import pytest

from tornado_router.runtime.shared import Shared


def test_what_fails_at_a_stop_leaves_nothing_else_open():
    closed = []

    class Part:
        def __init__(self, name):
            self.name = name

        async def close(self):
            closed.append(self.name)
            if self.name == "limiter":
                raise OSError("no")

    names = ["memory", "responses", "invalidation", "limiter", "link", "subscription"]
    with pytest.raises(OSError, match="no"):
        asyncio.run(Shared(**{name: Part(name) for name in names}).close())
    assert closed == ["limiter", "invalidation", "memory", "responses", "subscription", "link"]
