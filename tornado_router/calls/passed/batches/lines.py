"""The lines of a batch's input file: read as they come, and each checked as a call is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.origins import goes_on
from tornado_router.calls.permissions import check_permissions
from tornado_router.endpoints import (
    CHAT_COMPLETIONS,
    COMPLETIONS,
    EMBEDDINGS,
    MODERATIONS,
    RESPONSES,
    Endpoint,
)
from tornado_router.endpoints.resource_ids import Named, ids_in
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError, clip
from tornado_router.provider import Call, replace_fields, write_json
from tornado_router.routing.routes import Target
from tornado_router.validation import Validator, parse_json

MAX_LINES = 50_000
MAX_BYTES = 200 * 1024 * 1024
MAX_LINE_BYTES = 10 * 1024 * 1024
"""As OpenAI has them, but for the last: a line is held in memory."""

BATCHED: Mapping[str, Endpoint] = {
    endpoint.path: endpoint
    for endpoint in (CHAT_COMPLETIONS, RESPONSES, COMPLETIONS, EMBEDDINGS, MODERATIONS)
}
"""The endpoints that lines may be for, by path: those whose responses report what they used."""

_RUNS_BY_ITSELF = ("background", "stream")
"""Fields that make no sense where no client waits."""


class _Line(msgspec.Struct):
    body: msgspec.Raw


class CheckedLine(NamedTuple):
    """A line that may be sent.

    Attributes:
        number: of it, from 1.
        call: that it asks for.
        named: what may be ids in it.
        data: the line as the vendor gets it, with the end of the line.
    """

    number: int
    call: Call
    named: tuple[Named, ...]
    data: bytes


class LineSplitter:
    """Splits a file into lines as its pieces come.

    Args:
        max_bytes: of the file.
        max_line: bytes of a line.

    Attributes:
        lines: so far, empty ones too.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, max_line: int = MAX_LINE_BYTES) -> None:
        self.lines = self._bytes = 0
        self._max_bytes = max_bytes
        self._max_line = max_line
        self._held = bytearray()

    def feed(self, piece: bytes) -> Iterator[tuple[int, bytes]]:
        """The lines that a piece ends, each with its number.

        Raises:
            ApiError: 400, the file is too large, or one of its lines is.
        """
        self._bytes += len(piece)
        if self._bytes > self._max_bytes:
            raise Invalid.invalid_batch_file(reason=f"it is larger than {self._max_bytes} bytes")
        first, *more = piece.split(b"\n")
        self._held += first
        for part in more:
            yield from self._end()
            self._held += part
        if len(self._held) > self._max_line:
            raise self._too_long()

    @property
    def held(self) -> int:
        """Bytes of a line whose end has not come."""
        return len(self._held)

    def rest(self) -> Iterator[tuple[int, bytes]]:
        """The last line, if no end of a line is behind it."""
        if self._held:
            yield from self._end()

    def _end(self) -> Iterator[tuple[int, bytes]]:
        if len(self._held) > self._max_line:
            raise self._too_long()
        line = bytes(self._held).strip(b" \t\r")
        self._held.clear()
        self.lines += 1
        if line:
            yield self.lines, line

    def _too_long(self) -> ApiError:
        reason = f"line {self.lines + 1} is longer than {self._max_line} bytes"
        return Invalid.invalid_batch_file(reason=reason)


class LineCheck:
    """Checks the lines of one file, one after the other.

    Args:
        endpoint: that all of them are for.
        validator: of its requests.
        key: that the batch is submitted with.
        find: the target of a model, None if the router runs the batch itself; it raises an
            `ApiError` if there is none.
        max_values: of the JSON in a line.

    Attributes:
        count: of the lines that were checked.
        model: that all of them ask for; empty before the first.
        target: of it; None before the first, and if the router runs the batch itself.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        validator: Validator,
        key: Key,
        find: Callable[[str], Target | None],
        max_values: int | None,
    ) -> None:
        self.count = 0
        self.model = ""
        self.target: Target | None = None
        self._endpoint = endpoint
        self._validator = validator
        self._key = key
        self._find = find
        self._max_values = max_values
        self._ids: set[bytes] = set()

    @property
    def renames(self) -> bool:
        """Whether the vendor has another name for the model."""
        return self.target is not None and self.target.model != self.model

    def check(self, number: int, line: bytes) -> CheckedLine:
        """Checks a line.

        Raises:
            ApiError: it cannot be sent; its message has the number, its `param` the field.
        """
        try:
            call = self._call(line)
        except ApiError as error:
            raise at_line(number, error) from None
        self.count += 1
        if self.count > MAX_LINES:
            raise Invalid.invalid_batch_file(reason=f"it has more than {MAX_LINES} lines")
        named = tuple(item._replace(param=f"body.{item.param}") for item in ids_in(call.body))
        return CheckedLine(number, call, named, self._written(line, call.raw) + b"\n")

    def _call(self, line: bytes) -> Call:
        value = parse_json(line, self._max_values)
        if not isinstance(value, dict):
            raise _invalid_type(None, "an object")
        self._check_head(value)
        body = value.get("body")
        if not isinstance(body, dict):
            raise _missing_or_wrong(value, "body", "an object")
        raw = bytes(msgspec.json.decode(line, type=_Line).body)
        try:
            self._validator.check(body)
            call = self._endpoint.read("", body, raw)
            self._check_call(call)
        except ApiError as error:
            raise _inside(error) from None
        return call

    def _check_head(self, value: Mapping[str, Any]) -> None:
        custom_id = value.get("custom_id")
        if not isinstance(custom_id, str) or not custom_id:
            raise _missing_or_wrong(value, "custom_id", "a text that is not empty")
        digest = blake2b(custom_id.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        if digest in self._ids:
            raise Invalid.invalid_value(
                f"'custom_id' must be unique; {clip(custom_id)!r} is that of a line before.",
                param="custom_id",
            )
        self._ids.add(digest)
        for name, expected in (("method", "POST"), ("url", self._endpoint.path)):
            if value.get(name) != expected:
                if name not in value:
                    raise Invalid.missing_required_parameter(param=name)
                raise Invalid.invalid_value(f"{name!r} must be {expected!r}.", param=name)

    def _check_call(self, call: Call) -> None:
        for name in _RUNS_BY_ITSELF:
            if call.body.get(name):
                raise Invalid.invalid_value(f"{name!r} cannot be used in a batch.", param=name)
        if goes_on(call):
            raise Invalid.invalid_value(
                "A line of a batch cannot go on from a response.", param="previous_response_id"
            )
        if not self.model:
            check_permissions(self._endpoint.name, call.model, self._key)
            self.model, self.target = call.model, self._find(call.model)
        elif call.model != self.model:
            raise Invalid.invalid_value(
                f"All lines must ask for one model, and those before ask for {clip(self.model)!r}.",
                param="model",
            )

    def _written(self, line: bytes, raw: bytes) -> bytes:
        """A line as the vendor gets it: all but the name of the model as it came."""
        if not self.renames:
            return line
        assert self.target is not None, "it renames"
        fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        body = replace_fields(raw, {"model": self.target.model})
        written = [
            write_json(name) + b":" + (body if name == "body" else bytes(value))
            for name, value in fields.items()
        ]
        return b"{" + b",".join(written) + b"}"


def at_line(number: int, error: ApiError) -> ApiError:
    """An error with the number of the line that it is about."""
    return _changed(error, f"Line {number} of the input file: {error.message}", error.param)


def _inside(error: ApiError) -> ApiError:
    return _changed(error, error.message, f"body.{error.param}" if error.param else "body")


def _changed(error: ApiError, message: str, param: str | None) -> ApiError:
    return ApiError(
        error.status,
        message,
        type=error.type,
        param=param,
        code=error.code,
        headers=error.headers,
    )


def _missing_or_wrong(value: Mapping[str, Any], name: str, expected: str) -> ApiError:
    if name not in value:
        return Invalid.missing_required_parameter(param=name)
    return _invalid_type(name, expected)


def _invalid_type(name: str | None, expected: str) -> ApiError:
    place = f"'{name}'" if name else "a line"
    return Invalid.invalid_type(place=place, expected=expected, got="another value", param=name)
