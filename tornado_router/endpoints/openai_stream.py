"""Streams of OpenAI's chunks with choices: for the client, and joined for the request log."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, ClassVar

from tornado_router import sse
from tornado_router.endpoints.base import EVENT_STREAM
from tornado_router.endpoints.dialects import OPENAI
from tornado_router.endpoints.estimates import byte_size, text_size, tokens_of
from tornado_router.endpoints.openai_format import ChoicesEndpoint, body_of, written
from tornado_router.endpoints.openai_usage import read_usage, usage_body, with_cost
from tornado_router.error_codes import Failure
from tornado_router.errors import ApiError
from tornado_router.provider import Body, Call, Passed, Relayed, Said, load_json
from tornado_router.usage import Drawn, Usage

_IDENTITY = ("id", "created", "model", "system_fingerprint", "service_tier")
_MOST_FIRST = 8
"""Chunks that are asked for the identity of their response, if none of them has choices."""

_JOINED = ("id", "model", "usage", "error", "router")
_FAILED = "error"
"""The finish reason of a choice that failed, at OpenRouter and others: it is not whole."""

_HIGH = ("\ud800", "\udbff")
"""The first halves of surrogate pairs: the first and the last of them."""


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
        keepalive: the dialect's.
        cost: for a client that wants it beside its usage.
        maker: for nothing: no other provider is refused what it cannot read.
        generated: UTF-8 bytes of text so far.
        complete: whether every choice has ended.
        response: what its first chunks say of it; nothing else is kept.
    """

    object: ClassVar[str]
    content_type = EVENT_STREAM
    keepalive = OPENAI.keepalive
    __slots__ = (
        "_call",
        "_choices",
        "_ended",
        "_endpoint",
        "_first",
        "_has_identity",
        "_model",
        "_reported",
        "_show_usage",
        "_size",
        "_usage_chunk",
        "complete",
        "cost",
        "generated",
        "maker",
        "request_id",
        "response",
        "tell",
    )

    def __init__(self, endpoint: ChoicesEndpoint, call: Call, model: str | None = None) -> None:
        self.cost: Callable[[Usage], float | None] | None = None
        self.maker = self.request_id = ""
        self.tell: Callable[[Drawn], None] | None = None
        self.generated = 0
        self.complete = self._has_identity = False
        self.response: Mapping[str, Any] | None = None
        self._reported: Usage | None = None
        self._usage_chunk: Body | None = None
        self._endpoint = endpoint
        self._size = endpoint.size
        self._call = call
        self._model = model
        options = call.body.get("stream_options")
        self._show_usage = bool(options and options.get("include_usage"))
        self._choices = endpoint.choices(call)
        self._first: list[Mapping[str, Any]] = []  # the chunks up to that with the first choices
        self._ended: list[int] = []  # the indexes of choices

    @abstractmethod
    def ends(self) -> list[dict[str, Any]]:
        """The choices of a chunk that ends every choice, as if it had reached its bound."""

    def encode(self, chunk: Body) -> bytes:
        """One chunk as an event; empty if it is not for this client.

        Raises:
            ProviderError: it is not a chunk in OpenAI's format.
        """
        if type(chunk) is Passed:
            self.generated += chunk.size
            return chunk.data
        body: Mapping[str, Any]
        raw: bytes | None
        if isinstance(chunk, Relayed):
            body, raw, is_made = chunk.body, chunk.raw, False
        else:
            (body, raw), is_made = body_of(chunk), True
        if self._model is not None:
            body, raw = {**body, "model": self._model}, None
        choices = body.get("choices")
        if not self._has_identity:
            self._first.append(body)
            self.response = body
            self._has_identity = bool(choices) or len(self._first) == _MOST_FIRST
        if body.get("usage"):
            self._take_usage(body, raw)
            if not choices:
                return b""
            body, raw = {**body, "usage": None}, None
        if choices:
            self._take(choices, is_made=is_made)
        if raw is None or b"\n" in raw or b"\r" in raw:
            raw = written(body)
        return sse.encode(raw)

    def said(self, chunk: Body) -> Said | None:
        """What a chunk says, if that is a text of one choice, and nothing else."""
        choices = chunk.body.get("choices") if type(chunk) is Relayed else None
        if type(chunk) is not Relayed or not isinstance(choices, list) or len(choices) != 1:
            return None
        choice = choices[0]
        try:
            name, text = self._endpoint.text(choice)
            is_all = (
                text and self._size(choice) == byte_size(text) and not choice.get("finish_reason")
            )
        except (AttributeError, TypeError):  # a format of its own
            return None
        return Said(chunk.body, name, text) if is_all and not chunk.body.get("usage") else None

    def finish(self) -> bytes:
        """Usage, if the client asked for it, and `[DONE]`."""
        return self._usage_event() + sse.DONE if self._show_usage else sse.DONE

    def cut(self, reason: ApiError) -> bytes:
        """A chunk that ends every choice with `length` and has the reason as `router`."""
        return self._event(choices=self.ends(), router=reason.body()) + self.finish()

    def error(self, error: ApiError) -> bytes:
        """The dialect's event."""
        return self._endpoint.dialect.error_event(error)

    def usage(self, prompt: int | None = None) -> Usage:
        """What was used so far: as the vendor reported, or an estimate from what came."""
        if self._reported is not None:
            return self._reported
        if prompt is not None:
            return Usage(prompt, tokens_of(self.generated), estimated=True)
        return self._endpoint.estimate(self._call, self.generated)

    def _event(self, **fields: Any) -> bytes:
        return sse.encode(written({**self._identity(), "object": self.object, **fields}))

    def _identity(self) -> dict[str, Any]:
        """What chunks say of their response: until choices come, it may be empty."""
        return {name: chunk[name] for chunk in self._first for name in _IDENTITY if chunk.get(name)}

    def _usage_event(self) -> bytes:
        """The vendor's own chunk with all that is in it, or one that is made from what is known."""
        if self._usage_chunk is None:
            return self._event(choices=[], usage=self._costed(usage_body(self.usage())))
        if self.cost is not None:
            usage = body_of(self._usage_chunk)[0]["usage"]
            return self._event(choices=[], usage=self._costed(usage))
        body, raw = body_of(self._usage_chunk)
        if body.get("choices"):  # all else in it reached the client with them
            return self._event(choices=[], usage=body["usage"])
        known = {name: value for name, value in body.items() if value}
        if raw and body.get("choices") == [] and known.keys() >= {"object", *self._identity()}:
            return sse.encode(written(body) if b"\n" in raw or b"\r" in raw else raw)
        return self._event(**{**known, "choices": []})

    def _costed(self, usage: Mapping[str, Any]) -> Mapping[str, Any]:
        return usage if self.cost is None else with_cost(usage, self.cost(self.usage()))

    def _take(self, choices: Any, *, is_made: bool) -> None:
        """Counts the text in choices, and notes which of them have ended."""
        try:
            for choice in choices:
                self.generated += self._size(choice)
                if choice.get("finish_reason"):
                    self._end_choice(choice)
        except (AttributeError, TypeError):
            if is_made:
                raise Failure.unreadable_response() from None
            self._take_odd(choices)

    def _end_choice(self, choice: Mapping[str, Any]) -> None:
        if choice["finish_reason"] != _FAILED:
            index = index_of(choice)
            if index not in self._ended:
                self._ended.append(index)
                self.complete = len(self._ended) >= self._choices

    def _take_odd(self, choices: Any) -> None:
        """Counts the text in choices of a vendor that are in a format of its own."""
        self.generated += text_size(choices)
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, Mapping) and choice.get("finish_reason"):
                self._end_choice(choice)

    def _take_usage(self, chunk: Mapping[str, Any], raw: bytes | None) -> None:
        usage = read_usage(chunk["usage"])
        if usage:
            self._reported = usage
            self._usage_chunk = chunk if raw is None else Relayed(chunk, raw)


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
            chunk = load_json(event.data)
            for name in _JOINED:
                if chunk.get(name):
                    joined[name] = chunk[name]
            for choice in chunk.get("choices") or ():
                known = choices.setdefault(index_of(choice), {})
                if choice.get("finish_reason"):
                    known["finish_reason"] = choice["finish_reason"]
                add(known, choice)
        except (ValueError, AttributeError, TypeError, RecursionError):
            continue  # [DONE], an event that was cut off, or one that no client can read either
    joined["choices"] = [{"index": index, **choices[index]} for index in sorted(choices)]
    return joined


def index_of(part: Mapping[str, Any]) -> int:
    """The index of a choice or of a tool call; 0 if there is none."""
    index = part.get("index")
    return index if isinstance(index, int) else 0


def add_piece(known: MutableMapping[str, Any], name: str, value: Any) -> None:
    """Adds the next piece of a text, a list or an object, or sets a value that is none."""
    before = known.get(name)
    if isinstance(before, str) and isinstance(value, str) and name != "role":
        known[name] = _joined_text(before, value)
    elif isinstance(before, list) and isinstance(value, list):
        known[name] = before + value
    elif isinstance(value, Mapping):
        part = known[name] = before if isinstance(before, dict) else {}
        for key, item in value.items():
            add_piece(part, key, item)
    elif value is not None:
        known[name] = value


def _joined_text(before: str, text: str) -> str:
    """Two texts; if they were cut in the middle of a surrogate pair, it is whole again."""
    joined = before + text
    if _HIGH[0] <= before[-1:] <= _HIGH[1]:
        return joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return joined
