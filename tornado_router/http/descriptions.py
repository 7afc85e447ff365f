"""What describes the HTTP API, made once for all who ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from tornado_router.background.supervisor import child_task
from tornado_router.background.turns import Turns
from tornado_router.calls.passed.rules import Rules
from tornado_router.routing.routes import Router
from tornado_router.validation import Profile


class Description(NamedTuple):
    """What describes the API.

    Attributes:
        content: the document or the page.
        example_origin: what stands in it where the address of the router belongs.
        policy: the page's `Content-Security-Policy`; empty for a document.
    """

    content: bytes
    example_origin: str
    policy: str = ""


Describe = Callable[[Profile, Router, Rules], Description]
Asked = tuple[Describe, Profile, Router, Rules]

AT_ONCE = 16
"""So many clients who waited for a description get it in one turn of the event loop, 8 ms of work
at most."""

DESCRIPTIONS = 4
"""So many are kept: both of the configuration that serves, and of one that a reload replaces."""


class Descriptions:
    """Has each description made once, in a thread, for all who ask for it."""

    def __init__(self) -> None:
        self._made: dict[Asked, asyncio.Task[Description]] = {}
        self._turns = Turns("description", AT_ONCE)

    async def get(
        self, describe: Describe, profile: Profile, router: Router, rules: Rules
    ) -> Description:
        """One of them.

        Args:
            describe: makes it. Blocks.
            profile: of validation.
            router: the models served.
            rules: what is passed on to vendors.
        """
        asked = (describe, profile, router, rules)
        task = self._made.get(asked)
        if task is None:
            task = child_task("description", asyncio.to_thread(describe, profile, router, rules))
            self._made[asked] = task
            task.add_done_callback(partial(self._tidy, asked))
        if not task.done():
            await asyncio.shield(task)
            await self._turns.wait()
        return task.result()

    def _tidy(self, asked: Asked, task: asyncio.Task[Description]) -> None:
        """Keeps no failure, and no more than are in use."""
        if task.cancelled() or task.exception() is not None:
            self._made.pop(asked, None)
        while len(self._made) > DESCRIPTIONS:
            del self._made[next(iter(self._made))]
