"""Streams of messages, which are events of several kinds, as the client gets them.

https://platform.claude.com/docs/en/build-with-claude/streaming: `message_start`, then each block
with its deltas, `message_delta` with the reason to stop, `message_stop`; `ping`, and events yet
unknown, in between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tornado_router import sse
from tornado_router.endpoints.anthropic_usage import merge_usage, read_usage, usage_body
from tornado_router.endpoints.base import EVENT_STREAM, Endpoint
from tornado_router.endpoints.dialects import ANTHROPIC
from tornado_router.endpoints.estimates import byte_size, text_size, tokens_of
from tornado_router.endpoints.openai_format import body_of, written
from tornado_router.endpoints.openai_usage import with_cost
from tornado_router.error_codes import Failure
from tornado_router.errors import ApiError
from tornado_router.provider import Body, Call, Passed, Relayed, Said
from tornado_router.usage import Drawn, Usage

_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
"""The field of a delta that holds its text."""

_SILENT = ("signature_delta",)
"""Deltas that say nothing by themselves."""

_NAME = re.compile(r"[\w.-]{1,64}")
_START, _DELTA, _STOP = "message_start", "message_delta", "message_stop"
_BLOCK_START, _BLOCK_DELTA, _BLOCK_STOP = (
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
)
_NAMES = {
    kind: b"event: " + kind.encode() + b"\n"
    for kind in (_START, _DELTA, _STOP, _BLOCK_START, _BLOCK_DELTA, _BLOCK_STOP, "ping")
}


def is_content(event: Mapping[str, Any]) -> bool:
    """Whether an event has text, a thought, or a call of a tool. Raises nothing, whatever it is."""
    kind = event.get("type")
    if kind == _BLOCK_DELTA:
        delta = event.get("delta")
        if not isinstance(delta, Mapping):
            return False
        name = delta.get("type")
        text = _TEXTS.get(name) if isinstance(name, str) else None
        return bool(delta.get(text)) if text else name not in _SILENT
    if kind == _BLOCK_START:
        block = event.get("content_block")
        if not isinstance(block, Mapping):
            return False
        name = block.get("type")
        return bool(block.get(name)) if name in ("text", "thinking") else True
    return False


class MessagesEncoder:
    """Frames events, and learns from them what the call used (`StreamEncoder`).

    Args:
        endpoint: whose stream it is.
        call: what the client asked for.
        model: what the message is to call the model; None for what the vendor calls it.

    Attributes:
        keepalive: a ping.
        cost: for a client that wants it beside its usage.
        maker: for nothing: no other provider is refused what it cannot read.
        generated: UTF-8 bytes of text so far.
        complete: whether the reason to stop is there.
        response: always None: it is not kept.
    """

    content_type = EVENT_STREAM
    keepalive = ANTHROPIC.keepalive
    cost: Callable[[Usage], float | None] | None = None
    maker = ""
    request_id = ""
    tell: Callable[[Drawn], None] | None = None
    generated = 0
    complete = False
    response: Mapping[str, Any] | None = None
    _has_stopped = False

    def __init__(self, endpoint: Endpoint, call: Call, model: str | None = None) -> None:
        self._endpoint = endpoint
        self._call = call
        self._model = model
        self._counts: dict[str, Any] = {}
        self._open: list[object] = []  # the indexes of blocks

    def encode(self, chunk: Body) -> bytes:
        """One event.

        Raises:
            ProviderError: it is none.
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
        kind = body.get("type")
        try:
            if kind == _BLOCK_DELTA:
                self._take_delta(body["delta"])
            elif kind in (_START, _DELTA):
                changed = self._take_message(kind, body, is_made=is_made)
                if changed is not body:
                    body, raw = changed, None
            elif kind != "ping":
                self._take_block(kind, body)
        except (AttributeError, KeyError, TypeError):
            if is_made:
                raise Failure.unreadable_response() from None
            self.generated += text_size(body)
        if raw is None or b"\n" in raw or b"\r" in raw:
            raw = written(body)
        return _name(kind) + sse.encode(raw)

    def said(self, chunk: Body) -> Said | None:
        """What a chunk says, if it is a delta of text."""
        if type(chunk) is not Relayed or chunk.body.get("type") != _BLOCK_DELTA:
            return None
        try:
            delta = chunk.body["delta"]
            name = _TEXTS[delta["type"]]
            text = delta[name]
        except (KeyError, TypeError):
            return None
        return Said(chunk.body, name, text) if text and type(text) is str else None

    def finish(self) -> bytes:
        """What a vendor left out at the end; nothing, if its stream was whole."""
        return b"" if self._has_stopped else self._end("end_turn")

    def cut(self, reason: ApiError) -> bytes:
        """The end of a message that reached a bound, with the reason as `router`."""
        error = self._endpoint.dialect.error_body(reason)["error"]
        return self._end("max_tokens", router=error)

    def error(self, error: ApiError) -> bytes:
        """The dialect's event."""
        return self._endpoint.dialect.error_event(error, self.request_id or self._call.id)

    def usage(self, prompt: int | None = None) -> Usage:
        """What was used so far: as the vendor reported, or an estimate from what came.

        What a vendor counts of the output before the end is not what it comes to.
        """
        reported = read_usage(self._counts)
        if reported is None and prompt is not None:
            return Usage(prompt, tokens_of(self.generated), estimated=True)
        if reported is None:
            return self._endpoint.estimate(self._call, self.generated)
        if self.complete:
            return reported
        tokens = max(reported.completion_tokens, tokens_of(self.generated))
        return reported._replace(completion_tokens=tokens, estimated=True)

    def _take_delta(self, delta: Mapping[str, Any]) -> None:
        name = _TEXTS.get(delta["type"])
        if name is None:
            self.generated += text_size(delta)
        else:
            text = delta[name]
            self.generated += len(text) if text.isascii() else byte_size(text)

    def _take_message(
        self, kind: str, body: Mapping[str, Any], *, is_made: bool
    ) -> Mapping[str, Any]:
        """The event as the client gets it."""
        holder = body["message"] if kind == _START else body
        merge_usage(self._counts, holder.get("usage"))
        changes: dict[str, Any] = {}
        if is_made and not isinstance(holder.get("usage"), Mapping):
            changes["usage"] = usage_body(self.usage())  # the official SDKs need it
        if kind == _START:
            if self._model is not None:
                changes["model"] = self._model
            return {**body, "message": {**holder, **changes}} if changes else body
        if body["delta"].get("stop_reason"):
            self.complete = True
            if self.cost is not None:
                given = changes.get("usage") or holder.get("usage") or {}
                changes["usage"] = with_cost(given, self.cost(self.usage()))
        return {**body, **changes} if changes else body

    def _take_block(self, kind: object, body: Mapping[str, Any]) -> None:
        if kind == _BLOCK_START:
            self._open.append(body["index"])
            block = body["content_block"]
            if not block["type"].endswith("_result"):  # the vendor's own tools made those
                self.generated += text_size(block)
        elif kind == _BLOCK_STOP:
            if body["index"] in self._open:
                self._open.remove(body["index"])
        elif kind == _STOP:
            self._has_stopped = self.complete = True
        elif not isinstance(kind, str):
            raise TypeError("an event has a type")

    def _end(self, reason: str, **more: Any) -> bytes:
        """Closes what is open, says why the message ends if nothing has, and ends it."""
        events: list[dict[str, Any]] = [
            {"type": _BLOCK_STOP, "index": index} for index in self._open
        ]
        if not self.complete or more:
            delta = {"stop_reason": reason, "stop_sequence": None}
            usage = usage_body(self.usage())
            events.append({"type": _DELTA, "delta": delta, "usage": usage, **more})
        events.append({"type": _STOP})
        return b"".join(_name(event["type"]) + sse.encode(written(event)) for event in events)


def _name(kind: object) -> bytes:
    """The line with the name of an event."""
    known = _NAMES.get(kind) if isinstance(kind, str) else None
    if known is not None:
        return known
    is_name = isinstance(kind, str) and _NAME.fullmatch(kind)
    return f"event: {kind}\n".encode() if is_name else b""
