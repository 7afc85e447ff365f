"""What is recorded of a call: as it begins, at any moment, and for the request log."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tornado_router.calls.client import Envelope
from tornado_router.ledger.exchange import Exchange
from tornado_router.ledger.record import CallRecord, Charge, RunningCall
from tornado_router.observability.redaction import MAX_SHOWN_NAME, printable_name
from tornado_router.provider import Call
from tornado_router.usage import Usage

if TYPE_CHECKING:
    from tornado_router.calls.account import CallAccount

MOST_DROPPED = 50
"""Parameters that the log names: their names are the client's, and there may be any number."""


@dataclass(slots=True)
class Outcome:
    """How a call turned out so far.

    Attributes:
        status: of the response, or 499 if the client left.
        error_code: of the error that ended it, or None.
        internal_error: of an error in the router itself, its type and place, or None.
        first_chunk: seconds until the first content of a stream, or None.
        overhead: seconds in the router itself until the response began, or None.
    """

    status: int = 200
    error_code: str | None = None
    internal_error: str | None = None
    first_chunk: float | None = None
    overhead: float | None = None


def running_call(call: Call, envelope: Envelope) -> RunningCall:
    """The record of a call that begins."""
    key = envelope.key
    return RunningCall(
        call_id=call.id,
        request_id=envelope.request_id,
        endpoint=call.endpoint,
        user_id=key.user_id,
        key_id=key.id,
        key_name=key.name,
        model=printable_name(call.model),
        stream=call.stream,
    )


def call_record(account: CallAccount, usage: Usage, charge: Charge) -> CallRecord:
    """The record of a call, as if it ended now.

    Args:
        account: of the call.
        usage: of the call so far.
        charge: for that.
    """
    call, envelope, outcome = account.call, account.envelope, account.outcome
    key, target, error_code = envelope.key, account.attempts.target, outcome.error_code
    return CallRecord(
        call_id=call.id,
        request_id=envelope.request_id,
        endpoint=call.endpoint,
        user_id=key.user_id,
        key_id=key.id,
        key_name=key.name,
        model=printable_name(call.model),
        provider=target.provider if target else None,
        target_model=printable_name(target.model) if target else None,
        stream=call.stream,
        status=outcome.status,
        error_code=error_code[:MAX_SHOWN_NAME] if error_code else None,
        dropped_params=tuple(map(printable_name, account.dropped[:MOST_DROPPED])),
        paid_from_credits=account.permit is not None and account.permit.from_credits,
        finished_at=time.time(),
        duration=time.monotonic() - envelope.started,
        first_chunk=outcome.first_chunk,
        overhead=outcome.overhead,
        cache_hit=account.cached is not None,
        client_address=envelope.client_address,
        trace_id=envelope.trace.trace_id if envelope.trace else None,
        internal_error=outcome.internal_error,
        usage=usage,
        charge=charge,
    )


def exchange(account: CallAccount, record: CallRecord) -> Exchange:
    """Request and response of a call, for the request log."""
    return Exchange(record, account.call.raw, account.copy.data(), account.copy.size)
