"""The one tree of errors, each of which knows how the OpenAI API would say it.

Whatever goes wrong below raises one of these; handlers render an `ApiError` once. The object and
the statuses follow https://platform.openai.com/docs/guides/error-codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


class RouterError(Exception):
    """Anything the router itself raises on purpose."""


class ApiError(RouterError):
    """A refusal or failure that a client is told about, as OpenAI's error object.

    Attributes:
        status: HTTP status to answer with.
        message: one sentence for a person; never holds a secret.
        type: OpenAI's error class, such as `invalid_request_error`.
        param: path of the field at fault, such as `messages[1].content`, or None.
        code: OpenAI's machine-readable reason, such as `model_not_found`, or None.
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


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a configuration.

    Attributes:
        where: dotted path of the option (`server.port`), or `line 3` of the file.
        message: what is wrong, and what would be right.
    """

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class ConfigError(RouterError):
    """A configuration that cannot be used, with every fault that was found in it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults))
