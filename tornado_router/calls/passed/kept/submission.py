"""A batch that is submitted to the router itself: its lines are written as they are checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tornado_router.calls.passed.kept import batch_rows
from tornado_router.calls.passed.kept.batch_rows import NewBatch
from tornado_router.calls.passed.kept.keeper import Keeper
from tornado_router.calls.resource_rows import Owner
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.provider import write_json
from tornado_router.storage.storage import Storage

MAX_SECONDS = 30 * 24 * 3600
"""Of a completion window."""

MAX_METADATA = 16 * 1024
"""Bytes, more than the 16 pairs of OpenAI can have."""

_WRITTEN_BYTES = 1024 * 1024
_WRITTEN_LINES = 500
"""So many lines are written in one transaction."""

_WINDOW = re.compile(r"([1-9][0-9]{0,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


class KeptSubmission:
    """Takes the lines of one batch.

    Args:
        storage: where they are kept.
        keeper: of what its user has.
        owner: who submits it.
        body: of the request.
        is_on: whether the router runs batches itself.

    Attributes:
        is_on: the same.
    """

    def __init__(
        self,
        storage: Storage,
        keeper: Keeper,
        owner: Owner,
        body: Mapping[str, Any],
        *,
        is_on: bool,
    ) -> None:
        self.is_on = is_on
        self._storage = storage
        self._keeper = keeper
        self._owner = owner
        self._body = body
        self._row_id: int | None = None
        self._seconds = 0
        self._waiting: list[tuple[int, str]] = []
        self._waiting_bytes = self._room = self._size = self._count = 0

    @property
    def has_begun(self) -> bool:
        """Whether it got a line."""
        return self._row_id is not None

    async def begin(self, endpoint: str, model: str) -> None:
        """Notes the batch, before its first line.

        Args:
            endpoint: of its lines.
            model: that they ask for.

        Raises:
            ApiError: 400, it cannot be run; 403, there is no room; 503, the database is away.
        """
        window = self._body.get("completion_window")
        if window is None:
            raise Invalid.missing_required_parameter(param="completion_window")
        self._seconds = _seconds(window)
        self._room = await self._keeper.check_room()
        batch = NewBatch(
            self._owner.user_id,
            self._owner.key_id,
            endpoint,
            model,
            self._body["input_file_id"],
            window,
            _metadata(self._body.get("metadata")),
        )
        self._row_id = await self._storage.run(lambda: batch_rows.begin(batch))

    async def add(self, number: int, line: bytes) -> None:
        """Takes a line that was checked.

        Raises:
            ApiError: 403, there is no room for it; 503, the database is away.
        """
        self._count += 1
        self._size += len(line)
        self._waiting_bytes += len(line)
        if self._size > self._room:
            raise Refusal.storage_full(used=self._size)
        self._waiting.append((number, line.decode("utf-8", "replace")))
        if len(self._waiting) >= _WRITTEN_LINES or self._waiting_bytes >= _WRITTEN_BYTES:
            await self._write()

    async def start(self) -> bytes:
        """Lets the batch run, once it has all lines; returns its JSON, for the client.

        Raises:
            ApiError: 403, others have taken its room meanwhile; 503, the database is away.
        """
        await self._write()
        await self._keeper.check_room(self._size)
        row_id = self._id
        row = await self._storage.run(
            lambda: batch_rows.start(row_id, self._count, self._size, self._seconds, self._owner)
        )
        self._row_id = None
        return write_json(await self._keeper.batch_object(row))

    async def drop(self) -> None:
        """Forgets the batch, if it was not started."""
        if self._row_id is not None:
            row_id, self._row_id = self._row_id, None
            await self._storage.run(lambda: batch_rows.drop(row_id))

    @property
    def _id(self) -> int:
        assert self._row_id is not None, "it has begun"
        return self._row_id

    async def _write(self) -> None:
        lines, row_id = self._waiting, self._id
        self._waiting, self._waiting_bytes = [], 0
        await self._storage.run(lambda: batch_rows.add_lines(row_id, lines))


def _seconds(window: object) -> int:
    """The seconds of a completion window such as `24h`.

    Raises:
        ApiError: 400, it is none.
    """
    found = _WINDOW.fullmatch(window) if isinstance(window, str) else None
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= MAX_SECONDS:
        raise Invalid.invalid_value(
            "'completion_window' must be a time such as '24h', of 30 days at most.",
            param="completion_window",
        )
    return seconds


def _metadata(given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise Invalid.invalid_type(
            place="'metadata'", expected="an object", got="another value", param="metadata"
        )
    written = write_json(given)
    if len(written) > MAX_METADATA:
        raise Invalid.invalid_value("'metadata' is too large.", param="metadata")
    return written.decode()
