"""The record of one call, which the journal, the database, logs, metrics and traces read."""

from __future__ import annotations

from typing import Any, NamedTuple

from tornado_router.hookspecs import RequestFinished
from tornado_router.storage.values import from_billionths
from tornado_router.usage import COMMON, NO_RARE, QUANTITIES, RARE, Usage, quantities, rare


class Charge(NamedTuple):
    """The cost of a call, in billionths of a US dollar.

    Attributes:
        charged: taken from its payer.
        uncharged: not charged: beyond the available balance, or of a cancelled hedged attempt.
        prices: JSON object of the prices that were used, or None for a model without.
    """

    charged: int = 0
    uncharged: int = 0
    prices: str | None = None


class RunningCall(NamedTuple):
    """The part of a call's record that is known when it begins; see `CallRecord`."""

    call_id: str
    request_id: str
    endpoint: str
    user_id: int
    key_id: int
    key_name: str
    model: str
    stream: bool


class CallRecord(NamedTuple):
    """Everything that is recorded of a call. It holds no prompt, response or key.

    It may grow as the router needs: plugins see a `RequestFinished`, which `event_of` makes of it.

    Attributes:
        call_id: the router's own id, unique for ever.
        request_id: as in `x-request-id`; a client may have chosen it.
        endpoint: the API that was called, such as `chat.completions`.
        user_id: row of `users`.
        key_id: row of `api_keys`.
        key_name: the name its owner gave the key.
        model: the name that the client asked for.
        provider: name of the provider that served it, or None when none was reached.
        target_model: the vendor's own name of the model, or None.
        stream: whether the response was streamed.
        status: HTTP status; 499 when the client disconnected, and for a stream that broke after its
            first chunk the status that the failure would have had.
        error_code: code of the error object, or None on success.
        dropped_params: paths of the parameters that the provider does not support and that were
            left out.
        paid_from_credits: whether the user's credits were charged.
        finished_at: when it ended, in seconds since 1970.
        duration: seconds from the first byte of the request to the last of the response.
        first_chunk: seconds until the first chunk, or None if not streamed.
        overhead: seconds that the call spent in the router itself until its response began or it
            failed, or None if no provider was asked or the client disconnected earlier.
        cache_hit: whether the response came from the cache.
        client_address: IP address of the client; empty if `[log] client_addresses` is off.
        trace_id: of the trace that the call is part of (32 hexadecimal digits), or None.
        internal_error: of an error in the router itself, its type and where it was raised, or None.
        client: the program that made the call, as its `User-Agent` has it; up to 100 characters.
        session: of the client, by a header of `[log] session_headers`; up to 100 characters.
        usage: the quantities of it.
        charge: the cost of it.
    """

    call_id: str
    request_id: str
    endpoint: str
    user_id: int
    key_id: int
    key_name: str
    model: str
    provider: str | None
    target_model: str | None
    stream: bool
    status: int
    error_code: str | None
    dropped_params: tuple[str, ...]
    paid_from_credits: bool
    finished_at: float
    duration: float
    first_chunk: float | None
    overhead: float | None
    cache_hit: bool
    client_address: str
    trace_id: str | None
    internal_error: str | None
    client: str
    session: str
    usage: Usage
    charge: Charge

    @property
    def is_unpriced(self) -> bool:
        """Whether a provider served something of a model without a price, so that it cost 0."""
        return (
            self.charge.prices is None
            and self.provider is not None
            and not self.cache_hit
            and self.usage.is_any
        )

    def logged(self) -> dict[str, Any]:
        """What a line of the log says of it, but for times; costs are texts, in US dollars.

        Rare quantities are there only if it has some. What is wrong in the router itself is logged
        where it is met.
        """
        usage, charge = self.usage, self.charge
        is_common = rare(usage) == NO_RARE
        values = (  # by position, as each call makes one line; a test goes by the names
            *self[:_FINISHED_AT],
            *self[_CACHE_HIT:_INTERNAL_ERROR],
            *self[_CLIENT:-2],
            *(usage[:COMMON] if is_common else quantities(usage)),
            usage.estimated,
            _dollars(charge.charged),
            _dollars(charge.uncharged),
            charge.prices,
        )
        return dict(zip(_LOGGED if is_common else _LOGGED_WITH_RARE, values, strict=True))


FLAT_NAMES = (
    *CallRecord._fields[:-2],
    *QUANTITIES,
    "usage_estimated",
    "cost",
    "uncharged",
    "prices",
)
"""The names of all values of a call, those of usage and charge in their place."""

_FINISHED_AT = CallRecord._fields.index("finished_at")
_CACHE_HIT = CallRecord._fields.index("cache_hit")
_INTERNAL_ERROR = CallRecord._fields.index("internal_error")
_CLIENT = CallRecord._fields.index("client")
_PAID_FROM_CREDITS = CallRecord._fields.index("paid_from_credits")

_NOT_LOGGED = {"finished_at", "duration", "first_chunk", "overhead", "internal_error"}
_LOGGED_WITH_RARE = [name for name in FLAT_NAMES if name not in _NOT_LOGGED]
_LOGGED = [name for name in _LOGGED_WITH_RARE if name not in RARE]
"""The names in a line of the log."""


def _dollars(billionths: int) -> str:
    return f"{from_billionths(billionths):f}" if billionths else "0"  # as most are uncharged


def event_of(record: CallRecord) -> RequestFinished:
    """The public event of a call, for plugins with the hook `request_finished`."""
    usage, charge = record.usage, record.charge
    values = (  # by position, as each call makes one; a test goes by the names
        *record[:_PAID_FROM_CREDITS],
        *usage[:COMMON],
        usage.estimated,
        from_billionths(charge.charged),
        from_billionths(charge.uncharged),
        record.paid_from_credits,
        charge.prices,
        *record[_FINISHED_AT:_CLIENT],
        *rare(usage),
    )
    return RequestFinished._make(values)
