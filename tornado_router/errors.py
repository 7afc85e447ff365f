"""The one tree of errors, each of which knows how the OpenAI API would say it.

Whatever goes wrong below raises one of these; handlers render an `ApiError` once. The object and
the statuses follow https://platform.openai.com/docs/guides/error-codes.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CLIENT_CLOSED = 499
"""What nginx logs, and we do, for a client that went away before its answer was whole."""

CODES = frozenset(
    {
        "admin_required",
        "array_above_max_length",
        "array_below_min_length",
        "bad_provider_answer",
        "connection_error",
        "context_length_exceeded",
        "credits_above_max",
        "credits_below_zero",
        "database_away",
        "decimal_above_max_value",
        "decimal_below_min_value",
        "duplicate_key",
        "email_taken",
        "empty_array",
        "empty_string",
        "endpoint_not_permitted",
        "insufficient_quota",
        "integer_above_max_value",
        "integer_below_min_value",
        "internal_error",
        "invalid_api_key",
        "invalid_credentials",
        "invalid_invite",
        "invalid_json",
        "invalid_token",
        "invalid_type",
        "invalid_value",
        "invite_not_found",
        "invite_required",
        "key_not_found",
        "last_admin",
        "ledger_full",
        "limits_unavailable",
        "method_not_allowed",
        "metrics_are_off",
        "missing_required_parameter",
        "model_not_found",
        "model_not_permitted",
        "model_not_priced",
        "not_cached",
        "object_above_max_properties",
        "overloaded",
        "password_changed",
        "password_too_long",
        "provider_fault",
        "provider_refused_credentials",
        "rate_limit_exceeded",
        "registration_closed",
        "request_log_not_found",
        "request_too_large",
        "stopped",
        "string_above_max_length",
        "string_below_min_length",
        "target_not_found",
        "timeout",
        "tls_error",
        "token_required",
        "too_many_keys",
        "unknown_parameter",
        "unknown_plan",
        "unknown_url",
        "unsupported_content_type",
        "unsupported_endpoint",
        "unsupported_parameter",
        "unsupported_value",
        "user_not_found",
        "weak_password",
    }
)
"""Every code of the router's own; docs/errors.md explains each. Vendors have others."""

MAX_FRAMES = 5
"""Of where an unexpected error was raised, so many functions are shown."""


class RouterError(Exception):
    """Anything the router itself raises on purpose."""


class ApiError(RouterError):
    """A refusal or failure that a client is told about, as OpenAI's error object.

    Attributes:
        status: HTTP status to answer with.
        message: one sentence for a person; never holds a secret.
        type: OpenAI's error class, such as `invalid_request_error`.
        param: path of the field at fault, such as `messages[1].content`, or None.
        code: machine-readable reason, one of `CODES` unless it is a vendor's, or None.
        headers: headers of the answer, such as `Retry-After`.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """OpenAI's error object, ready to be serialised."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


class StoppedError(ApiError):
    """The router stops, and takes no more requests or cuts off the one that runs."""

    def __init__(self) -> None:
        message = "The router is shutting down. Please try again."
        super().__init__(503, message, type="server_error", code="stopped")


class ProviderError(ApiError):
    """A provider failed, or answered what its API does not promise.

    Attributes:
        retryable: whether another target may do better; False when the request itself is at
            fault, so that every target would refuse it.
        again: whether the same target may do better a moment later. The core sets it.
        retry_after: seconds that the provider asked for until then, or None. The core sets it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        retryable: bool = True,
        type: str = "api_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, type=type, param=param, code=code, headers=headers)
        self.retryable = retryable
        self.again = False
        self.retry_after: float | None = None


def invalid_request(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """A 400 for a request that is wrong whoever serves it."""
    return ApiError(400, message, param=param, code=code)


def unauthorized(message: str, code: str | None) -> ApiError:
    """A 401, with the header that RFC 9110 section 15.5.2 asks for."""
    return ApiError(401, message, code=code, headers={"WWW-Authenticate": "Bearer"})


def bad_answer(message: str) -> ProviderError:
    """A 502 for an answer that is not what the provider's API promises."""
    return ProviderError(502, message, code="bad_provider_answer")


def first_line(error: BaseException) -> str:
    """What a database's error says, without the row that PostgreSQL quotes on the lines below."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def describe_exception(error: BaseException) -> str:
    """The type of an unexpected error and where it was raised, the outermost function first.

    Neither its message nor any value is shown: they may hold a part of a prompt.
    """
    places = [
        f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return f"{type(error).__name__} in {' > '.join(places[-MAX_FRAMES:])}"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a configuration.

    Attributes:
        where: dotted path of the option (`server.port`), or `line 3` of the file; empty for the
            file as a whole.
        message: what is wrong, and what would be right.
    """

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class ConfigError(RouterError):
    """A configuration that cannot be used, with every fault that was found in it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults))
