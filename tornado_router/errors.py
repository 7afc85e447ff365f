"""The tree of errors: what every refusal and failure is, and how the OpenAI API shows it.

The router's own errors are rows of `tornado_router.error_codes`; plugins raise `ApiError` and
`ProviderError`. Object and statuses follow https://platform.openai.com/docs/guides/error-codes.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

CLIENT_CLOSED = 499
"""The status that nginx logs, as we do, for a client that left before its response was whole."""

MAX_FRAMES = 5
"""Of where an unexpected error was raised, so many functions are shown."""

MAX_QUOTED = 64
"""Longer names and values are cut in messages."""

E = TypeVar("E", bound="ApiError")


class RouterError(Exception):
    """Anything the router itself raises on purpose."""


class ApiError(RouterError):
    """A refusal or failure that the client receives as OpenAI's error object.

    Attributes:
        status: HTTP status of the response.
        message: one sentence for a person; never holds a secret.
        type: OpenAI's error class, such as `invalid_request_error`.
        param: path of the field at fault, such as `messages[1].content`, or None.
        code: machine-readable reason, see docs/errors.md, or None.
        headers: headers of the response, such as `Retry-After`.
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


class DatabaseAwayError(ApiError):
    """The database does not respond."""


RETRY_AFTER_STATUSES = frozenset((429, 503, 529))
"""Statuses of vendors after which clients expect `Retry-After`; not every vendor sends it."""


class ProviderError(ApiError):
    """A provider failed, or its response is not what its API promises.

    Attributes:
        retryable: whether another target may do better; False when the request itself is at
            fault, so that every target would refuse it.
        words: what the vendor or the operating system says of the failure, where the message does
            not; for the log, never for a client.
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
        words: str = "",
    ) -> None:
        super().__init__(status, message, type=type, param=param, code=code, headers=headers)
        self.retryable = retryable
        self.words = words


class ErrorCode(Generic[E]):
    """One row of the table of errors, `tornado_router.error_codes`; calling it makes the error.

    Args:
        kind: class of the error.
        status: HTTP status of the response.
        text: the message, with values in braces; empty if it is worded where it is raised.
        meaning: one line for docs/errors.md; empty if another row with the same code has it.
        code: machine-readable reason; the row's own name unless it shares another row's. None where
            OpenAI's API has none.
        type: OpenAI's error class; the status decides unless it is given.
        param: the field at fault, if it is always the same one.
        retry: seconds until a retry makes sense, if that is always the same; False if it never
            does, although the status suggests it.
    """

    def __init__(
        self,
        kind: type[E],
        status: int,
        text: str,
        meaning: str = "",
        *,
        code: str | None = "",
        type: str = "",
        param: str | None = None,
        retry: int | Literal[False] | None = None,
    ) -> None:
        self.kind = kind
        self.status = status
        self.text = text
        self.meaning = meaning
        self.code = code
        self.type = type or ("invalid_request_error" if status < 500 else "server_error")
        self.param = param
        self.headers: dict[str, str] = {}
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 section 15.5.2
        if retry is False:
            self.headers["x-should-retry"] = "false"  # the official SDKs obey it
        elif retry is not None:
            self.headers["Retry-After"] = str(retry)

    def __set_name__(self, _: object, name: str) -> None:
        self.name = name
        if self.code == "":
            self.code = name

    def __call__(
        self,
        text: str = "",
        /,
        *,
        param: str | None = None,
        type: str = "",
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> E:
        """The error, to be raised.

        Args:
            text: the message, instead of the row's.
            param: the field at fault, unless the row has it.
            type: OpenAI's error class, instead of the row's.
            headers: headers of the response, beside the row's.
            values: what stands in braces in the row's text.
        """
        param = self.param if param is None else param
        return self.kind(
            self.status,
            text or self.text.format(param=param, **values),
            type=type or self.type,
            param=param,
            code=self.code,
            headers={**self.headers, **(headers or {})},
        )


def invalid_request(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """A 400 for a request that every provider would refuse."""
    return ApiError(400, message, param=param, code=code)


def bad_answer(message: str) -> ProviderError:
    """A 502 for a response that is not what the provider's API promises."""
    return ProviderError(502, message, code="bad_provider_answer")


def forget_frames(error: BaseException | None) -> None:
    """Frees the frames that an error and those behind it passed, which hold a request's body.

    An error that a handler keeps would otherwise keep the handler: only the garbage collector
    frees such a circle, and it runs seldom. One that was raised anew may be behind itself.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def dotted(path: Sequence[str | int]) -> str | None:
    """A path as OpenAI writes it, `messages[1].content`; None for the body itself."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{clip(step)}" if text else clip(step)
    return text if path else None


def clip(text: str) -> str:
    """The text, or its start when it is long."""
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}..."


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
