"""What an endpoint is: everything the core must know about one API that clients speak.

An endpoint is the core's twin of a plugin's `Translator`. Gateway, admission, selection, cache,
request log, OpenAPI and telemetry ask the object, and never look at its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Protocol

from tornado_router.endpoints.ask import Ask
from tornado_router.endpoints.dialects import Dialect
from tornado_router.endpoints.item_references import Reference
from tornado_router.endpoints.makers_marks import NONE, Makers
from tornado_router.endpoints.resource_ids import Named
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.provider import Binary, Body, Call, Said, dump_json, replace_fields
from tornado_router.usage import Drawn, Usage
from tornado_router.validation import Profile, Validator
from tornado_router.validation.validator import Rule

JSON = "application/json"

EVENT_STREAM = "text/event-stream; charset=utf-8"
"""The content type of server-sent events."""

END_SECONDS = 2.0
"""So long a stream whose choices have all ended is silent at most: what is still to come is usage,
and an end. Vendors that give neither are not waited for."""

LARGE_BODY = 32 * 1024 * 1024
"""Of agents, which send their whole conversation, with pictures and documents:
https://platform.claude.com/docs/en/api/errors, "Request size limits"."""


class Encoded(NamedTuple):
    """A whole response as the client gets it, and what the call used.

    Attributes:
        data: its bytes.
        content_type: of them.
        usage: of the call.
        drawn: what images in it are; None for a response without.
    """

    data: bytes
    content_type: str
    usage: Usage
    drawn: Drawn | None = None


@dataclass(frozen=True, kw_only=True)
class Documentation:
    """What the OpenAPI document states about an endpoint.

    Attributes:
        summary: what it does, in a few words.
        description: what else to know, as Markdown.
        examples: requests as one would send them first, by their titles; as forms if it takes any.
        json_examples: the same as JSON, where it takes both.
        chunk: the file in `schemas/` that describes the chunks of its streams; empty without
            streams.
        ends_with_done: whether `[DONE]` follows the last chunk.
        content: the content types of its whole responses: JSON has a schema, all else is texts or
            bytes.
    """

    summary: str
    description: str = "As in the OpenAI API."
    examples: Mapping[str, Any] = field(default_factory=dict)
    json_examples: Mapping[str, Any] = field(default_factory=dict)
    chunk: str = ""
    ends_with_done: bool = True
    content: tuple[str, ...] = (JSON,)

    @property
    def has_json(self) -> bool:
        """Whether a whole response may be JSON."""
        return JSON in self.content


class Meter(Protocol):
    """Keeps count of what one stream has used."""

    generated: int
    """UTF-8 bytes of text so far."""

    def usage(self, prompt: int | None = None) -> Usage:
        """What was used so far: as the vendor reported, or an estimate from what came.

        Args:
            prompt: its tokens, as far as they are known; None to estimate them by its texts.
        """
        ...


class StreamEncoder(Meter, Protocol):
    """Makes the bytes of one stream, and keeps count of what the call used. Made anew for each."""

    content_type: str
    """Of the stream; known once the first chunk is encoded."""

    keepalive: bytes
    """What the stream may send at any time, also first, and clients pass over; empty if nothing."""

    cost: Callable[[Usage], float | None] | None
    """The US dollars that a usage comes to, for a client that wants them in it; None for another.

    Where nothing has a price, there is none.
    """

    complete: bool
    """Whether all that was asked for is there: what goes wrong behind it spoils nothing."""

    response: Mapping[str, Any] | None
    """The whole response, once complete; its `id` at least, where vendors store it; else None."""

    request_id: str
    """What the client knows the call by, where the dialect's errors say it."""

    maker: str
    """The provider whose mark goes into what only it can read; empty for none."""

    tell: Callable[[Drawn], None] | None
    """Is given what images in the stream are, before its usage is asked for."""

    def encode(self, chunk: Body) -> bytes:
        """One chunk as the client gets it; empty if it is not for this client.

        Raises:
            ProviderError: the chunk is not in the format of the endpoint.
        """
        ...

    def said(self, chunk: Body) -> Said | None:
        """What a chunk that was encoded says, if that is one text and nothing else."""
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
        effort_fields: those that ask for an effort of reasoning, the one to do without first; a
            path may have two names.
        body_bytes: the largest body of a request, unless the operator sets a limit.
        form_bytes: the largest form (`multipart/form-data`) likewise; 0 if it takes none.
        takes_json: whether a request may be JSON.
        count_name: by which providers know the counting of a request's tokens; empty if clients
            cannot ask for it. The schema of such a request is `COUNT_NAME.request`.
        count_path: where clients ask for it.
        default_model: the model of a request that names none; empty if every request has to.
        streams: whether a response may be a stream.
        is_media: whether its responses are media, of many MB: they are neither in the response
            cache nor in the request log.
        is_socket: whether clients open a websocket there, and send no requests.
        forwarded_headers: of a request, those that are part of the API and meant for the vendor,
            in lower case; a call carries them.
        otel_operation: OpenTelemetry's `gen_ai.operation.name`; empty for the endpoint's name.
        documentation: what the OpenAPI document states about it.
    """

    name: ClassVar[str]
    path: ClassVar[str]
    dialect: ClassVar[Dialect]
    rules: ClassVar[Sequence[Rule]] = ()
    prompt_field: ClassVar[str]
    bound_fields: ClassVar[tuple[str, ...]] = ()
    effort_fields: ClassVar[tuple[str, ...]] = ()
    body_bytes: ClassVar[int] = 10 * 1024 * 1024
    form_bytes: ClassVar[int] = 0
    takes_json: ClassVar[bool] = True
    count_name: ClassVar[str] = ""
    count_path: ClassVar[str] = ""
    default_model: ClassVar[str] = ""
    streams: ClassVar[bool] = False
    is_media: ClassVar[bool] = False
    is_socket: ClassVar[bool] = False
    forwarded_headers: ClassVar[tuple[str, ...]] = ()
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

    def count(self, call: Call, model: str) -> int:
        """An estimate of the tokens of a request that rather errs high.

        Args:
            call: valid by the schema of counts.
            model: the vendor's own name of the model.
        """
        raise NotImplementedError(f"{self.name} has no count")

    def counted(self, tokens: int) -> dict[str, Any]:
        """The JSON object of a count."""
        return {"input_tokens": tokens}

    def _default_model(self) -> str:
        if not self.default_model:
            raise Invalid.missing_required_parameter(param="model")
        return self.default_model

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return Ask(call)

    def is_kept(self, call: Call) -> bool:
        """Whether the client may ask for the response again, by its id."""
        return False

    def leaves_things(self, call: Call) -> bool:
        """Whether its vendor may keep what the client may ask for later: see `things`."""
        return False

    def things(self, response: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
        """The ids of what a vendor keeps of a response or beside it, by where it is kept."""
        return {}

    def previous(self, call: Call) -> str | None:
        """The id of the response that a call goes on from, if any."""
        return None

    def references(self, call: Call) -> Sequence[Reference]:
        """What a call names by an id, of an endpoint whose responses are kept."""
        return ()

    def resources(self, call: Call) -> Sequence[Named]:
        """What a call names by ids of the things that vendors keep, such as files."""
        return ()

    def items(self, call: Call) -> list[dict[str, Any]]:
        """What a call adds to the conversation, of an endpoint whose responses are kept."""
        raise NotImplementedError(f"{self.name} keeps nothing")

    def continued(self, call: Call, items: Sequence[Mapping[str, Any]]) -> Call:
        """A call with what was said before it, of an endpoint whose responses are kept.

        Args:
            call: as its client sent it.
            items: of the turns before it, of requests and responses alike.
        """
        raise NotImplementedError(f"{self.name} keeps nothing")

    def bounded(self, call: Call, tokens: int) -> Call:
        """The call with one bound of its output, whatever it had before.

        Args:
            call: of an endpoint with `bound_fields`.
            tokens: the most of a choice.
        """
        kept = {name: call.body[name] for name in call.body if name not in self.bound_fields}
        body = {**kept, self.bound_fields[0]: tokens}
        raw = replace_fields(call.raw, {self.bound_fields[0]: tokens}, self.bound_fields[1:])
        return replace(call, body=body, raw=raw)

    def without(self, body: Mapping[str, Any], path: str) -> dict[str, Any]:
        """A request without a field that a target refuses, and what makes no sense without it.

        Args:
            body: of the request.
            path: of a field that is there, of one or two names.
        """
        name, _, inner = path.partition(".")
        left = {key: value for key, value in body.items() if key != name}
        kept = {key: value for key, value in body[name].items() if key != inner} if inner else {}
        return {**left, name: kept} if kept else left

    def makers(self, call: Call) -> Makers:
        """Whose marks a call has, of an endpoint whose responses have some: see `marked`."""
        return NONE

    def marked(self, response: Body, provider: str) -> Body:
        """A provider's whole response, with its mark in what only it can read of the next turn."""
        return response

    def unmarked(self, call: Call, provider: str) -> Call:
        """A call as a provider gets it: without marks, and without what only others can read."""
        return call

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
