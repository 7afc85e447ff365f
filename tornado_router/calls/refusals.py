"""Errors of calls that a limit refuses: texts and headers, as OpenAI has them."""

from __future__ import annotations

from collections.abc import Sequence

from tornado_router.endpoints import KNOWN, Dialect
from tornado_router.error_codes import Refusal
from tornado_router.errors import ApiError
from tornado_router.limits.holders import HolderKind
from tornado_router.limits.kinds import KINDS
from tornado_router.limits.limiter import MONEY, Levels, LimitReachedError, Purse
from tornado_router.limits.retry_after import duration, retry_headers
from tornado_router.observability.redaction import printable_name
from tornado_router.provider import Call


def level_headers(levels: Levels, dialect: Dialect) -> dict[str, str]:
    """The `x-ratelimit-*` headers, and those of the dialect.

    https://platform.openai.com/docs/guides/rate-limits
    """
    headers: dict[str, str] = {}
    for ending, (limit, remaining, reset) in levels.items():
        of_limit, of_remaining, of_reset = _NAMES[ending]
        headers[of_limit] = str(limit)
        headers[of_remaining] = str(remaining)
        headers[of_reset] = duration(reset)
        if more := dialect.limit_headers(ending, limit, remaining, reset):
            headers.update(more)
    return headers


def refusal_of(reached: LimitReachedError, call: Call, purses: Sequence[Purse] = ()) -> ApiError:
    """A refusal in OpenAI's words: https://platform.openai.com/docs/guides/error-codes.

    Args:
        reached: the limit.
        call: that it refused.
        purses: that the call was to be paid from.
    """
    if reached.kind == MONEY:
        row, (message, kind) = Refusal.insufficient_quota, (_no_money(reached, purses), "")
    else:
        row, (message, kind) = Refusal.rate_limit_exceeded, _no_room(reached, call.model)
    headers = level_headers(reached.levels, KNOWN[call.endpoint].dialect)
    return row(message, type=kind, headers={**headers, **retry_headers(reached.retry_after)})


def _no_money(reached: LimitReachedError, purses: Sequence[Purse]) -> str:
    if HolderKind.BUDGET.names(reached.name):
        message = "This API key's budget does not cover the request."
        for purse in purses:
            if purse.id == reached.name and purse.renews:
                message += f" It is for a {purse.period}, and begins anew on {purse.renews} (UTC)."
    else:
        message = (
            "You exceeded your current quota: your credits do not cover the request. Ask the "
            "router's administrator for more."
        )
    if reached.retry_after is not None:
        message += " Requests in progress reserve a part of it; please try again shortly."
    return message


def _no_room(reached: LimitReachedError, model: str) -> tuple[str, str]:
    whose = "this API key" if HolderKind.KEY.names(reached.name) else "your account"
    kind = _KINDS[reached.kind]
    subject = f"{printable_name(model)} for {whose} on {kind.title}: Limit {reached.limit}"
    if reached.retry_after is None and reached.limit:
        message = f"Request too large for {subject}, Requested {reached.requested}."
    else:
        message = (
            f"Rate limit reached for {subject}, Used {reached.used}, Requested {reached.requested}."
        )
    if reached.retry_after is not None:
        message += f" Please try again in {duration(reached.retry_after)}."
    return message, kind.error_type


_KINDS = {kind.name: kind for kind in KINDS}

_NAMES = {
    kind.header: tuple(f"x-ratelimit-{of}-{kind.header}" for of in ("limit", "remaining", "reset"))
    for kind in KINDS
}
"""Of the headers for each kind, by `LimitKind.header`."""
