"""The lines of results of a batch, as OpenAI has them."""

from __future__ import annotations

from typing import Any

import msgspec

from tornado_router.endpoints import Endpoint
from tornado_router.errors import ApiError
from tornado_router.provider import Call, load_json, write_json


class _Line(msgspec.Struct):
    custom_id: msgspec.Raw
    body: msgspec.Raw


_read = msgspec.json.Decoder(_Line).decode

OVER = {
    "expired": "This request could not be executed before the completion window expired.",
    "cancelled": "This request was not executed, as the batch was cancelled.",
}
"""What is said of lines that were not run, by what became of their batch."""


class ReadLine:
    """A line that was checked at the submission.

    Args:
        request_id: of its call.
        text: as its client sent it.
    """

    def __init__(self, request_id: str, text: str) -> None:
        self.request_id = request_id
        line = _read(text)
        self._custom_id = bytes(line.custom_id)
        self._body = bytes(line.body)

    def call(self, endpoint: Endpoint, call_id: str) -> Call:
        """The call that it asks for."""
        return endpoint.read(call_id, load_json(self._body), self._body)

    def served(self, data: bytes) -> bytes:
        """Its result, with the response as a client of the endpoint gets it."""
        one_line = data.replace(b"\r", b" ").replace(b"\n", b" ")  # no string holds any
        return self._written(self._response(200, one_line), b"null")

    def failed(self, endpoint: Endpoint, error: ApiError) -> bytes:
        """Its result, if its call was refused or has failed."""
        dialect = endpoint.dialect
        body = write_json(dialect.error_body(error, self.request_id))
        return self._written(self._response(dialect.status(error), body), b"null")

    def over(self, status: str) -> bytes:
        """Its result, if it was not run, as its batch is over."""
        error = {"code": f"batch_{status}", "message": OVER[status]}
        return self._written(b"null", write_json(error))

    def _response(self, status: int, body: bytes) -> bytes:
        head: dict[str, Any] = {"status_code": status, "request_id": self.request_id}
        return write_json(head)[:-1] + b',"body":' + body + b"}"

    def _written(self, response: bytes, error: bytes) -> bytes:
        name = write_json({"id": self.request_id})[:-1]
        return (
            name
            + b',"custom_id":'
            + self._custom_id
            + b',"response":'
            + response
            + b',"error":'
            + error
            + b"}\n"
        )
