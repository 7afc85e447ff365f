"""OpenAI's format of responses: whole bodies, and streams of chunks with choices.

Where client and vendor speak it both, the vendor's bytes pass through untouched.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, ClassVar

import orjson
from loguru import logger

from tornado_router import sse
from tornado_router.endpoints.base import EVENT_STREAM, Encoded, Endpoint
from tornado_router.endpoints.dialects import OPENAI, Dialect
from tornado_router.endpoints.estimates import estimate_tokens, tokens_of
from tornado_router.endpoints.openai_usage import read_usage, usage_body
from tornado_router.error_codes import Failure
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Body, Call, Relayed
from tornado_router.usage import Usage

JSON = "application/json"

_IDENTITY = ("id", "created", "model", "system_fingerprint", "service_tier")
_JOINED = ("id", "model", "usage", "error", "router")


class OpenAIEndpoint(Endpoint):
    """An endpoint of OpenAI's API.

    Attributes:
        content: the field without which a response is none.
        prompt_fields: those of a request that are read as prompt.
    """

    dialect: ClassVar[Dialect] = OPENAI
    content: ClassVar[str]
    prompt_fields: ClassVar[tuple[str, ...]]

    def estimate(self, call: Call, generated: int = 0) -> Usage:
        """A guess: of the prompt by its texts, of the output by its bytes."""
        return Usage(self.estimate_prompt(call.body), tokens_of(generated), estimated=True)

    def estimate_prompt(self, body: Mapping[str, Any]) -> int:
        """A guess at the tokens of a request."""
        return sum(estimate_tokens(body.get(name)) for name in self.prompt_fields)

    def whole(self, call: Call, response: Body, model: str | None = None) -> Encoded:
        """The vendor's bytes as they are, or the JSON of what a plugin made.

        Raises:
            ProviderError: it is not a response in OpenAI's format.
        """
        if isinstance(response, Relayed):
            body, raw = response.body, response.raw
        else:
            body, raw = _made(call, response), None
        if not body.get(self.content):
            raise _unreadable(call)
        if model is not None:
            body, raw = {**body, "model": model}, None
        try:
            usage = read_usage(body.get("usage"))
            if usage is None:
                usage = self.estimate(call, self.generated(body))
                if raw is None and usage.estimated:
                    body = {**body, "usage": usage_body(usage)}  # OpenAI's own responses have it
            return Encoded(orjson.dumps(body) if raw is None else raw, JSON, usage)
        except (AttributeError, TypeError) as error:
            raise _unreadable(call) from error

    def generated(self, body: Mapping[str, Any]) -> int:
        """UTF-8 bytes of text in a whole response."""
        return 0


class ChunkEncoder:
    """Frames chunks with choices, and learns from them what the call used (`StreamEncoder`).

    A client that asked for usage gets it once, last, in a chunk without choices, whatever the
    vendor does with it; one that did not ask never sees it.

    Args:
        endpoint: whose stream it is.
        call: what the client asked for.
        model: what chunks are to call the model; None for what the vendor calls it.

    Attributes:
        object: the `object` of each chunk.
        generated: UTF-8 bytes of text so far.
    """

    object: ClassVar[str]
    content_type = EVENT_STREAM

    def __init__(self, endpoint: Endpoint, call: Call, model: str | None = None) -> None:
        self._endpoint = endpoint
        self._call = call
        self._model = model
        options = call.body.get("stream_options")
        self._show_usage = bool(options and options.get("include_usage"))
        self._reported: Usage | None = None
        self._usage_body: Mapping[str, Any] | None = None
        self._identity: Mapping[str, Any] = {}
        self.generated = 0

    @abstractmethod
    def size(self, choices: Iterable[Any]) -> int:
        """UTF-8 bytes of text in the choices of a chunk."""

    @abstractmethod
    def ends(self) -> list[dict[str, Any]]:
        """The choices of a chunk that ends every choice, as if it had reached its bound."""

    def encode(self, chunk: Body) -> bytes:
        """One chunk as an event; empty if it is not for this client.

        Raises:
            ProviderError: it is not a chunk in OpenAI's format.
        """
        if isinstance(chunk, Relayed):
            body, raw = chunk.body, chunk.raw
        else:
            body, raw = _made(self._call, chunk), None
        if self._model is not None:
            body, raw = {**body, "model": self._model}, None
        choices = body.get("choices")
        if body.get("usage"):
            self._take_usage(body)
            if not choices:
                return b""
            body, raw = {**body, "usage": None}, None
        try:
            if choices:
                self.generated += self.size(choices)
            if raw is None or b"\n" in raw or b"\r" in raw:
                raw = orjson.dumps(body)
        except (AttributeError, TypeError) as error:
            raise _unreadable(self._call) from error
        if not self._identity:
            self._identity = body
        return sse.encode(raw)

    def finish(self) -> bytes:
        """Usage, if the client asked for it, and `[DONE]`."""
        if not self._show_usage:
            return sse.DONE
        usage = self._usage_body or usage_body(self.usage())
        return self._event(choices=[], usage=usage) + sse.DONE

    def cut(self, reason: ApiError) -> bytes:
        """A chunk that ends every choice with `length` and has the reason as `router`."""
        return self._event(choices=self.ends(), router=reason.body()) + self.finish()

    def error(self, error: ApiError) -> bytes:
        """The dialect's event."""
        return self._endpoint.dialect.error_event(error)

    def usage(self) -> Usage:
        """What was used so far: as the vendor reported, or an estimate from what came."""
        return self._reported or self._endpoint.estimate(self._call, self.generated)

    def _event(self, **fields: Any) -> bytes:
        chunk = {key: self._identity[key] for key in _IDENTITY if key in self._identity}
        return sse.encode(orjson.dumps({**chunk, "object": self.object, **fields}))

    def _take_usage(self, chunk: Mapping[str, Any]) -> None:
        usage = read_usage(chunk["usage"])
        if usage:
            self._reported = usage
            self._usage_body = chunk["usage"]


def join_chunks(
    events: bytes, add: Callable[[dict[str, Any], Mapping[str, Any]], None]
) -> dict[str, Any]:
    """The response that chunks amount to: its choices with their texts put together.

    Args:
        events: of the stream, as the client got them.
        add: adds a chunk's choice to what is known of it.
    """
    choices: dict[int, dict[str, Any]] = {}
    joined: dict[str, Any] = {"stream": True, "choices": []}
    decoder = sse.Decoder()
    for event in [*decoder.feed(events), *decoder.finish()]:
        try:
            chunk = orjson.loads(event.data)
            for name in _JOINED:
                if chunk.get(name):
                    joined[name] = chunk[name]
            for choice in chunk.get("choices") or ():
                known = choices.setdefault(choice.get("index") or 0, {})
                if choice.get("finish_reason"):
                    known["finish_reason"] = choice["finish_reason"]
                add(known, choice)
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            continue  # [DONE], an event that was cut off, or one that no client can read either
    joined["choices"] = [{"index": index, **choices[index]} for index in sorted(choices)]
    return joined


def add_text(known: MutableMapping[str, Any], name: str, value: Any) -> None:
    """Adds the next piece of a text, or sets a value that is none."""
    before = known.get(name)
    if isinstance(before, str) and isinstance(value, str) and name != "role":
        known[name] = before + value
    elif value is not None:
        known[name] = value


def byte_size(text: str) -> int:
    """UTF-8 bytes of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _made(call: Call, response: Body) -> Mapping[str, Any]:
    """What a plugin made, once it is known to be an object."""
    if not isinstance(response, Mapping):
        raise _unreadable(call)
    return response


def _unreadable(call: Call) -> ProviderError:
    logger.error(
        "provider's response for {} is not in OpenAI's format (request {})", call.endpoint, call.id
    )
    return Failure.unreadable_response()
