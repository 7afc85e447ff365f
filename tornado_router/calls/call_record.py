"""What is recorded of a call: as it begins, at any moment, and for the request log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loguru import logger

from tornado_router.calls.client import Envelope
from tornado_router.ledger.exchange import Exchange
from tornado_router.ledger.record import CallRecord, Charge, RunningCall
from tornado_router.observability.redaction import MAX_SHOWN_NAME, printable_name
from tornado_router.plugins.registry import FAULTS
from tornado_router.provider import Call, write_json
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
        call.id,
        envelope.request_id,
        call.endpoint,
        key.user_id,
        key.id,
        key.name,
        printable_name(call.model),
        call.stream,
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
    dropped = account.dropped
    return CallRecord(  # by position: each call makes one, and names take as long as all else
        call.id,
        envelope.request_id,
        call.endpoint,
        key.user_id,
        key.id,
        key.name,
        printable_name(call.model),
        target.provider if target else None,
        printable_name(target.model) if target else None,
        call.stream,
        outcome.status,
        error_code[:MAX_SHOWN_NAME] if error_code else None,
        tuple(map(printable_name, dropped[:MOST_DROPPED])) if dropped else (),
        account.permit is not None and account.permit.from_credits,
        time.time(),
        time.monotonic() - envelope.started,
        outcome.first_chunk,
        outcome.overhead,
        account.cached is not None,
        envelope.client_address,
        envelope.trace.trace_id if envelope.trace else None,
        outcome.internal_error,
        envelope.client,
        envelope.session,
        usage,
        charge,
    )


def exchange(account: CallAccount, record: CallRecord) -> Exchange:
    """Request and response of a call, for the request log."""
    call = account.call
    sent = write_json(call.body) if call.parts else call.raw  # of a form, its texts
    return Exchange(record, sent, account.copy.data(), account.copy.size)


def safely(name: str, observe: Callable[..., object], *args: Any, **options: Any) -> None:
    """Has something noted of a call, which no fault in that decides."""
    try:
        observe(*args, **options)
    except FAULTS as error:
        logger.error("{} raised {} in a call", name, type(error).__name__)
