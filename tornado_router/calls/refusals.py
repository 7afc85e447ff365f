"""Errors of calls that a limit refuses: texts and headers, as OpenAI has them."""

from __future__ import annotations

from tornado_router.error_codes import Refusal
from tornado_router.errors import ApiError
from tornado_router.limits.holders import HolderKind
from tornado_router.limits.kinds import KINDS
from tornado_router.limits.limiter import MONEY, Levels, LimitReachedError
from tornado_router.limits.retry_after import duration, retry_headers
from tornado_router.observability.redaction import printable_name


def level_headers(levels: Levels) -> dict[str, str]:
    """The `x-ratelimit-*` headers: https://platform.openai.com/docs/guides/rate-limits."""
    headers = {}
    for ending, (limit, remaining, reset) in levels.items():
        headers["x-ratelimit-limit-" + ending] = str(limit)
        headers["x-ratelimit-remaining-" + ending] = str(remaining)
        headers["x-ratelimit-reset-" + ending] = duration(reset)
    return headers


def refusal_of(reached: LimitReachedError, model: str) -> ApiError:
    """A refusal in OpenAI's words: https://platform.openai.com/docs/guides/error-codes."""
    if reached.kind == MONEY:
        row, (message, kind) = Refusal.insufficient_quota, (_no_money(reached), "")
    else:
        row, (message, kind) = Refusal.rate_limit_exceeded, _no_room(reached, model)
    headers = level_headers(reached.levels)
    return row(message, type=kind, headers={**headers, **retry_headers(reached.retry_after)})


def _no_money(reached: LimitReachedError) -> str:
    if HolderKind.BUDGET.names(reached.name):
        message = "This API key's budget does not cover the request."
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
