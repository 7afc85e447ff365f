"""A finished call, in full, so that a test says only what matters to it."""

import datetime
from decimal import Decimal

from tornado_router.ledger.record import CallRecord, Charge
from tornado_router.usage import QUANTITIES, Usage

EPOCH = datetime.datetime(1970, 1, 1)

FINISHED = CallRecord(
    call_id="req_1",
    request_id="client-1",
    endpoint="chat.completions",
    user_id=1,
    key_id=1,
    key_name="one",
    model="fast",
    provider="openai",
    target_model="gpt-5.2-mini",
    stream=True,
    status=200,
    error_code=None,
    dropped_params=(),
    paid_from_credits=True,
    finished_at=1_800_000_000.5,
    duration=1.5,
    first_chunk=0.25,
    overhead=None,
    cache_hit=False,
    client_address="",
    trace_id=None,
    internal_error=None,
    client="",
    session="",
    usage=Usage(
        prompt_tokens=11,
        completion_tokens=7,
        cached_tokens=3,
        cache_write_tokens=4,
        reasoning_tokens=2,
    ),
    charge=Charge(charged=25),
)


def changed(record, **fields):
    """The record with other values, by their names in the ledger; costs in US dollars."""
    usage, charge = record.usage, record.charge
    for name in QUANTITIES:
        if name in fields:
            usage = usage._replace(**{name: fields.pop(name)})
    if "usage_estimated" in fields:
        usage = usage._replace(estimated=fields.pop("usage_estimated"))
    for name, own in (("cost", "charged"), ("uncharged", "uncharged")):
        if name in fields:
            charge = charge._replace(**{own: int(Decimal(fields.pop(name)) * 10**9)})
    if "prices" in fields:
        charge = charge._replace(prices=fields.pop("prices"))
    return record._replace(**{"usage": usage, "charge": charge} | fields)


def finished(number=1, at=None, **fields):
    """A call that differs from `FINISHED` in its ids, and in fields that are given.

    Args:
        number: of its ids.
        at: when it ended, in UTC: a datetime, or the text of one.
        fields: others; see `changed`.
    """
    if at is not None:
        moment = at if isinstance(at, datetime.datetime) else datetime.datetime.fromisoformat(at)
        fields["finished_at"] = (moment - EPOCH) / datetime.timedelta(seconds=1)
    ids = {"call_id": f"req_{number}", "request_id": f"client-{number}"}
    return changed(FINISHED, **ids | fields)
