"""Calls and attempts as OpenTelemetry's semantic conventions put them.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/ for calls, and for their attempts
https://github.com/open-telemetry/semantic-conventions-genai. What these have no word for begins
with `tornado_router.`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tornado_router.endpoints import KNOWN
from tornado_router.observability.attempt_record import AttemptRecord
from tornado_router.observability.metric_labels import failure_reason
from tornado_router.observability.redaction import REDACTED, holds_secret
from tornado_router.observability.text import valid_texts
from tornado_router.observability.trace_context import TraceContext
from tornado_router.usage import NO_RARE, RARE, rare

if TYPE_CHECKING:
    from tornado_router.ledger.record import CallRecord

Attributes = dict[str, Any]

CANCELLED = "cancelled"
"""`error.type` of an attempt that was given up: its client went away, or another was faster."""

VENDOR_MODELS = frozenset({"gen_ai.request.model", "gen_ai.response.model"})
"""Attributes that name a model as its vendor does."""

_REASONING = "gen_ai.usage.reasoning.output_tokens"
_QUANTITIES = {
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": _REASONING,
}
"""The conventions' names of the common quantities, in their order; the others have none."""

_PORTS = {"https": 443, "http": 80}
_CLIENT_ERROR = 400
_SERVER_ERROR = 500


class TracedCall(NamedTuple):
    """A call that is over.

    Attributes:
        record: of it.
        attempts: to have it served.
        trace: what it is part of, or None.
        ended: when it was over, by `time.monotonic()`.
    """

    record: CallRecord
    attempts: tuple[AttemptRecord, ...]
    trace: TraceContext | None
    ended: float

    @property
    def is_sampled(self) -> bool:
        """Whether it is to be seen in a trace."""
        return self.trace is not None and self.trace.sampled

    def end_of(self, attempt: AttemptRecord) -> float:
        """When an attempt was over; the call may be settled a moment before its stream is."""
        return self.ended if attempt.ended is None else min(attempt.ended, self.ended)

    def nanoseconds(self, moment: float) -> int:
        """A moment of `time.monotonic()` in nanoseconds since 1970."""
        return int((self.record.finished_at - (self.ended - moment)) * 1e9)


def operation(record: CallRecord) -> str:
    """The value of `gen_ai.operation.name`."""
    return KNOWN[record.endpoint].otel_operation or record.endpoint


def winner(record: CallRecord, attempts: Sequence[AttemptRecord]) -> AttemptRecord | None:
    """The attempt that the client was answered from, which the call's usage belongs to."""
    for attempt in reversed(attempts):
        if (attempt.provider, attempt.model) == (record.provider, record.target_model):
            return attempt
    return None


def call_attributes(record: CallRecord, path: str, scheme: str) -> Attributes:
    """Attributes of a call's span.

    Args:
        record: of the call.
        path: where it was sent to.
        scheme: `http` or `https`.
    """
    return _present(
        {
            "http.request.method": "POST",
            "http.route": path,
            "url.path": path,
            "url.scheme": scheme,
            "http.response.status_code": record.status,
            # As HTTP has it, a server has made an error only if its status is 500 or more.
            "error.type": record.error_code if record.status >= _SERVER_ERROR else None,
            "tornado_router.model": record.model,
            "tornado_router.provider": record.provider,
            "tornado_router.error_code": record.error_code,
            "tornado_router.call_id": record.call_id,
            "tornado_router.request_id": record.request_id,
            "tornado_router.user_id": record.user_id,
            "tornado_router.key_id": record.key_id,
            "tornado_router.stream": record.stream,
            "tornado_router.cost_dollars": record.charge.charged / 1e9,
            "tornado_router.cache_hit": record.cache_hit,
            "tornado_router.overhead_seconds": record.overhead,
        }
    )


def call_metric_attributes(record: CallRecord) -> Attributes:
    """Attributes of a whole call's metrics."""
    served = record.provider is not None or record.cache_hit
    error = record.error_code
    if (
        record.provider is not None and record.status >= _CLIENT_ERROR
    ):  # it may be the vendor's word
        error = failure_reason(record.status, error)
    return _present(
        {
            "gen_ai.operation.name": operation(record),
            # Of a call that was refused, it may be any text.
            "tornado_router.model": record.model if served else None,
            "http.response.status_code": record.status,
            "error.type": error,
        }
    )


def attempt_attributes(record: CallRecord, attempt: AttemptRecord) -> Attributes:
    """Attributes of an attempt's span and of all its metrics."""
    address, port = _server(attempt.url)
    return _present(
        {
            "gen_ai.operation.name": operation(record),
            "gen_ai.provider.name": attempt.otel_provider_name,
            "gen_ai.request.model": attempt.model,
            "gen_ai.response.model": _answered(attempt.response_model),
            "server.address": address,
            "server.port": port,
            "tornado_router.provider": attempt.provider,
        }
    )


def answer_attributes(record: CallRecord, attempt: AttemptRecord) -> Attributes:
    """More attributes of an attempt's span, that metrics would not tell apart."""
    return _present(
        {
            "gen_ai.request.stream": record.stream or None,
            "gen_ai.response.id": _answered(attempt.response_id),
            "gen_ai.response.finish_reasons": tuple(map(_answered, attempt.finish_reasons)) or None,
            "gen_ai.response.time_to_first_chunk": time_to_first_chunk(attempt),
        }
    )


def usage_attributes(record: CallRecord) -> Attributes:
    """What a call used; attributes of the winner's span."""
    usage = record.usage
    others = rare(usage)
    if not usage.prompt_tokens and not usage.completion_tokens and others == NO_RARE:
        return {}
    counts: Attributes = dict(zip(_QUANTITIES.values(), usage, strict=False))
    counts[_REASONING] = counts[_REASONING] or None
    if others != NO_RARE:
        more = zip(RARE, others, strict=True)
        counts |= {f"tornado_router.usage.{name}": number for name, number in more if number}
    return _present({**counts, "tornado_router.usage_estimated": record.usage.estimated})


def billed_tokens(record: CallRecord) -> Iterator[tuple[str, int]]:
    """Values of `gen_ai.token.type` and their tokens; the conventions want no estimates there."""
    if not record.usage.estimated:
        counts = (("input", record.usage.prompt_tokens), ("output", record.usage.completion_tokens))
        yield from ((kind, count) for kind, count in counts if count)


def time_to_first_chunk(attempt: AttemptRecord) -> float | None:
    """Seconds until an attempt's first chunk, or None if there was none."""
    return None if attempt.first_chunk is None else attempt.first_chunk - attempt.began


def attempt_error(attempt: AttemptRecord) -> str | None:
    """The value of `error.type` for an attempt's span, or None if it went well."""
    if attempt.status is not None:
        return attempt.error_code or str(attempt.status)
    return None if attempt.complete else CANCELLED


def attempt_metric_error(attempt: AttemptRecord) -> str | None:
    """The value of `error.type` for an attempt's metrics: one of few words."""
    if attempt.status is not None:
        return failure_reason(attempt.status, attempt.error_code)
    return None if attempt.complete else CANCELLED


def _server(url: str | None) -> tuple[str | None, int | None]:
    """Host and port of a URL, the rest of which may hold a key."""
    try:
        parts = urlsplit(url or "")
        return parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None, None


def _answered(text: str | None) -> str | None:
    """What a vendor answered, unless it has the form of a secret."""
    return REDACTED if text and holds_secret(text) else text


def _present(values: Mapping[str, Any]) -> Attributes:
    """The values that are known, as every collector takes them."""
    return {name: valid_texts(value) for name, value in values.items() if value is not None}
