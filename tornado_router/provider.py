"""The public plugin API: what a provider is, and the values that pass between it and the core.

A provider maps data and owns no socket. The core owns connections, time-outs, retries,
cancellation, back-pressure and the framing of server-sent events; a plugin says how a request is
built and how an answer is read. Everything here is for third parties to import, and nothing else
is needed to write a provider. A change that would break one raises `PLUGIN_API_VERSION`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import orjson
import pluggy

from tornado_router.errors import ApiError, ProviderError, bad_answer
from tornado_router.sse import Decoder, Event

PLUGIN_API_VERSION = 1
"""A plugin module states the version it was written for as `TORNADO_ROUTER_API = 1`."""

hookimpl = pluggy.HookimplMarker("tornado_router")
"""Marks a function of a plugin as the implementation of one of `tornado_router.hookspecs`."""

Unsupported = Literal["reject", "drop"]

__all__ = [
    "PLUGIN_API_VERSION",
    "ApiError",
    "Body",
    "Call",
    "Event",
    "HTTPClient",
    "OptionError",
    "Params",
    "Provider",
    "ProviderError",
    "Relayed",
    "StreamParser",
    "Translator",
    "UpstreamRequest",
    "UpstreamResponse",
    "UpstreamStream",
    "bad_answer",
    "dump_json",
    "hookimpl",
    "load_json_object",
]


@dataclass(slots=True)
class Call:
    """One client request, as the provider that shall serve it sees it.

    Attributes:
        id: the request's id, as in `x-request-id`.
        endpoint: which API was called, such as `chat.completions`.
        model: the vendor's own name of the model to use.
        body: the client's JSON object, valid against the endpoint's schema. Its `model` is the
            name that the client asked for. Not to be changed: another provider may be tried
            with it.
        raw: the bytes that `body` was read from.
        stream: whether the client wants chunks.
        unsupported: what the operator wants done with a parameter that the vendor has no
            equivalent for: refuse the call, or drop the parameter and say so. See `Params`.
        memory: what was kept for the tool calls in `body`, by their ids.
        dropped: paths of the parameters that were dropped; told to the client in a header.
        kept: what `keep` was called with.
    """

    id: str
    endpoint: str
    model: str
    body: Mapping[str, Any]
    raw: bytes
    stream: bool
    unsupported: Unsupported = "reject"
    memory: Mapping[str, Any] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)

    def keep(self, tool_call_id: str, value: Any) -> None:
        """Has the core keep a JSON value until the tool call's result comes back.

        For what a vendor wants to see again but an OpenAI client does not carry, such as the
        signature of a thought. It is in `memory` of the calls of the same user and provider
        that have the tool call among their messages, unless too much time has passed.
        """
        self.kept[tool_call_id] = value


class Params:
    """Reads a client's body field by field, so that nothing in it is dropped unseen.

    Every field is either taken or unsupported: `finish` treats what was never taken as the
    operator wishes. A field that is null is taken for absent, as OpenAI's API does.

    Args:
        call: whose body is read.
        hints: fields that change nothing about the answer, such as `user`; where the vendor has
            no place for one it is dropped and reported, never refused.
    """

    CORE = frozenset({"model", "stream", "stream_options"})
    """Fields that the core serves itself."""

    def __init__(self, call: Call, hints: Collection[str] = ()) -> None:
        self._call = call
        self._hints = hints
        self._left = {
            name: value
            for name, value in call.body.items()
            if value is not None and name not in self.CORE
        }

    def take(self, name: str, default: Any = None) -> Any:
        """The value of a field that the vendor can do; `default` if the client left it out."""
        return self._left.pop(name, default)

    def unsupported(self, path: str) -> None:
        """Refuses or drops one part of the body that the vendor cannot do.

        Args:
            path: of the part, such as `messages[2].content[0]`.

        Raises:
            ProviderError: 400 naming the path, unless the operator wants it dropped. Another
                provider may well support it, so it is retryable.
        """
        if self._call.unsupported == "reject":
            raise ProviderError(
                400,
                f"The provider of the model '{self._call.model}' does not support '{path}'.",
                type="invalid_request_error",
                param=path,
                code="unsupported_parameter",
            )
        self._call.dropped.append(path)

    def finish(self) -> None:
        """Refuses or drops every field that was not taken.

        Raises:
            ProviderError: as `unsupported`.
        """
        for name in self._left:
            if name in self._hints:
                self._call.dropped.append(name)
            else:
                self.unsupported(name)
        self._left = {}


def dump_json(body: Mapping[str, Any]) -> bytes:
    """The bytes of a request to the vendor.

    Raises:
        ApiError: 400, it is nested too deeply to be sent.
    """
    try:
        return orjson.dumps(body)
    except TypeError:  # orjson knows no integers beyond 64 bits; a client may send one
        try:
            return json.dumps(body, separators=(",", ":")).encode()
        except RecursionError:
            raise ApiError(400, "The request is nested too deeply.", param="messages") from None


def load_json_object(data: bytes, provider: str) -> dict[str, Any]:
    """The JSON object in a vendor's answer or event.

    Raises:
        ProviderError: 502 that names the provider, as it is none.
    """
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise bad_answer(f"The provider '{provider}' sent something that is not JSON.") from None
    if not isinstance(body, dict):
        raise bad_answer(f"The provider '{provider}' sent something that is no JSON object.")
    return body


@dataclass(slots=True)
class UpstreamRequest:
    """An HTTP request to the vendor; the core sends it."""

    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)  # among them the provider's key
    method: str = "POST"


@dataclass(slots=True)
class UpstreamResponse:
    """The vendor's whole answer. `headers` is looked up whatever the case of a name."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(slots=True)
class Relayed:
    """A body in OpenAI's format whose very bytes go on to the client.

    Attributes:
        body: what the core reads usage and finish reasons from.
        raw: the JSON text that `body` was read from.
    """

    body: Mapping[str, Any]
    raw: bytes = field(repr=False)


Body = Mapping[str, Any] | Relayed
"""A whole answer or one chunk of a stream, in OpenAI's format."""


class UpstreamStream(Protocol):
    """An answer whose body is read as it arrives."""

    status: int
    headers: Mapping[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def read(self) -> bytes:
        """The rest of the body, whole."""
        ...


class HTTPClient(Protocol):
    """The core's side of the upstream connection: pooled, timed out and cancelled by the core."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Sends a request and reads the whole answer.

        Raises:
            ProviderError: no answer came: 502, or 504 after a time-out.
        """
        ...

    def stream(self, request: UpstreamRequest) -> AbstractAsyncContextManager[UpstreamStream]:
        """Sends a request; the body is read inside the `async with`. Raises as `send`."""
        ...


class StreamParser(Protocol):
    """Reads one stream of the vendor's; made anew for each."""

    done: bool
    """Whether the vendor has said that the stream is over."""

    def feed(self, event: Event) -> Iterable[Body]:
        """The chunks that an event amounts to, often one, sometimes none.

        Raises:
            ProviderError: the event reports a failure, or is not what the API promises.
        """
        ...

    def finish(self) -> Iterable[Body]:
        """The chunks that are due at the end of the stream.

        Raises:
            ProviderError: the stream ended before its time.
        """
        ...


class Translator(ABC):
    """One endpoint of a provider: pure functions between OpenAI's format and the vendor's."""

    @abstractmethod
    def build_request(self, call: Call) -> UpstreamRequest:
        """The vendor's request for a call.

        Raises:
            ApiError: the call asks for something that the vendor cannot do; names `param`.
        """

    @abstractmethod
    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """OpenAI's body, `usage` included, of a successful answer.

        Raises:
            ProviderError: the answer is not what the vendor's API promises.
        """

    @abstractmethod
    def parse_stream(self, call: Call) -> StreamParser:
        """A parser for one streamed answer.

        The core asks for usage in every stream: the last chunk is `{"choices": [], "usage": ...}`
        whether the client wants it or not, and the core hides it where it does not.
        """


class OptionError(ValueError):
    """An option of a provider's table that no schema can refuse; raised by `Provider.__init__`."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option
        self.message = message


class Provider:
    """One configured `[providers.NAME]` table of router.toml.

    A subclass declares the options that its table may hold, and gives each endpoint it serves a
    translator. One that is not HTTP (an SDK, a model in this process) overrides `send` and
    `stream` instead.

    Attributes:
        capabilities: what it can do, by endpoint; the core routes no other endpoint to it. The
            words for `chat.completions` are `stream`, `tools`, `parallel_tools`, `images`,
            `audio`, `files`, `json_object`, `json_schema`, `logprobs`, `n` and `reasoning`.
        remembers: whether it uses `Call.keep` and `Call.memory`.
        otel_provider_name: the vendor's value of OpenTelemetry's `gen_ai.provider.name`, such as
            `gcp.gemini`; empty for the name by which `type` asks for the class. `__init__` may set
            another.
        options_schema: JSON Schema of the table; its `properties` carry a `description` each.
            An option that is `writeOnly` is a secret, or an object such as headers whose values
            are: it is kept out of every message and log, and a provider in whose table it is
            empty is off.
        name: the NAME of the table.
        options: the table, checked against the schema.
        endpoints: the translators, by endpoint: `{"chat.completions": ...}`.
    """

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {}
    remembers: ClassVar[bool] = False
    otel_provider_name: str = ""
    options_schema: ClassVar[Mapping[str, Any]] = {"type": "object", "properties": {}}
    endpoints: Mapping[str, Translator]

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Takes the table. Does no I/O.

        Raises:
            OptionError: an option is wrong in a way that the schema cannot express.
        """
        self.name = name
        self.options = options
        self.endpoints = {}

    def supports(self, endpoint: str) -> bool:
        """Whether calls of an endpoint can be sent here."""
        return endpoint in self.capabilities

    def parse_error(self, response: UpstreamResponse) -> ApiError:
        """The error behind an answer whose status is no success.

        Reads OpenAI's error object; a vendor with another format overrides this. The core
        takes secrets out of the message, and answers 502 for a refusal of its own credentials.
        """
        error: Mapping[str, Any] = {}
        try:
            body = orjson.loads(response.body)
            if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
                error = body["error"]
        except orjson.JSONDecodeError:
            pass  # an HTML page, or nothing: the status has to do
        message = error.get("message") if response.status < 500 else None
        retry_after = response.headers.get("retry-after")
        return ProviderError(
            response.status,
            message if isinstance(message, str) and message else self._refusal(response.status),
            retryable=not 400 <= response.status < 500
            or response.status in (401, 402, 403, 404, 408, 409, 429),
            type=_text(error.get("type")) or "api_error",
            param=_text(error.get("param")),
            code=_text(error.get("code")),
            headers={"Retry-After": retry_after} if retry_after else None,
        )

    async def send(self, call: Call, http: HTTPClient) -> Body:
        """Serves a call whole.

        Raises:
            ApiError: the provider failed or refused.
        """
        translator = self.endpoints[call.endpoint]
        response = await http.send(translator.build_request(call))
        if not 200 <= response.status < 300:
            raise self.parse_error(response)
        return translator.parse_response(call, response)

    async def stream(self, call: Call, http: HTTPClient) -> AsyncGenerator[Sequence[Body], None]:
        """Serves a call as chunks; those that arrived together are yielded together.

        Raises:
            ApiError: the provider failed or refused, at first or on the way.
        """
        translator = self.endpoints[call.endpoint]
        async with http.stream(translator.build_request(call)) as response:
            if not 200 <= response.status < 300:
                body = await response.read()
                raise self.parse_error(UpstreamResponse(response.status, response.headers, body))
            decoder, parser, begun = Decoder(), translator.parse_stream(call), False
            async for piece in response:
                chunks, error = _parse(parser, decoder.feed(piece))
                if error and not begun:
                    raise error  # nothing is lost yet: the call can still be served elsewhere
                if chunks:
                    begun = True
                    yield chunks
                if error:
                    raise error
                if parser.done:
                    break
            chunks, error = _parse(parser, decoder.finish())
            if not error:
                chunks += parser.finish()
            if chunks:
                yield chunks
            if error:
                raise error

    def _refusal(self, status: int) -> str:
        return f"The provider '{self.name}' responded with status {status}."


def _parse(
    parser: StreamParser, events: Iterable[Event]
) -> tuple[list[Body], ProviderError | None]:
    """The chunks of some events, and the failure that ended them: what came before it is good."""
    chunks: list[Body] = []
    try:
        for event in events:
            if parser.done:
                break  # what comes behind the end is no part of the answer
            chunks.extend(parser.feed(event))
    except ProviderError as error:
        return chunks, error
    return chunks, None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
