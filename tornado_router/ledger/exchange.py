"""An exchange, which is the request and the response of one call, as the request log keeps it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from loguru import logger

from tornado_router.config.options import RequestLogOptions
from tornado_router.endpoints import KNOWN
from tornado_router.ledger.record import CallRecord
from tornado_router.observability.redaction import Redaction, as_json
from tornado_router.observability.text import storable_text
from tornado_router.storage.bulk_insert import Row
from tornado_router.storage.tables import RequestLog
from tornado_router.storage.values import utc


class Exchange(NamedTuple):
    """The request and the response of one call.

    Attributes:
        record: of the call.
        request: the body.
        response: the body, or the events of a stream; may be the start of them only.
        response_bytes: of all of it.
    """

    record: CallRecord
    request: bytes
    response: bytes
    response_bytes: int


class ExchangeRedaction:
    """Makes rows of exchanges, without secrets and not longer than they may be.

    Args:
        options: `[request_log]`.
        secrets: texts that are never kept, beside what the options take out.
    """

    def __init__(self, options: RequestLogOptions, secrets: Sequence[str] = ()) -> None:
        self._most = options.max_chars
        self._redaction = Redaction(
            options.redact, options.redact_fields, secrets, options.max_chars
        )

    def row(self, exchange: Exchange) -> Row:
        """The row of an exchange, by the columns of `RequestLog`."""
        record, request_bytes = exchange.record, len(exchange.request)
        model = storable_text(self._redaction.text(record.model))
        return {
            "call_id": record.call_id,
            "request_id": record.request_id,
            "user_id": record.user_id,
            "api_key_id": record.key_id,
            "endpoint": record.endpoint,
            "model": model[: RequestLog.model.max_length],
            "status": record.status,
            "request": self._text(lambda: self._redaction.body(exchange.request), request_bytes),
            "request_bytes": request_bytes,
            "response": self._text(lambda: self._response(exchange), exchange.response_bytes),
            "response_bytes": exchange.response_bytes,
            "created_at": str(utc(record.finished_at)),
        }

    def _text(self, make: Callable[[], str], size: int) -> str:
        try:
            return storable_text(make())[: self._most]
        except Exception as error:  # noqa: BLE001 - one that is odd must not hold up the others
            logger.error("request log: a text was not readable: {}", type(error).__name__)
            return f"[{size} bytes that could not be read]"

    def _response(self, exchange: Exchange) -> str:
        record, response = exchange.record, exchange.response
        if not response and exchange.response_bytes:
            return f"[{exchange.response_bytes} bytes that are not text]"
        whole = len(response) == exchange.response_bytes
        if not record.stream or response.startswith(b"{"):
            return self._redaction.body(response, whole=whole)
        endpoint = KNOWN[record.endpoint]
        joined = self._redaction.value(endpoint.join(response))
        if not whole:
            # What was cut off may end with half a secret, or half a property, which no rule knows.
            joined["cut_off"] = True
            endpoint.trim(joined, self._redaction.without_end)
        return as_json(joined)
