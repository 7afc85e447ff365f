"""Reads the input file of a batch as it comes: its lines are checked, and what they name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

from tornado_router.accounts.key_lookup import Key
from tornado_router.background.held_memory import UNCOUNTED, request_hold
from tornado_router.calls.passed.batches.lines import (
    CheckedLine,
    LineCheck,
    LineSplitter,
    at_line,
)
from tornado_router.calls.passed.batches.vendor_files import content
from tornado_router.calls.passed.gate import Gate
from tornado_router.calls.passed.vendor import Source
from tornado_router.endpoints import Endpoint
from tornado_router.endpoints.resource_ids import Named
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError
from tornado_router.routing.routes import Target
from tornado_router.validation import Validator

TURN_LINES = 16
"""So many lines are checked in a turn of the event loop."""

_OWN_LINES = 100
"""Owners of what so many lines name are looked up together."""

_MOST_SEEN = 10_000


class Reading:
    """Reads one file.

    Args:
        source: that keeps it.
        provider: its name.
        file: id of the file.
        endpoint: of the lines.
        key: that the batch is submitted with.
        gate: knows what may be named.
        validator: of lines.
        find: the target of a model, see `LineCheck`.
        max_values: of the JSON in a line.
    """

    def __init__(
        self,
        source: Source,
        provider: str,
        file: str,
        *,
        endpoint: Endpoint,
        key: Key,
        gate: Gate,
        validator: Validator,
        find: Callable[[str], Target | None],
        max_values: int | None,
    ) -> None:
        self._source = source
        self._provider = provider
        self._file = file
        self._endpoint = endpoint
        self._key = key
        self._gate = gate
        self._validator = validator
        self._find = find
        self._max_values = max_values

    def check(self) -> LineCheck:
        """What checks the lines, from the first to the last."""
        return LineCheck(self._endpoint, self._validator, self._key, self._find, self._max_values)

    async def read(self, take: Callable[[CheckedLine, LineCheck], Awaitable[None]]) -> LineCheck:
        """Checks all lines, and that what they name is their user's own.

        Args:
            take: gets each line, once that was checked.

        Raises:
            ApiError: one of them cannot be sent.
        """
        check = self.check()
        unknown: list[tuple[int, Sequence[Named]]] = []
        seen: set[str] = set()
        async with aclosing(self.lines(check)) as lines:
            async for line in lines:
                await take(line, check)
                named = [item for item in line.named if item.is_certain or item.id not in seen]
                if named:
                    seen |= {item.id for item in named}
                    unknown.append((line.number, named))
                if len(unknown) >= _OWN_LINES or len(seen) > _MOST_SEEN:
                    await self._check_owners(unknown)
                    unknown.clear()
                    if len(seen) > _MOST_SEEN:
                        seen.clear()
        await self._check_owners(unknown)
        if not check.count:
            raise Invalid.invalid_batch_file(reason="it has no lines")
        return check

    async def lines(self, check: LineCheck) -> AsyncGenerator[CheckedLine, None]:
        """The lines as they come, each checked."""
        splitter, done = LineSplitter(), 0
        counted = 0
        async with aclosing(content(self._source, self._file)) as pieces:
            async for piece in pieces:
                counted = _count(splitter.held + len(piece), counted)
                for number, line in splitter.feed(piece):
                    yield check.check(number, line)
                    done += 1
                    if done % TURN_LINES == 0:
                        await asyncio.sleep(0)
        for number, line in splitter.rest():
            yield check.check(number, line)
        _count(0, counted)

    async def _check_owners(self, lines: Sequence[tuple[int, Sequence[Named]]]) -> None:
        """Refuses lines that name what is not their user's.

        Raises:
            ApiError: 404; 503, the database is away.
        """
        try:
            await self._own([item for _, named in lines for item in named])
        except ApiError as error:
            if error.status != 404:
                raise
            for number, named in lines:
                try:
                    await self._own(named)
                except ApiError as found:
                    raise at_line(number, found) from None

    async def _own(self, named: Sequence[Named]) -> None:
        await self._gate.check(named, self._key, self._provider)


def _count(size: int, counted: int) -> int:
    """Counts a line in memory as what the request holds; returns what is counted now.

    Args:
        size: of the line so far.
        counted: of the line before, or of this one.

    Raises:
        ApiError: 503, there is no room for it.
    """
    hold, wanted = request_hold.get(), size if size > UNCOUNTED else 0
    if hold is None:
        return 0
    if wanted < counted:
        hold.shrink(counted - wanted)
    elif wanted > counted and not hold.grow(wanted - counted):
        raise Refusal.overloaded()
    return wanted
