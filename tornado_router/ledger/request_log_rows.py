"""The rows of the request log in the database: written, found, and deleted. All functions block."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from loguru import logger

from tornado_router.error_codes import Refusal
from tornado_router.storage import bulk_insert
from tornado_router.storage.bulk_insert import Row
from tornado_router.storage.databases import Database
from tornado_router.storage.sql import fn
from tornado_router.storage.storage import transaction
from tornado_router.storage.tables import RequestLog, User
from tornado_router.storage.values import now

ROWS_PER_TRANSACTION = 100
"""Written or deleted: the database is locked for as long as they take."""

_LISTED = [
    field for field in RequestLog._meta.sorted_fields if field.name not in ("request", "response")
]


def insert_rows(database: Database, rows: Sequence[Row]) -> None:
    """Inserts rows, but not of users who were deleted since, and none twice."""

    def insert(some: Sequence[Row]) -> None:
        bulk_insert.insert(database, "request_logs", some, "ON CONFLICT (call_id) DO NOTHING")

    with database.writing():
        rows = _of_present_users(rows)
        try:
            with database.atomic():
                insert(rows)
        except database.row_faults:
            bulk_insert.insert_each(database, rows, insert, _complain)


def delete_old_rows(days: float, most: int) -> None:
    """Deletes the rows that are too old, and the oldest of those that are too many.

    Args:
        days: how old a row may be.
        most: how many rows there may be.
    """
    _delete(RequestLog.created_at < now() - datetime.timedelta(days=days))
    first, last = RequestLog.select(fn.MIN(RequestLog.id), fn.MAX(RequestLog.id)).scalar(
        as_tuple=True
    )
    if first is None or last - first < most:
        return  # ids only grow, so there cannot be more rows than that
    surplus = (
        RequestLog.select(RequestLog.id)
        .order_by(RequestLog.id.desc())
        .offset(most)
        .limit(1)
        .scalar()
    )
    if surplus is not None:
        _delete(RequestLog.id <= surplus)


def find_rows(chosen: Mapping[str, Any], limit: int, after: int | None) -> list[RequestLog]:
    """Rows without their texts, newest first.

    Args:
        chosen: values of columns that they have to have; None for any.
        limit: the most there are.
        after: id of the row that they come behind; None for the newest.
    """
    query = RequestLog.select(*_LISTED).order_by(RequestLog.id.desc()).limit(limit)
    for name, value in chosen.items():
        if value is not None:
            query = query.where(getattr(RequestLog, name) == value)
    if after is not None:
        query = query.where(RequestLog.id < after)
    return list(query)


def find_row(row_id: int) -> RequestLog:
    """One row.

    Raises:
        ApiError: 404.
    """
    row: RequestLog | None = RequestLog.get_or_none(RequestLog.id == row_id)
    if row is None:
        raise Refusal.request_log_not_found(id=row_id)
    return row


def delete_row(row_id: int) -> None:
    """Deletes one row.

    Raises:
        ApiError: 404.
    """
    with transaction():
        find_row(row_id).delete_instance()


def _delete(condition: Any) -> None:
    """Deletes rows a few at a time. No other writer has to wait if there are none."""
    some = RequestLog.select(RequestLog.id).where(condition).limit(ROWS_PER_TRANSACTION)
    while ids := [row.id for row in some.clone()]:
        with transaction():
            RequestLog.delete().where(RequestLog.id.in_(ids)).execute()


def _of_present_users(rows: Sequence[Row]) -> list[Row]:
    """The rows of users who were not deleted while their calls ran or waited here."""
    ids = {row["user_id"] for row in rows}
    present = User.select(User.id).where(User.id.in_(ids), User.deleted_at.is_null())
    known = {user.id for user in present}
    return [row for row in rows if row["user_id"] in known]


def _complain(row: Row, error: Exception) -> None:
    logger.error("request log: {} cannot be written: {}", row["call_id"], type(error).__name__)
