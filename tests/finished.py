"""A call that is over, in full, so that a test says only what matters to it."""

import datetime
from decimal import Decimal

from tornado_router.hookspecs import RequestFinished

EPOCH = datetime.datetime(1970, 1, 1)

FINISHED = RequestFinished(
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
    prompt_tokens=11,
    completion_tokens=7,
    cached_tokens=3,
    reasoning_tokens=2,
    cache_write_tokens=4,
    usage_estimated=False,
    cost=Decimal("0.000000025"),
    uncharged=Decimal(0),
    paid_from_credits=True,
    prices=None,
    finished_at=1_800_000_000.5,
    duration=1.5,
    first_chunk=0.25,
)


def finished(number=1, at=None, **fields):
    """A call that differs from `FINISHED` in its ids, and in fields that are given.

    Args:
        number: of its ids.
        at: when it ended, in UTC: a datetime, or the text of one.
        fields: others.
    """
    if at is not None:
        moment = at if isinstance(at, datetime.datetime) else datetime.datetime.fromisoformat(at)
        fields["finished_at"] = (moment - EPOCH) / datetime.timedelta(seconds=1)
    ids = {"call_id": f"req_{number}", "request_id": f"client-{number}"}
    return FINISHED._replace(**ids | fields)
