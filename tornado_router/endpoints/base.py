"""What an endpoint is: everything the core must know about one API that clients speak.

An endpoint is the core's twin of a plugin's `Translator`. Gateway, admission, selection, cache,
request log, OpenAPI and telemetry ask the object, and never look at its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Protocol

from tornado_router.endpoints.dialects import Dialect
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.provider import Binary, Body, Call, dump_json
from tornado_router.usage import BYTES_PER_TOKEN, Usage
from tornado_router.validation import Profile, Validator
from tornado_router.validation.validator import Rule

EVENT_STREAM = "text/event-stream; charset=utf-8"
"""The content type of server-sent events."""


class Output(NamedTuple):
    """What a response may come to.

    Attributes:
        choices: how many are generated.
        bound: the most tokens of each; None if the request sets none.
    """

    choices: int
    bound: int | None


NO_OUTPUT = Output(0, 0)
"""Of an endpoint that generates no tokens."""

ONE_OUTPUT = Output(1, None)
"""Of a request that sets nothing, as most do."""


class Encoded(NamedTuple):
    """A whole response as the client gets it, and what the call used."""

    data: bytes
    content_type: str
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class Documentation:
    """What the OpenAPI document states about an endpoint.

    Attributes:
        summary: what it does, in a few words.
        description: what else to know, as Markdown.
        examples: requests as one would send them first, by their titles.
        chunk: the file in `schemas/` that describes the chunks of its streams; empty without
            streams.
    """

    summary: str
    description: str = "As in the OpenAI API."
    examples: Mapping[str, Any] = field(default_factory=dict)
    chunk: str = ""


class StreamEncoder(Protocol):
    """Makes the bytes of one stream, and keeps count of what the call used. Made anew for each."""

    content_type: str
    """Of the stream; known once the first chunk is encoded."""

    keepalive: bytes
    """What the stream may send at any time, also first, and clients pass over; empty if nothing."""

    generated: int
    """UTF-8 bytes of text so far."""

    complete: bool
    """Whether all that was asked for is there: what goes wrong behind it spoils nothing."""

    def encode(self, chunk: Body) -> bytes:
        """One chunk as the client gets it; empty if it is not for this client.

        Raises:
            ProviderError: the chunk is not in the format of the endpoint.
        """
        ...

    def usage(self) -> Usage:
        """What was used so far: as the vendor reported, or an estimate from what came."""
        ...

    def finish(self) -> bytes:
        """The end of a stream that went well."""
        ...

    def cut(self, reason: ApiError) -> bytes | None:
        """The end of a stream that must not go on: as if a bound was reached, with the reason.

        None if the format has no place for it: then the connection is broken off.
        """
        ...

    def error(self, error: ApiError) -> bytes | None:
        """The end of a stream that failed behind its first chunk; None as for `cut`."""
        ...


class Ask:
    """What one call asks for. Each value is worked out when asked for, so an `Ask` costs nothing.

    This one is of an endpoint that reads text and generates none.

    Args:
        call: valid, as the client sent it.
    """

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call = call

    def prompt(self) -> tuple[int, int]:
        """The tokens of the request, as estimated, and the images in it.

        The bytes of the JSON are enough, and a little more than the text would be.
        """
        return -(-len(self.call.raw) // BYTES_PER_TOKEN), 0

    def output(self) -> Output:
        """What the response may come to."""
        return NO_OUTPUT

    def context(self) -> int:
        """Tokens that a model's context window has to hold, as far as the client states them."""
        return self.prompt()[0]

    def needs(self) -> Mapping[str, str]:
        """What a target must take, in the words of `[targets]`, each with the field that asks."""
        return {}

    def temperature(self) -> float | None:
        """How much chance is in the response; None if equal calls get equal responses."""
        return None


class Endpoint(ABC):
    """One API that clients speak; its instance is among `ENDPOINTS`.

    Attributes:
        name: by which keys, plugins, schemas and usage know it, such as `chat.completions`.
        path: where clients send their requests.
        dialect: the form of its errors.
        rules: what of a request no schema can express.
        prompt_field: the field that holds the prompt.
        bound_fields: those that bound the tokens of a choice, first the one that the router sets;
            none if nothing is generated.
        default_model: the model of a request that names none; empty if every request has to.
        streams: whether a response may be a stream.
        otel_operation: OpenTelemetry's `gen_ai.operation.name`; empty for the endpoint's name.
        documentation: what the OpenAPI document states about it.
    """

    name: ClassVar[str]
    path: ClassVar[str]
    dialect: ClassVar[Dialect]
    rules: ClassVar[Sequence[Rule]] = ()
    prompt_field: ClassVar[str]
    bound_fields: ClassVar[tuple[str, ...]] = ()
    default_model: ClassVar[str] = ""
    streams: ClassVar[bool] = False
    otel_operation: ClassVar[str] = ""
    documentation: ClassVar[Documentation]

    def validator(self, profile: Profile = "standard") -> Validator:
        """What checks its requests: the schema `NAME.request` and the rules."""
        return Validator.load(f"{self.name}.request", profile, self.rules)

    def read(self, call_id: str, body: Mapping[str, Any], raw: bytes) -> Call:
        """The call that a request amounts to.

        Args:
            call_id: the call's own id.
            body: valid by `validator`.
            raw: the bytes that it was read from.

        Raises:
            ApiError: 400, there is no model, or the client wants a stream where there are none.
        """
        model = body.get("model")
        if model is None:
            model = self._default_model()
            body = {**body, "model": model}
            raw = dump_json(body)
        stream = bool(body.get("stream"))
        if stream and not self.streams:
            raise Invalid.not_streamable()
        return Call(call_id, self.name, model, body, raw, stream)

    def _default_model(self) -> str:
        if not self.default_model:
            raise Invalid.missing_required_parameter(param="model")
        return self.default_model

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return Ask(call)

    def bounded(self, call: Call, tokens: int) -> Call:
        """The call with one bound of its output, whatever it had before.

        Args:
            call: of an endpoint with `bound_fields`.
            tokens: the most of a choice.
        """
        kept = {name: call.body[name] for name in call.body if name not in self.bound_fields}
        body = {**kept, self.bound_fields[0]: tokens}
        return replace(call, body=body, raw=dump_json(body))

    def tool_call_ids(self, call: Call) -> list[str]:
        """The ids of the tool calls in a request, which providers may have kept something for."""
        return []

    @abstractmethod
    def estimate(self, call: Call, generated: int = 0) -> Usage:
        """The usage of a call that a vendor reported none of, or that ended too early.

        Args:
            call: as the client sent it.
            generated: UTF-8 bytes of text that were generated.
        """

    @abstractmethod
    def whole(self, call: Call, response: Body, model: str | None = None) -> Encoded:
        """A whole response for the client.

        Args:
            call: what the client asked for.
            response: the provider's.
            model: what it is to call the model; None for what the vendor calls it.

        Raises:
            ProviderError: it is not a response in the format of the endpoint.
        """

    def has_content(self, chunk: Body) -> bool:
        """Whether a chunk holds some of what the client asked for: text, a tool call, media.

        Until then nothing was said, so that another target can still serve the call. Whatever the
        chunk is, this raises nothing.
        """
        return not isinstance(chunk, Binary) or bool(chunk.data)

    def encoder(self, call: Call, model: str | None = None) -> StreamEncoder:
        """What makes the bytes of a stream. Arguments as for `whole`."""
        raise NotImplementedError(f"{self.name} does not stream")

    def join(self, events: bytes) -> dict[str, Any]:
        """The response that the events of a stream amount to, for the request log.

        A secret may lie across chunks, so redaction needs each text in one piece.
        """
        raise NotImplementedError(f"{self.name} does not stream")

    def trim(self, joined: dict[str, Any], without_end: Callable[[str], str]) -> None:
        """Removes from a joined response what may be cut in half, as not all events are there.

        Args:
            joined: by `join`; edited in place.
            without_end: takes from a text what may be the half of a secret.
        """
        raise NotImplementedError(f"{self.name} does not stream")
