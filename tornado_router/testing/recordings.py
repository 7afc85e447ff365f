"""Reads recordings: a vendor's real responses, in files as curl wrote them.

A folder holds one folder for each endpoint, and that holds, for a NAME of the author's choice:

    NAME.request.json   what an OpenAI client asks, with the vendor's own name of the model
    NAME.http           the vendor's whole response: `curl -si ... -o NAME.http`
    NAME.stream.http    the vendor's streamed response: `curl -siN ... -o NAME.stream.http`
    NAME.file.EXT       a file that the client uploads with it

The folder `credentials` is for a provider that has `Credentials`: NAME.http is the response to a
request for a token whose URL holds NAME, or to every one if it is the only file.

Without a NAME.request.json, the request says "Hello". A response with another status than 2xx is
a failure, and so is one whose NAME begins with `error`: for a failure behind a status 200. A whole
and a streamed response of one NAME have to be the same response. A request without any response
is for a provider that has no vendor behind it: it responds in the test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from multidict import CIMultiDict

from tornado_router.endpoints import (
    AUDIO_TRANSCRIPTIONS,
    AUDIO_TRANSLATIONS,
    CHAT_COMPLETIONS,
    COMPLETIONS,
    EMBEDDINGS,
    ENDPOINTS,
    IMAGES_GENERATIONS,
    MESSAGES,
    MODERATIONS,
    RERANK,
    RESPONSES,
    RESPONSES_COMPACT,
)
from tornado_router.provider import UpstreamResponse

CHAT = CHAT_COMPLETIONS.name
CREDENTIALS = "credentials"
"""The folder of the responses of token issuers."""

DEFAULT_MODEL = "model-1"
DEFAULT_REQUESTS: Mapping[str, Mapping[str, Any]] = {
    AUDIO_TRANSCRIPTIONS.name: {"model": DEFAULT_MODEL, "file": "hello.wav"},
    AUDIO_TRANSLATIONS.name: {"model": DEFAULT_MODEL, "file": "hello.wav"},
    CHAT: {"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": "Hello"}]},
    COMPLETIONS.name: {"model": DEFAULT_MODEL, "prompt": "Hello"},
    IMAGES_GENERATIONS.name: {"model": DEFAULT_MODEL, "prompt": "Hello"},
    EMBEDDINGS.name: {"model": DEFAULT_MODEL, "input": ["Hello", "Goodbye"]},
    MESSAGES.name: {
        "model": DEFAULT_MODEL,
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Hello"}],
    },
    MODERATIONS.name: {"model": DEFAULT_MODEL, "input": ["Hello", "Goodbye"]},
    RERANK.name: {"model": DEFAULT_MODEL, "query": "Hello", "documents": ["Hello", "Goodbye"]},
    RESPONSES.name: {"model": DEFAULT_MODEL, "input": "Hello"},
    RESPONSES_COMPACT.name: {"model": DEFAULT_MODEL, "input": "Hello"},
}

_BINARY = ("audio/", "image/", "video/", "application/octet-stream")
_TEXT = ("text/plain",)
_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ +(?P<status>[0-9]{3})[^\n]*\n")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


class RecordingError(ValueError):
    """A file of a recordings folder that cannot be read; the message names it."""


@dataclass(frozen=True)
class Recording:
    """One response of a vendor, and its request.

    Attributes:
        name: NAME of the files.
        endpoint: such as `chat.completions`.
        streamed: whether the response came as a stream.
        request: the OpenAI body, without `stream`.
        response: the response; None where the provider itself has to respond.
        files: what the client uploads: names and bytes.
    """

    name: str
    endpoint: str
    streamed: bool
    request: Mapping[str, Any] = field(repr=False)
    response: UpstreamResponse | None = field(default=None, repr=False)
    files: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)

    @property
    def id(self) -> str:
        """How pytest shows it."""
        folder = "" if self.endpoint == CHAT else f"{self.endpoint}/"
        return f"{folder}{self.name}{'.stream' if self.streamed else ''}"

    @property
    def failed(self) -> bool:
        """Whether the response is an error."""
        if self.response is None:
            return False
        return not 200 <= self.response.status < 300 or self.name.startswith("error")

    @property
    def binary(self) -> bool:
        """Whether the response is bytes for the client, such as speech or subtitles."""
        kind = self.response.headers.get("content-type", "") if self.response else ""
        return kind.startswith(_TEXT if self.endpoint in DEFAULT_REQUESTS else _BINARY)

    @property
    def body(self) -> bytes:
        """The bytes of the response; empty where there is none."""
        return self.response.body if self.response else b""


@lru_cache
def load(folder: Path | None) -> tuple[Recording, ...]:
    """Every recording of a folder, in a fixed order; of no folder, requests without responses.

    Raises:
        RecordingError: a file cannot be read.
    """
    if folder is None:
        return tuple(
            Recording("hello", endpoint, streamed, request)
            for endpoint, request in DEFAULT_REQUESTS.items()
            for streamed in _forms(endpoint)
        )
    if not folder.is_dir():
        raise RecordingError(f"{folder} is not a folder; `recordings` has to name one")
    return tuple(
        recording
        for endpoint in sorted(folder.iterdir())
        if endpoint.is_dir() and endpoint.name != CREDENTIALS
        for recording in _of_endpoint(endpoint)
    )


@lru_cache
def load_credentials(folder: Path | None) -> Mapping[str, UpstreamResponse]:
    """The recorded responses to requests for tokens, by name.

    Raises:
        RecordingError: a file cannot be read.
    """
    paths = sorted((folder / CREDENTIALS).glob("*.http")) if folder is not None else ()
    return {path.name.removesuffix(".http"): _response(path) for path in paths}


def parse_http(data: bytes) -> UpstreamResponse:
    """The response in the output of `curl -i`: status line, headers, blank line, body.

    Raises:
        RecordingError: it is something else.
    """
    while True:
        line = _STATUS_LINE.match(data)
        if line is None:
            raise RecordingError("it does not begin with a status line: record with `curl -i`")
        head, *rest = _BLANK_LINE.split(data[line.end() - 1 :], maxsplit=1)
        body = rest[0] if rest else b""
        # An interim response, or that of a proxy: the vendor's own follows.
        if _STATUS_LINE.match(body):
            data = body
            continue
        return UpstreamResponse(int(line["status"]), _headers(head), body)


def _headers(head: bytes) -> Mapping[str, str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for line in head.decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers.add(name.strip(), value.strip())
    return headers


def _of_endpoint(folder: Path) -> Iterator[Recording]:
    endpoint = folder.name
    requests = {
        path.name.removesuffix(".request.json"): _request(path)
        for path in sorted(folder.glob("*.request.json"))
    }
    recorded = set()
    for path in sorted(folder.glob("*.http")):
        name = path.name.removesuffix(".http")
        streamed = name.endswith(".stream")
        name = name.removesuffix(".stream")
        recorded.add(name)
        request = requests.get(name) or DEFAULT_REQUESTS.get(endpoint)
        if request is None:
            raise RecordingError(f"{path} needs a {name}.request.json beside it")
        yield Recording(name, endpoint, streamed, request, _response(path), _files(folder, name))
    for name in sorted(requests.keys() - recorded):
        for streamed in _forms(endpoint):
            yield Recording(name, endpoint, streamed, requests[name], None, _files(folder, name))


def _files(folder: Path, name: str) -> tuple[tuple[str, bytes], ...]:
    return tuple((path.name, path.read_bytes()) for path in sorted(folder.glob(f"{name}.file.*")))


def _forms(endpoint: str) -> tuple[bool, ...]:
    """Whether a request is made whole (False), as a stream (True), or either way."""
    known = ENDPOINTS.get(endpoint)
    return (False, True) if known and known.streams else (False,)


def _request(path: Path) -> dict[str, Any]:
    try:
        request = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise RecordingError(f"{path} is not JSON: {error}") from None
    if not isinstance(request, dict):
        raise RecordingError(f"{path} is not a JSON object")
    return {name: value for name, value in request.items() if name != "stream"}


def _response(path: Path) -> UpstreamResponse:
    try:
        return parse_http(path.read_bytes())
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from None
