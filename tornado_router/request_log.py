"""Keeps what calls asked and were answered, for those who want that: redacted, and for a time.

The gateway hands exchanges over; a thread of their own makes rows of them. What is not written
yet is bounded: beyond it, exchanges are left out and the log says how many.
"""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from loguru import logger

from tornado_router.batch import BatchThread
from tornado_router.config.options import RequestLogOptions
from tornado_router.db import RequestLog, Storage, now, utc
from tornado_router.errors import ApiError
from tornado_router.redaction import MAX_SECRET, Redaction
from tornado_router.sse import Decoder

FLUSH_SECONDS = 0.5
TIDY_SECONDS = 60.0
WAITING_BYTES = 64 * 1024 * 1024
EVENTS_PER_BYTE = 8
"""So many bytes of events are taken for each byte of text that is kept of a stream: they say
again and again which answer they belong to."""


class Exchange(NamedTuple):
    """What one call asked and was answered.

    Attributes:
        response: the body, or the events of a stream; may be the start of them only.
        response_bytes: of all of it.
    """

    call_id: str
    request_id: str
    user_id: int
    key_id: int
    endpoint: str
    model: str
    status: int
    stream: bool
    finished_at: float
    request: bytes
    response: bytes
    response_bytes: int


class RequestRecorder:
    """Decides what is kept, and keeps it.

    Args:
        storage: where.
        options: `[request_log]`.
    """

    def __init__(self, storage: Storage, options: RequestLogOptions) -> None:
        self._storage = storage
        self._options = options
        self.keep_out(())
        self._lock = threading.Lock()
        self._waiting = 0
        self._left_out = 0
        self._tidied = 0.0
        self._thread: BatchThread[Exchange | None] | None = None
        if options.calls != "none":
            self._thread = BatchThread("request log", self._write, interval=FLUSH_SECONDS)

    @property
    def room(self) -> int:
        """How many bytes of an answer are worth copying."""
        return self._options.max_bytes * EVENTS_PER_BYTE

    def keep_out(self, secrets: Sequence[str]) -> None:
        """Says what must never be kept, beside what `[request_log]` takes out."""
        options = self._options
        longest = options.max_bytes + MAX_SECRET
        self._redaction = Redaction(options.redact, options.redact_fields, secrets, longest)

    def wants(self, by_route: bool, by_key: bool | None) -> bool:
        """Whether a call is to be kept.

        Args:
            by_route: whether its route says so.
            by_key: whether its key says so; None if it says nothing.
        """
        if self._thread is None or by_key is False:
            return False
        return self._options.calls == "all" or by_route or bool(by_key)

    def add(self, exchange: Exchange) -> None:
        """Leaves a call to be written. Returns at once."""
        assert self._thread is not None, "it wants none"
        size = len(exchange.request) + len(exchange.response)
        with self._lock:
            if self._waiting + size > WAITING_BYTES:
                self._left_out += 1
                return
            self._waiting += size
        self._thread.add(exchange)

    def tidy(self) -> None:
        """Has what is too old deleted, now and then. Returns at once."""
        if self._thread is not None and time.monotonic() >= self._tidied + TIDY_SECONDS:
            self._tidied = time.monotonic()
            self._thread.add(None)

    def close(self) -> None:
        """Writes what is left."""
        if self._thread is not None:
            self._thread.close()

    def _write(self, batch: Sequence[Exchange | None]) -> None:
        exchanges = [exchange for exchange in batch if exchange is not None]
        rows = [row for row in map(self._row, exchanges) if row is not None]

        def write() -> None:
            with RequestLog._meta.database.writing():
                if rows:
                    RequestLog.insert_many(rows).on_conflict_ignore().execute()
                if None in batch:
                    self._delete_old()

        self._storage.call(write)
        with self._lock:
            self._waiting -= sum(len(item.request) + len(item.response) for item in exchanges)
            left_out, self._left_out = self._left_out, 0
        if left_out:
            logger.warning("the request log left out {} calls: the database is slow", left_out)

    def _delete_old(self) -> None:
        """Deletes what is older than it may be, and the oldest rows that are too many."""
        oldest = now() - datetime.timedelta(days=self._options.days)
        RequestLog.delete().where(RequestLog.created_at < oldest).execute()
        last = (
            RequestLog.select(RequestLog.id)
            .order_by(RequestLog.id.desc())
            .offset(self._options.max_rows)
            .limit(1)
            .scalar()
        )
        if last is not None:
            RequestLog.delete().where(RequestLog.id <= last).execute()

    def _row(self, exchange: Exchange) -> dict[str, Any] | None:
        """The values of a row; None for an exchange that cannot be told."""
        try:
            return self._read(exchange)
        except Exception as error:  # noqa: BLE001 - one that is odd must not hold up the others
            logger.error("the request log left out a call: {}", type(error).__name__)
            return None

    def _read(self, exchange: Exchange) -> dict[str, Any]:
        most = self._options.max_bytes
        return {
            "call_id": exchange.call_id,
            "request_id": exchange.request_id,
            "user_id": exchange.user_id,
            "api_key_id": exchange.key_id,
            "endpoint": exchange.endpoint,
            "model": _storable(self._redaction.text(exchange.model)),
            "status": exchange.status,
            "request": _storable(self._redaction.body(exchange.request))[:most],
            "request_bytes": len(exchange.request),
            "response": _storable(self._answer(exchange))[:most],
            "response_bytes": exchange.response_bytes,
            "created_at": utc(exchange.finished_at),
        }

    def _answer(self, exchange: Exchange) -> str:
        whole = len(exchange.response) == exchange.response_bytes
        if exchange.stream and not exchange.response.startswith(b"{"):
            told = read_stream(exchange.response)
            if not whole:
                _cut(told)
            return orjson.dumps(self._redaction.value(told)).decode()
        text = self._redaction.body(exchange.response)
        # What was cut off may end with the half of a secret, which no rule knows.
        return text if whole else text[:-MAX_SECRET]


def find_rows(chosen: Mapping[str, Any], limit: int, after: int | None) -> list[RequestLog]:
    """Rows, newest first. Blocks.

    Args:
        chosen: values of columns that they have to have; None for any.
        limit: the most there are.
        after: id of the row that they come behind; None for the newest.
    """
    query = RequestLog.select().order_by(RequestLog.id.desc()).limit(limit)
    for name, value in chosen.items():
        if value is not None:
            query = query.where(getattr(RequestLog, name) == value)
    if after is not None:
        query = query.where(RequestLog.id < after)
    return list(query)


def find_row(row_id: int) -> RequestLog:
    """One row. Blocks.

    Raises:
        ApiError: 404.
    """
    row: RequestLog | None = RequestLog.get_or_none(RequestLog.id == row_id)
    if row is None:
        raise ApiError(404, f"There is no kept request {row_id}.", code="request_log_not_found")
    return row


def delete_row(row_id: int) -> None:
    """Deletes one row. Blocks.

    Raises:
        ApiError: 404.
    """
    with RequestLog._meta.database.writing():
        find_row(row_id).delete_instance()


def read_stream(events: bytes) -> dict[str, Any]:
    """What the events of a stream come to: its choices with their texts put together.

    A secret may lie across chunks, so redaction needs the text in one piece.
    """
    choices: dict[int, dict[str, Any]] = {}
    told: dict[str, Any] = {"stream": True, "choices": []}
    decoder = Decoder()
    for event in [*decoder.feed(events), *decoder.finish()]:
        try:
            _add_chunk(told, choices, orjson.loads(event.data))
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            continue  # [DONE], what was cut off, or nothing that a client can read either
    for choice in choices.values():
        message = choice.get("message") or {}
        if "tool_calls" in message:
            message["tool_calls"] = [call for _, call in sorted(message["tool_calls"].items())]
    told["choices"] = [{"index": index, **choices[index]} for index in sorted(choices)]
    return told


def _add_chunk(
    told: dict[str, Any], choices: dict[int, dict[str, Any]], chunk: Mapping[str, Any]
) -> None:
    for name in ("id", "model", "usage", "error", "router"):
        if chunk.get(name):
            told[name] = chunk[name]
    for choice in chunk.get("choices") or ():
        _add_choice(choices.setdefault(choice.get("index") or 0, {}), choice)


def _add_choice(known: dict[str, Any], choice: Mapping[str, Any]) -> None:
    if choice.get("finish_reason"):
        known["finish_reason"] = choice["finish_reason"]
    message = known.setdefault("message", {})
    for name, value in (choice.get("delta") or {}).items():
        if name == "tool_calls":
            calls = message.setdefault("tool_calls", {})
            for call in value or ():
                _add_call(calls.setdefault(call.get("index") or 0, {}), call)
        else:
            _add_text(message, name, value)


def _add_call(known: dict[str, Any], call: Mapping[str, Any]) -> None:
    for name, value in call.items():
        if isinstance(value, dict):
            part = known.setdefault(name, {})
            for key, text in value.items():
                _add_text(part, key, text)
        elif name != "index":
            known[name] = value


def _add_text(known: dict[str, Any], name: str, value: Any) -> None:
    before = known.get(name)
    if isinstance(before, str) and isinstance(value, str) and name != "role":
        known[name] = before + value
    elif value is not None:
        known[name] = value


def _cut(told: dict[str, Any]) -> None:
    """Takes the ends off the texts of a stream that was not copied whole; see `_answer`."""
    told["cut_off"] = True
    for choice in told["choices"]:
        message = choice.get("message") or {}
        for name, value in message.items():
            if isinstance(value, str) and name != "role":
                message[name] = value[:-MAX_SECRET]
        message.pop("tool_calls", None)


def _storable(text: str) -> str:
    """A text as every database takes it."""
    return text.replace("\0", "")
