"""The rows of stored responses: each function is what is read or written of them at once.

They block, so `Storage.run` calls them.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from tornado_router.calls import event_rows, item_rows
from tornado_router.calls.item_rows import at_vendor
from tornado_router.calls.kept_events import Events
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError
from tornado_router.storage.sql import fn
from tornado_router.storage.storage import transaction
from tornado_router.storage.tables import BackgroundResponse, StoredResponse
from tornado_router.storage.values import now

MAX_TURNS = 1000
"""Of one conversation: all of it is sent with each turn."""

MAX_BYTES = 32 * 1024 * 1024
"""Of one conversation."""

MAX_VALUES = 100_000
"""Of one conversation, as `[server] max_json_values` has it for a request: all other calls wait
while it is put as the provider takes it."""

DEAD_SECONDS = 60.0
"""A process that makes a response and gives no sign of it for so long was cut off."""

_OLD_ROWS = 100
"""So many are deleted whenever one is written, and now and then."""

_SURPLUS_ROWS = 1000
"""The same, of those that are too much for their user."""


class UserBounds(NamedTuple):
    """How much of one user is kept.

    Attributes:
        rows: responses.
        bytes: of all of them.
    """

    rows: int
    bytes: int


class Ends(NamedTuple):
    """How a response came out that was made in the background.

    Attributes:
        content: of its row.
        item_ids: of its output.
        events: of its stream that are not written yet.
        events_size: bytes of all of them.
    """

    content: str
    item_ids: Sequence[str]
    events: Events | None = None
    events_size: int = 0


def find(response_id: str, user_id: int) -> StoredResponse:
    """A response of a user.

    Raises:
        ApiError: 404.
    """
    row = _get(response_id, user_id)
    if row is None:
        raise Refusal.response_not_found(id=response_id[:100])
    return row


def conversation(user_id: int, response_id: str, seconds: float) -> Sequence[StoredResponse]:
    """A response and those before it, the newest first; they are kept for longer from now on.

    Args:
        user_id: whose they are.
        response_id: of the newest.
        seconds: for how long they are kept.

    Raises:
        ApiError: 400, one is not there, or they are too long.
    """
    rows: list[StoredResponse] = []
    size, previous = 0, cast("str | None", response_id)
    while previous is not None and len(rows) < MAX_TURNS:
        row = _get(previous, user_id)
        if row is None or (rows and row.content is None):
            raise Invalid.previous_response_not_found(id=previous[:100])
        rows.append(row)
        if row.content is None:
            break
        size += len(row.content)
        previous = row.previous
        if size > MAX_BYTES:
            break
    if (previous is not None and len(rows) >= MAX_TURNS) or size > MAX_BYTES:
        raise too_long()
    with transaction():
        StoredResponse.update(expires_at=after(seconds)).where(
            StoredResponse.id.in_([row.id for row in rows])
        ).execute()
    return rows


def too_long(param: str = "previous_response_id") -> ApiError:
    """The refusal of a conversation.

    Args:
        param: by which it is named.
    """
    return Invalid.conversation_too_long(
        bytes=MAX_BYTES, turns=MAX_TURNS, values=MAX_VALUES, param=param
    )


def insert(
    row: StoredResponse,
    bounds: UserBounds,
    item_ids: Sequence[str] = (),
    *,
    is_being_made: bool = False,
) -> None:
    """Writes a row, and deletes some that are too old, and those that are too much of its user.

    A vendor has one response under an id, the newest: where another user's row leads to it, that
    row goes, as it would reveal this one.

    Args:
        row: to be written.
        bounds: of its user.
        item_ids: of its output.
        is_being_made: whether it is of the background, and its process gives signs of life.
    """
    with transaction():
        replaced = StoredResponse.user_id == row.user_id
        if row.content is None:
            replaced |= at_vendor(row.provider)
        same = StoredResponse.response_id == row.response_id
        _delete_some(StoredResponse.select(StoredResponse.id).where(same, replaced))
        row.save(force_insert=True)
        item_rows.insert(row, item_ids)
        if is_being_made:
            BackgroundResponse.create(stored_id=row.id, alive_at=now())
        _delete_some(_old(), _OLD_ROWS)
        _trim(row.user_id, row.id, bounds)


def finish(row: StoredResponse, ends: Ends, bounds: UserBounds) -> None:
    """Notes how a response came out that was made in the background, unless it was deleted.

    Args:
        row: of the response.
        ends: how it came out.
        bounds: of its user.
    """
    size = len(ends.content) + ends.events_size
    with transaction():
        found = StoredResponse.update(content=ends.content, size=size).where(
            StoredResponse.id == row.id
        )
        if found.execute():
            item_rows.insert(row, ends.item_ids)
            if ends.events:
                event_rows.insert({row.id: ends.events})
        BackgroundResponse.delete().where(BackgroundResponse.stored_id == row.id).execute()
        _trim(row.user_id, row.id, bounds)


def delete(row: StoredResponse) -> None:
    """Deletes a row; a process that still makes the response notices."""
    with transaction():
        _delete_some(StoredResponse.select(StoredResponse.id).where(StoredResponse.id == row.id))


def cancel(row: StoredResponse) -> None:
    """Has the process end it that makes a response."""
    with transaction():
        BackgroundResponse.update(is_cancelled=True).where(
            BackgroundResponse.stored_id == row.id
        ).execute()


def wanted(ids: Sequence[int]) -> set[int]:
    """Which of some rows are still there, and not cancelled."""
    query = (
        BackgroundResponse.select(BackgroundResponse.stored_id)
        .join(StoredResponse, on=(StoredResponse.id == BackgroundResponse.stored_id))
        .where(BackgroundResponse.stored_id.in_(ids), ~BackgroundResponse.is_cancelled)
    )
    return {row.stored_id for row in query}


def note_alive(ids: Sequence[int]) -> None:
    """Says of some rows that they are still made."""
    with transaction():
        BackgroundResponse.update(alive_at=now()).where(
            BackgroundResponse.stored_id.in_(ids)
        ).execute()


def add_events(events: Mapping[int, Events]) -> None:
    """Writes events of responses that are still made, by their rows."""
    with transaction():
        event_rows.insert(events)


def fail_dead(cut_off: Callable[[str], str]) -> None:
    """Notes of some responses that they failed, as their processes were cut off.

    Args:
        cut_off: what a row is to hold, by what it held.
    """
    late = BackgroundResponse.alive_at < now() - datetime.timedelta(seconds=DEAD_SECONDS)
    if not BackgroundResponse.select().where(late).exists():  # without a turn to write
        return
    with transaction():
        ids = [row.stored_id for row in BackgroundResponse.select().where(late).limit(_OLD_ROWS)]
        BackgroundResponse.delete().where(BackgroundResponse.stored_id.in_(ids)).execute()
        for row in StoredResponse.select().where(StoredResponse.id.in_(ids)):
            content = cut_off(str(row.content))
            StoredResponse.update(content=content, size=len(content)).where(
                StoredResponse.id == row.id
            ).execute()


def delete_old() -> None:
    """Deletes some rows that are too old."""
    if _old().exists():  # without waiting for a turn to write
        with transaction():
            _delete_some(_old(), _OLD_ROWS)


def after(seconds: float) -> datetime.datetime:
    """When so many seconds will have passed."""
    return now() + datetime.timedelta(seconds=seconds)


def _get(response_id: str, user_id: int) -> StoredResponse | None:
    found: StoredResponse | None = StoredResponse.get_or_none(
        StoredResponse.response_id == response_id,
        StoredResponse.user_id == user_id,
        StoredResponse.expires_at > now(),
    )
    return found


def _old() -> Any:
    return StoredResponse.select(StoredResponse.id).where(StoredResponse.expires_at <= now())


def _trim(user_id: int, newest: int, bounds: UserBounds) -> None:
    """Deletes the oldest rows of a user that are too many, or too large together; not the newest.

    The index on users has what this reads: no content is touched.
    """
    own = StoredResponse.user_id == user_id
    ids = StoredResponse.select(StoredResponse.id).where(own, StoredResponse.id != newest)
    _delete_some(ids.order_by(StoredResponse.id.desc()).offset(bounds.rows - 1), _OLD_ROWS)
    total = fn.SUM(StoredResponse.size).over(order_by=[StoredResponse.id.desc()])
    sums = StoredResponse.select(StoredResponse.id, total.alias("total")).where(own)
    larger = StoredResponse.select(sums.c.id).from_(sums)
    _delete_some(
        larger.where(sums.c.total > bounds.bytes, sums.c.id != newest),
        _SURPLUS_ROWS,
    )


def _delete_some(query: Any, most: int = _OLD_ROWS) -> None:
    ids = [found.id for found in query.limit(most)]
    if ids:
        item_rows.delete(ids)
        event_rows.delete(ids)
        StoredResponse.delete().where(StoredResponse.id.in_(ids)).execute()
