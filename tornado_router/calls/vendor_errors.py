"""What an error of a provider becomes: for the client, for the circuit breaker and for retries."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from enum import Enum

from tornado_router.error_codes import Failure
from tornado_router.errors import RETRY_AFTER_STATUSES, ApiError, ProviderError
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.routing.retries import seconds_of

MAX_WORDS = 4000
"""Of a vendor's message, this much goes on."""

_STATUSES = {503: 503, 504: 504, 529: 503}
"""What the client sees for a vendor's 5xx, where it is not 502."""

_LIMITED = 429
_AGAIN = frozenset((408, 409, 425, _LIMITED, 500, 502, 503, 504, 529))
"""Statuses that may be others a moment later."""

_LASTING = frozenset(("timeout", "tls_error"))
"""Codes of our own failures that are not: after a time-out the provider may still be at work, and
be paid for it."""

_NO_CREDIT_STATUS = 402
_NO_CREDIT = frozenset(("insufficient_quota", "billing_not_active", "billing_hard_limit_reached"))
"""Codes of OpenAI, and of the many that copy it, for an account that cannot pay: with 429 or 400.
https://platform.openai.com/docs/guides/error-codes"""


class Cause(Enum):
    """Where the fault lies."""

    REQUEST = "every target would refuse it"
    TARGET = "the target failed"
    LIMIT = "the target is well, but has no room"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an error of a provider means.

    Attributes:
        error: for the client; nothing in it is a secret.
        cause: where the fault lies.
        again: whether the same target may do better a moment later.
        retry_after: seconds that the vendor asked for until then, or None.
        summary: for the log, what the target did; empty if the request alone is at fault.
        frames: for the log, where a plugin raised an unexpected error.
    """

    error: ApiError
    cause: Cause
    again: bool = False
    retry_after: float | None = None
    summary: str = ""
    frames: str = ""


def judge(error: BaseException, configured: ConfiguredProvider) -> Verdict:
    """Judges an error that a provider raised.

    Args:
        error: it.
        configured: the provider.
    """
    name = configured.name
    if isinstance(error, TimeoutError):
        error = Failure.timeout(provider=name)
    if not isinstance(error, ApiError):
        # The message may hold a part of the prompt, so only the place is logged.
        frames = "".join(traceback.format_tb(error.__traceback__)[-3:])
        return Verdict(
            Failure.provider_fault(provider=name),
            Cause.TARGET,
            summary=f"raised {type(error).__name__}",
            frames=frames,
        )
    if not isinstance(error, ProviderError):
        return Verdict(_cleaned(error, configured), Cause.REQUEST)
    return _judge_vendor(error, configured)


def _judge_vendor(error: ProviderError, configured: ConfiguredProvider) -> Verdict:
    status = error.status
    seen = _cleaned(error, configured)
    code = f", {seen.code}" if seen.code else ""
    summary = f"failed with status {status}{code}"
    if _has_no_credit(error):
        summary = f"refused the router's account, which cannot pay: status {status}{code}"
        # The client's own credits are another thing, so a vendor's words on quotas do not go on.
        return Verdict(Failure.no_credit(provider=configured.name), Cause.TARGET, summary=summary)
    if not error.retryable:
        return Verdict(_for_client(seen, status, configured), Cause.REQUEST, summary=summary)
    retry_after = seconds_of(error.headers.get("Retry-After"))
    if status in RETRY_AFTER_STATUSES:
        seen.headers.setdefault("Retry-After", "1")
    return Verdict(
        _for_client(seen, status, configured),
        Cause.LIMIT if status == _LIMITED else Cause.TARGET,
        again=status in _AGAIN and error.code not in _LASTING,
        retry_after=retry_after,
        summary=summary,
    )


def _for_client(error: ApiError, status: int, configured: ConfiguredProvider) -> ApiError:
    if status in (401, 403):
        # The client's own key is right, so the error must not say that it is wrong; and a vendor's
        # words on a bad key tend to quote it.
        return Failure.provider_refused_credentials(provider=configured.name)
    if not 400 <= status < 500:
        error.status = _STATUSES.get(status, 502)
    return error


def _has_no_credit(error: ProviderError) -> bool:
    """Whether the operator's account at the vendor is empty or closed."""
    return error.status == _NO_CREDIT_STATUS or error.code in _NO_CREDIT


def _cleaned(error: ApiError, configured: ConfiguredProvider) -> ApiError:
    """The same error, of which nothing is a secret."""
    kind = ProviderError if isinstance(error, ProviderError) else ApiError
    return kind(
        error.status,
        _clean(error.message, configured)
        or Failure.provider_fault(provider=configured.name).message,
        type=_clean(error.type, configured) or "api_error",
        param=_clean(error.param, configured),
        code=_clean(error.code, configured),
        headers=error.headers,
    )


def _clean(text: object, configured: ConfiguredProvider) -> str | None:
    """A vendor's words as they may go on: one line that any log and database takes, no secret."""
    if not isinstance(text, str):
        return None
    for secret in configured.secrets:
        text = text.replace(secret, "***")
    return "".join(c if c.isprintable() else " " for c in text[:MAX_WORDS])
