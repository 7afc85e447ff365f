"""The rows of stored responses: each function is what is read or written of them at once.

They block, so `Storage.run` calls them.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from tornado_router.calls import event_rows, item_rows
from tornado_router.calls.kept_events import Events
from tornado_router.calls.new_response import NewResponse, Place, Taken
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError
from tornado_router.storage import bulk_insert, bulk_values
from tornado_router.storage.id_numbers import id_number
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

_OLD_ROWS = 500
"""So many are deleted in one transaction."""

_SURPLUS_ROWS = 1000
"""The same, of those that are too much for their user."""

_SHARE = 100
"""One in so many rows, or bytes, may be too much of a user for each process."""

_KNOWN_USERS = 10_000
_UNIQUE = "response_id, user_id"
_BEFORE = (
    f"SELECT r.id, r.response_id, r.user_id, {item_rows.VENDOR} "  # noqa: S608
    "FROM stored_responses r WHERE r.id_number IN {}"
)
_TOO_OLD = "SELECT id FROM stored_responses WHERE expires_at <= {0} LIMIT {0}"
_SUMS = "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM stored_responses WHERE user_id = {0}"
_OLDEST = "SELECT id FROM stored_responses WHERE user_id = {0} AND id <> {0} ORDER BY id LIMIT {0}"
_TOO_MUCH = (
    "SELECT id FROM (SELECT id, SUM(size) OVER (ORDER BY id DESC) AS total "
    "FROM stored_responses WHERE user_id = {0}) AS own WHERE total > {0} AND id <> {0} LIMIT {0}"
)
"""The index on users has what these read: no content is touched. The last takes ten times as long
as those before it."""


class UserBounds:
    """How much of one user is kept.

    To look whether it is too much takes time for each row that the user has. So a process looks
    once it has written a hundredth of a bound since it looked last.

    Args:
        rows: responses.
        most_bytes: of all of them.
    """

    def __init__(self, rows: int, most_bytes: int) -> None:
        self.rows = rows
        self.bytes = most_bytes
        self._written: dict[int, tuple[int, int]] = {}

    def may_be_passed(self, user_id: int, size: int) -> bool:
        """Whether it is to be looked, as so much more of a user is written."""
        rows, written = self._written.get(user_id, (self.rows, 0))  # who is unknown may have it all
        rows, written = rows + 1, written + size
        is_due = rows * _SHARE >= self.rows or written * _SHARE >= self.bytes
        if len(self._written) >= _KNOWN_USERS:
            self._written.clear()
        self._written[user_id] = (0, 0) if is_due else (rows, written)
        return is_due


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


def insert(responses: Sequence[NewResponse], bounds: UserBounds) -> None:
    """Writes new responses, and deletes those that are too much of their users.

    Where rows of others have the same ids, they go: see `Taken`.

    Args:
        responses: in the order in which they came; each gets the id of its row, unless another of
            them takes its place.
        bounds: of each user.
    """
    taken = Taken()
    left = taken.newest((_place_of(new), new) for new in responses)
    database = StoredResponse._meta.database
    with transaction():
        before = bulk_values.find(database, _BEFORE, {new.id_number for new in responses})
        _delete_rows([row_id for row_id, *place in before if taken.has(Place(*place))])
        written = _write(left)
        item_rows.insert(responses, written)
        for new, row_id in written.items():
            if new.is_being_made:
                BackgroundResponse.create(stored_id=row_id, alive_at=now())
        for new, row_id in written.items():
            if bounds.may_be_passed(new.user_id, new.size):
                _trim(new.user_id, row_id, bounds)
    for new, row_id in written.items():  # not before: it might have failed
        new.id = row_id


def _place_of(new: NewResponse) -> Place:
    return Place(new.response_id, new.user_id, new.vendor)


def _write(responses: Sequence[NewResponse]) -> dict[NewResponse, int]:
    """Writes responses; returns the ids of their rows."""
    rows = [
        {
            "response_id": new.response_id,
            "id_number": new.id_number,
            "user_id": new.user_id,
            "previous": new.previous,
            "provider": new.provider,
            "model": new.model,
            "content": new.content,
            "size": new.size,
            "created_at": str(new.created_at),
            "expires_at": str(new.expires_at),
        }
        for new in responses
    ]
    database = StoredResponse._meta.database
    written = bulk_insert.insert(database, "stored_responses", rows, f"RETURNING id, {_UNIQUE}")
    ids = {(response_id, user_id): row_id for row_id, response_id, user_id in written}
    return {new: ids[new.response_id, new.user_id] for new in responses}


def finish(row: NewResponse, ends: Ends, bounds: UserBounds) -> None:
    """Notes how a response came out that was made in the background, unless it was deleted.

    Args:
        row: of the response.
        ends: how it came out.
        bounds: of its user.
    """
    size = len(ends.content) + ends.events_size
    row_id = row.id
    assert row_id is not None, "it was begun"
    with transaction():
        found = StoredResponse.update(content=ends.content, size=size).where(
            StoredResponse.id == row_id
        )
        if found.execute():
            row.content, row.item_ids = ends.content, ends.item_ids
            item_rows.insert([row], {row: row_id})
            if ends.events:
                event_rows.insert({row_id: ends.events})
        BackgroundResponse.delete().where(BackgroundResponse.stored_id == row_id).execute()
        if bounds.may_be_passed(row.user_id, size):
            _trim(row.user_id, row_id, bounds)


def delete(row: StoredResponse) -> None:
    """Deletes a row; a process that still makes the response notices."""
    with transaction():
        _delete_rows([row.id])


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


def delete_old() -> bool:
    """Deletes some rows that are too old; returns whether there may be more."""
    if not _old():  # without waiting for a turn to write
        return False
    with transaction():
        old = _old()
        _delete_rows(old)
    return len(old) == _OLD_ROWS


def after(seconds: float) -> datetime.datetime:
    """When so many seconds will have passed."""
    return now() + datetime.timedelta(seconds=seconds)


def _get(response_id: str, user_id: int) -> StoredResponse | None:
    found: StoredResponse | None = StoredResponse.get_or_none(
        StoredResponse.id_number == id_number(response_id),
        StoredResponse.response_id == response_id,
        StoredResponse.user_id == user_id,
        StoredResponse.expires_at > now(),
    )
    return found


def _old() -> list[int]:
    """Some rows that are too old."""
    return _ids(_TOO_OLD, str(now()), _OLD_ROWS)


def _trim(user_id: int, newest: int, bounds: UserBounds) -> None:
    """Deletes the oldest rows of a user that are too many, or too much; not the newest."""
    ((rows, total),) = _found(_SUMS, user_id)
    if rows > bounds.rows:
        surplus = min(rows - bounds.rows, _SURPLUS_ROWS)
        _delete_rows(_ids(_OLDEST, user_id, newest, surplus))
    if total > bounds.bytes:
        _delete_rows(_ids(_TOO_MUCH, user_id, bounds.bytes, newest, _SURPLUS_ROWS))


def _ids(statement: str, *values: object) -> list[int]:
    """The ids that a statement finds."""
    return [row_id for (row_id,) in _found(statement, *values)]


def _found(statement: str, *values: object) -> list[Any]:
    """What a statement finds. Plain SQL: for each new response, Peewee would write it anew."""
    database = StoredResponse._meta.database
    found: list[Any] = database.execute_sql(statement.format(database.param), values).fetchall()
    return found


def _delete_rows(ids: Sequence[int]) -> None:
    item_rows.delete(ids)
    event_rows.delete(ids)
    statement = "DELETE FROM stored_responses WHERE id IN {}"
    bulk_values.change(StoredResponse._meta.database, statement, ids)
