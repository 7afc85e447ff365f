"""What an error of a provider becomes: for the client, for the circuit breaker and for retries."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from enum import Enum

from tornado_router.calls.vendor_meanings import (
    PAYMENT_REQUIRED,
    REFUSED,
    Meaning,
    Reading,
    meaning_of,
)
from tornado_router.error_codes import Failure
from tornado_router.errors import RETRY_AFTER_STATUSES, ApiError, ProviderError
from tornado_router.observability.redaction import redact_forms
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider.error_reader import MAX_WORDS
from tornado_router.routing.retries import seconds_of

LOGGED_WORDS = 200
"""Of a vendor's words, this much is logged."""

_LONG_QUOTE = re.compile(r"""(['"`])[^'"`]{41,}+(?:['"`]|$)""")

_STATUSES = {
    PAYMENT_REQUIRED: 429,  # one that passes
    423: 503,
    424: 502,
    425: 503,
    498: 503,
    499: 502,
    503: 503,
    504: 504,
    522: 504,
    524: 504,
    529: 503,
}
"""What the client sees for a vendor's status, where it is neither that nor 502."""

_LIMITS = frozenset((PAYMENT_REQUIRED, 429))
_AGAIN = frozenset((*_LIMITS, 408, 409, 423, 424, 425, 498, 499))
_AGAIN |= frozenset((500, 502, 503, 504, 520, 521, 523, 529, 530))
"""Statuses that may be others a moment later. Those of Cloudflare, 52x, are in
https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors."""

_LASTING = frozenset(("timeout", "tls_error", "response_too_large"))
"""Codes of our own failures that are not: after a time-out the provider may still be at work, and
be paid for it; a response that is too large would be read to the same point again."""

_CANNOT = frozenset((404, 405, 410, 413, 451))
"""Statuses by which a target says that it cannot serve a call, which another may."""


class Cause(Enum):
    """Where the fault lies."""

    REQUEST = "every target would refuse it"
    ELSEWHERE = "this target cannot serve it, another may"
    TARGET = "the target failed"
    LIMIT = "the target is well, but has no room"


OPERATORS, FAILED, ACTIONABLE = range(3)
"""How useful an error is to a client: it can do nothing about the operator's account, try again
after a failure, and act upon a limit or an overlong prompt."""


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
        use: of the error to the client. When every target has failed, it gets the most useful.
    """

    error: ApiError
    cause: Cause
    again: bool = False
    retry_after: float | None = None
    summary: str = ""
    frames: str = ""
    use: int = FAILED


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
            use=OPERATORS,
        )
    if not isinstance(error, ProviderError):
        return Verdict(_cleaned(error, configured), Cause.REQUEST)
    return _judge_vendor(error, configured)


def _judge_vendor(error: ProviderError, configured: ConfiguredProvider) -> Verdict:
    seen = _cleaned(error, configured)
    code = f", {seen.code}" if seen.code else ""
    status = f"status {error.status}{code}"
    reading = meaning_of(error)
    if reading is not None:
        return _judge_meaning(reading, error, seen, status, configured)
    summary = f"failed with {status}{_quoted(error, configured)}"
    if error.status in _CANNOT:
        return Verdict(seen, Cause.ELSEWHERE, summary=summary)
    if not error.retryable:
        return Verdict(_for_client(seen), Cause.REQUEST, summary=summary)
    again = error.status in _AGAIN and error.code not in _LASTING
    is_limit = error.status in _LIMITS
    if not again and 400 <= error.status < 500:
        return Verdict(seen, Cause.ELSEWHERE, summary=summary)
    return Verdict(
        _for_client(seen, may_pass=True),
        Cause.LIMIT if is_limit else Cause.TARGET,
        again=again,
        retry_after=seconds_of(error.headers.get("Retry-After")),
        summary=summary,
        use=ACTIONABLE if is_limit else FAILED,
    )


def _judge_meaning(
    reading: Reading,
    error: ProviderError,
    seen: ApiError,
    status: str,
    configured: ConfiguredProvider,
) -> Verdict:
    """The verdict on an error that means more than its status."""
    name, use = configured.name, OPERATORS
    deed = "failed with"
    match reading.meaning:
        case Meaning.NO_CREDIT:
            # The client's own credits are another thing, so these words do not go on.
            deed = "refused the router's account, which cannot pay:"
            seen = Failure.no_credit(provider=name)
        case Meaning.NO_REGION:
            seen = Failure.region_not_supported(provider=name)
        case Meaning.NO_MODEL if error.status not in REFUSED:
            seen.code = seen.code or "model_not_found"
        case Meaning.BAD_KEY | Meaning.NO_MODEL:
            # The client's own key is right, so the error must not say that it is wrong; and a
            # vendor's words on a bad key tend to quote it.
            seen = Failure.provider_refused_credentials(provider=name)
        case Meaning.TOO_LONG:
            use = ACTIONABLE
            if error.status >= 500 and error.words:
                seen.message = _clean(error.words, configured) or seen.message
            seen.status, seen.type = 400, "invalid_request_error"
            seen.code = "context_length_exceeded"
        case Meaning.FILTERED:
            use = ACTIONABLE
            seen.status, seen.type = 400, "invalid_request_error"
            seen.code = seen.code or "content_filter"
        case Meaning.UNABLE:
            use = ACTIONABLE
            seen.status = error.status if error.status < 500 else 400
        case Meaning.MISMADE:
            use = FAILED
        case Meaning.TOO_LARGE:
            use = ACTIONABLE
            seen.headers["x-should-retry"] = "false"  # the official SDKs obey it
    is_targets = reading.by_code and use == OPERATORS
    return Verdict(
        seen,
        Cause.TARGET if is_targets else Cause.ELSEWHERE,
        again=reading.meaning is Meaning.MISMADE,  # another response may be well-formed
        summary=f"{deed} {status}{_quoted(error, configured)}",
        use=use,
    )


def _for_client(error: ApiError, *, may_pass: bool = False) -> ApiError:
    """The error with a status that clients know."""
    status = error.status
    error.status = _STATUSES.get(status, status if 400 <= status < 500 else 502)
    if may_pass and (status in RETRY_AFTER_STATUSES or error.status in RETRY_AFTER_STATUSES):
        error.headers.setdefault("Retry-After", "1")
    return error


def _quoted(error: ProviderError, configured: ConfiguredProvider) -> str:
    """The vendor's words, or the cause of a broken connection, as the log has them.

    What they quote at length may be a prompt.
    """
    words = _LONG_QUOTE.sub(r"\1...\1", redact_forms(_clean(error.words, configured) or ""))
    if not words:
        return ""
    cut = "..." if len(words) > LOGGED_WORDS else ""
    return f": {words[:LOGGED_WORDS].rstrip()}{cut}"


def _cleaned(error: ApiError, configured: ConfiguredProvider) -> ApiError:
    """The same error, of which nothing is a secret."""
    kind = ProviderError if isinstance(error, ProviderError) else ApiError
    headers = dict(error.headers)
    if seconds_of(headers.get("Retry-After")) is None:
        headers.pop("Retry-After", None)  # not every text may stand in a header
    return kind(
        error.status,
        _clean(error.message, configured)
        or Failure.provider_fault(provider=configured.name).message,
        type=_clean(error.type, configured) or "api_error",
        param=_clean(error.param, configured),
        code=_clean(error.code, configured),
        headers=headers,
    )


def _clean(text: object, configured: ConfiguredProvider) -> str | None:
    """A vendor's words as they may go on: one line that any log and database takes, no secret."""
    if not isinstance(text, str):
        return None
    credentials = configured.provider.credentials if configured.provider else None
    fetched = credentials.secrets() if credentials else ()
    for secret in filter(None, (*configured.secrets, *fetched)):
        text = text.replace(secret, "***")
    return "".join(c if c.isprintable() else " " for c in text[:MAX_WORDS])
