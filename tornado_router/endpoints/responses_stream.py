"""Streams of `POST /v1/responses`: events for the client, and joined for the request log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tornado_router import sse
from tornado_router.endpoints.base import EVENT_STREAM
from tornado_router.endpoints.dialects import OPENAI
from tornado_router.endpoints.estimates import byte_size, text_size, tokens_of
from tornado_router.endpoints.makers_marks import marked
from tornado_router.endpoints.openai_format import body_of, written
from tornado_router.endpoints.openai_usage import with_cost
from tornado_router.endpoints.responses_usage import read_response_usage, response_usage_body
from tornado_router.errors import ApiError
from tornado_router.provider import Body, Call, Passed, Relayed, Said, load_json
from tornado_router.usage import Drawn, Usage

if TYPE_CHECKING:
    from tornado_router.endpoints.responses import Responses

ENDED = frozenset(("response.completed", "response.incomplete", "response.failed"))
"""Events with the whole response, of which one is the last of a stream."""

_FIELDS: Mapping[str, str] = {
    "response.output_text.delta": "text",
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
}
"""Where the item of a delta has what the deltas amount to."""

_DELTA = ".delta"
_ADDED, _DONE = "response.output_item.added", "response.output_item.done"
_KNOWN_KINDS = 500

_CODES: Mapping[str, str] = {
    "context_length_exceeded": "context_length_exceeded",
    "insufficient_quota": "insufficient_quota",
    "rate_limit_exceeded": "rate_limit_exceeded",
}
"""Codes that clients look for in `response.failed`; all others are one to them:
https://github.com/openai/codex, codex-rs/codex-api/src/sse/responses.rs."""


class ResponsesEncoder:
    """Frames events, and learns from them what the call used (`StreamEncoder`).

    Events that a vendor sent keep their numbers; those that were made get some here.

    Args:
        endpoint: whose stream it is.
        call: what the client asked for.
        model: what the response is to call the model; None for what the vendor calls it.

    Attributes:
        keepalive: the dialect's.
        cost: for a client that wants it beside its usage.
        generated: UTF-8 bytes of text so far.
        complete: whether the response has ended.
        response: as the last event that had it, None before all.
        maker: the provider whose mark goes into what only it can read; empty for none.
    """

    content_type = EVENT_STREAM
    keepalive = OPENAI.keepalive
    cost: Callable[[Usage], float | None] | None = None
    generated = 0
    complete = False
    maker = ""
    request_id = ""
    tell: Callable[[Drawn], None] | None = None
    _reported: Usage | None = None

    def __init__(self, endpoint: Responses, call: Call, model: str | None = None) -> None:
        self._endpoint = endpoint
        self._call = call
        self._model = model
        self._number = 0
        self.response: Mapping[str, Any] | None = None
        self._items: list[Mapping[str, Any]] = []  # those that are whole
        self._open: dict[Any, _Open] = {}  # those that are not, by their places in the output
        self._grown: Said | None = None  # which unread events are like
        self._growing = _Open({})  # what those are of

    def encode(self, chunk: Body) -> bytes:
        """One event.

        Raises:
            ProviderError: a plugin made something else than an object.
        """
        if type(chunk) is Passed:
            self.generated += chunk.size
            self._number += len(chunk.texts)
            if chunk.like is not self._grown:
                self._growing, self._grown = self._growing_item(chunk.like.body), chunk.like
            self._growing.texts += map(bytes.decode, chunk.texts)
            return chunk.data
        body: Mapping[str, Any]
        raw: bytes | None
        if isinstance(chunk, Relayed):
            body, raw = chunk.body, chunk.raw
        else:
            body, raw = body_of(chunk)
        kind = body.get("type")
        if not isinstance(kind, str):
            kind = "message"
        if kind.endswith(_DELTA):
            delta = body.get("delta")
            if type(delta) is str:
                self.generated += len(delta) if delta.isascii() else byte_size(delta)
                self._growing_item(body).texts.append(delta)
            else:
                self.generated += text_size(delta)
        elif "response" in body or "item" in body:
            body, raw = self._note(kind, *body_of(marked(chunk, self.maker)))
        if raw is None or "sequence_number" not in body or b"\n" in raw or b"\r" in raw:
            raw = written(self._numbered(body))
        else:
            self._number += 1
        return b"event: " + _name(kind) + b"\n" + sse.encode(raw)

    def said(self, chunk: Body) -> Said | None:
        """What a chunk says, if it is a delta of text."""
        if type(chunk) is not Relayed:
            return None
        kind, delta = chunk.body.get("type"), chunk.body.get("delta")
        is_text = isinstance(kind, str) and kind.endswith(_DELTA) and type(delta) is str
        return Said(chunk.body, "delta", delta) if is_text and delta else None

    def finish(self) -> bytes:
        """Nothing: the last event says that it is the last."""
        return b""

    def cut(self, reason: ApiError) -> bytes:
        """The response as if it had reached its bound, with the reason as `router`."""
        data = b""
        for item in self._open.values():
            whole = item.unfinished()
            data += self._made({**item.event, "type": _DONE, "item": whole})
            self._items.append(whole)
        self._open.clear()
        ends = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        response = self._ended(**ends, usage=response_usage_body(self.usage()))
        return data + self._made(
            {"type": "response.incomplete", "response": response, "router": reason.body()}
        )

    def error(self, error: ApiError) -> bytes:
        """`response.failed`, which clients of this endpoint look for, with all that came."""
        code = _CODES.get(error.code or "", "server_error")
        response = self._ended(
            status="failed", error={"code": code, "message": error.message}, usage=None
        )
        return self._made({"type": "response.failed", "response": response})

    def usage(self, prompt: int | None = None) -> Usage:
        """What was used so far: as the vendor reported, or an estimate from what came."""
        if self._reported is not None:
            return self._reported
        if prompt is not None:
            return Usage(prompt, tokens_of(self.generated), estimated=True)
        return self._endpoint.estimate(self._call, self.generated)

    def _note(
        self, kind: str, body: Mapping[str, Any], raw: bytes | None
    ) -> tuple[Mapping[str, Any], bytes | None]:
        """Remembers what an event says of the response or of an item, and completes it."""
        self._grown = None
        response = body.get("response")
        if isinstance(response, Mapping):
            if kind in ENDED:
                self.complete = True
                self._reported = read_response_usage(response.get("usage")) or self._reported
                if self._items and not response.get("output"):  # some vendors say each item once
                    response = {**response, "output": list(self._items)}
                    body, raw = {**body, "response": response}, None
                if raw is None and response.get("usage") is None and kind != "response.failed":
                    usage = response_usage_body(self.usage())
                    body = {**body, "response": {**response, "usage": usage}}
                if self.cost is not None and isinstance(body["response"].get("usage"), Mapping):
                    costed = with_cost(body["response"]["usage"], self.cost(self.usage()))
                    body, raw = {**body, "response": {**response, "usage": costed}}, None
            if self._model is not None and "model" in response:
                body = {**body, "response": {**body["response"], "model": self._model}}
                raw = None
            self.response = body["response"]
        elif kind == _ADDED and isinstance(body.get("item"), Mapping):
            self._open[_place(body)] = _Open(body)
        elif kind == _DONE and isinstance(body.get("item"), Mapping):
            self._items.append(body["item"])
            self._open.pop(_place(body), None)
        return body, raw

    def _growing_item(self, event: Mapping[str, Any]) -> _Open:
        """The item that has what an event says, in case it stays unfinished."""
        item = self._open.get(_place(event))
        if item is None or event["type"] not in _FIELDS:
            return _Open(event)  # of nothing that was begun, so it is not kept
        item.field = _FIELDS[event["type"]]
        return item

    def _ended(self, **fields: Any) -> dict[str, Any]:
        """The response as the last event has it."""
        known = self.response or self._endpoint.outline(self._call, self._model)
        return {**known, "output": list(self._items), **fields}

    def _made(self, body: dict[str, Any]) -> bytes:
        body.pop("sequence_number", None)
        kind = body["type"]
        return b"event: " + _name(kind) + b"\n" + sse.encode(written(self._numbered(body)))

    def _numbered(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        number = self._number
        self._number += 1
        return body if "sequence_number" in body else {**body, "sequence_number": number}


class _Open:
    """An item that is not whole.

    Attributes:
        event: that began it.
        field: what the deltas are of; empty if none is known.
        texts: the deltas.
    """

    __slots__ = ("event", "field", "texts")

    def __init__(self, event: Mapping[str, Any]) -> None:
        self.event = event
        self.field = ""
        self.texts: list[str] = []

    def unfinished(self) -> dict[str, Any]:
        """The item as far as it came."""
        item = {**self.event["item"], "status": "incomplete"}
        text = "".join(self.texts)
        if item.get("type") == "message":
            item["content"] = [{"type": "output_text", "text": text, "annotations": []}]
        elif self.field in item:
            item[self.field] = text
        return item


def _place(event: Mapping[str, Any]) -> int | None:
    """Of an event's item in the output; None where a vendor does not say it: one at a time."""
    place = event.get("output_index")
    return place if type(place) is int else None


@lru_cache(maxsize=_KNOWN_KINDS)
def _name(kind: str) -> bytes:
    """An event's type as the line of its name has it: what a vendor sends may hold anything."""
    return "".join(kind.split()).encode("utf-8", "replace")


def join_events(events: bytes) -> dict[str, Any]:
    """The response that the events of a stream amount to, whether they are all there or not.

    Args:
        events: as the client got them.
    """
    joined: dict[str, Any] = {"stream": True, "output": []}
    items: dict[Any, dict[str, Any]] = {}
    decoder = sse.Decoder()
    for event in [*decoder.feed(events), *decoder.finish()]:
        try:
            body = load_json(event.data)
            response = body.get("response")
            if isinstance(response, dict):
                joined = {**response, "stream": True}
            _join_item(items, body)
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            continue  # an event that was cut off, or one that no client can read either
    output = joined.get("output")
    joined["output"] = output if output and isinstance(output, list) else list(items.values())
    return joined


def _join_item(items: dict[Any, dict[str, Any]], body: Mapping[str, Any]) -> None:
    index, kind = body.get("output_index"), body["type"]
    if kind in (_ADDED, _DONE):
        items[index] = dict(body["item"])
    elif kind.endswith(_DELTA) and isinstance(body.get("delta"), str):
        item = items.setdefault(index, {})
        item["text"] = item.get("text", "") + body["delta"]
