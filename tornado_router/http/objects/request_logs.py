"""Logged requests."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from msgspec import Meta

from tornado_router.http.objects.base import Count, Id, Object, Page, Time, timestamp
from tornado_router.storage import tables


class RequestLogEntry(Object, kw_only=True):
    """A logged request, without its texts."""

    object: Literal["request_log"] = "request_log"
    id: Id
    call_id: str
    request_id: str
    user_id: Id
    key_id: Id
    endpoint: str
    model: str
    status: Count
    request_bytes: Count
    response_bytes: Count
    created_at: Time

    @classmethod
    def of(cls, row: tables.RequestLog, **more: Any) -> Self:
        """The object of a row."""
        return cls(
            id=row.id,
            call_id=row.call_id,
            request_id=row.request_id,
            user_id=row.user_id,
            key_id=row.api_key_id,
            endpoint=row.endpoint,
            model=row.model,
            status=row.status,
            request_bytes=row.request_bytes,
            response_bytes=row.response_bytes,
            created_at=timestamp(row.created_at),
            **more,
        )


class RequestLogList(Page[RequestLogEntry], kw_only=True):
    """One page of logged requests."""


class RequestLog(RequestLogEntry, kw_only=True):
    """A logged request and its response."""

    request: Annotated[
        str,
        Meta(description="The body as received, redacted; only its beginning if it was long."),
    ]
    response: Annotated[
        str, Meta(description="The body as sent, likewise; for a stream, its text joined.")
    ]
