"""The router's own part of a stream: from the bytes of the vendor's to those of the client's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.bodies import message, response, stream
from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.bridges import Bridge
from tornado_router.endpoints.bridges.messages_to_chat import MessagesToChat
from tornado_router.endpoints.bridges.responses_to_chat import ResponsesToChat
from tornado_router.framing import ServerSentEvents
from tornado_router.provider import Call, Passing, Provider
from tornado_router.provider.chunk_reader import ChunkReader
from tornado_router_anthropic import AnthropicProvider
from tornado_router_openai.provider import OpenAI

_AT_ONCE = 10

Piece = tuple[str, Callable[[], object], int]
"""A name, what does it once, and how many events that is."""


@dataclass(frozen=True)
class _Case:
    """An endpoint that a vendor has, and the event that says one word there."""

    provider: Provider
    endpoint: str
    request: bytes
    event: bytes

    def call(self) -> Call:
        body = json.loads(self.request)
        return Call("call", self.endpoint, body["model"], body, self.request, stream=True)

    def reader(self, call: Call, passing: Passing | None = None) -> ChunkReader:
        parser = self.provider.endpoints[self.endpoint].parse_stream(call)
        return ChunkReader(ServerSentEvents(), parser, lambda _size: None, passing)


def _event(body: dict[str, Any]) -> bytes:
    name = b"event: %s\n" % body["type"].encode() if "type" in body else b""
    return name + b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


_KEY = {"api_key": "sk-upstream"}
_OPENAI = OpenAI("openai", _KEY)
_CHAT = _Case(
    _OPENAI,
    "chat.completions",
    stream(50, 20),
    _event(
        {
            "id": "chatcmpl-mock0123456789",
            "object": "chat.completion.chunk",
            "created": 1760000000,
            "model": "gpt-4o-2024-08-06",
            "service_tier": "default",
            "system_fingerprint": "fp_mock",
            "choices": [
                {
                    "index": 0,
                    "delta": {"content": " quick"},
                    "logprobs": None,
                    "finish_reason": None,
                }
            ],
            "usage": None,
        }
    ),
)
_MESSAGES = _Case(
    AnthropicProvider("anthropic", _KEY),
    "messages",
    message("claude", stream=True),
    _event(
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": " quick"},
        }
    ),
)
_RESPONSES = _Case(
    _OPENAI,
    "responses",
    response("gpt-5", stream=True),
    _event(
        {
            "type": "response.output_text.delta",
            "sequence_number": 7,
            "item_id": "msg_mock",
            "output_index": 0,
            "content_index": 0,
            "delta": " quick",
            "logprobs": [],
            "obfuscation": "aXbYcZ",
        }
    ),
)


def pieces() -> Iterator[Piece]:
    """What each endpoint does with an event that passes, one that is read, and by a bridge."""
    for case in (_CHAT, _MESSAGES, _RESPONSES):
        yield from _native(case)
    yield _bridged(MessagesToChat(), _MESSAGES)
    yield _bridged(ResponsesToChat(), _RESPONSES)


def _native(case: _Case) -> Iterator[Piece]:
    name = f"stream of {case.endpoint}: an event, bytes to bytes"
    together = case.event * _AT_ONCE
    yield f"{name}, read", _pipe(case), 1
    yield f"{name}, passing", _learnt(case, case.event), 1
    yield f"{name}, passing with others", _learnt(case, together), _AT_ONCE


def _pipe(case: _Case) -> Callable[[], object]:
    """Reads each event, as where none is like one before."""
    call = case.call()
    encoder, reader = ENDPOINTS[case.endpoint].encoder(call), case.reader(call)
    return lambda: b"".join(map(encoder.encode, reader.feed(case.event)))


def _learnt(case: _Case, data: bytes) -> Callable[[], object]:
    call, passing = case.call(), Passing()
    encoder, reader = ENDPOINTS[case.endpoint].encoder(call), case.reader(call, passing)
    (chunk,) = reader.feed(case.event)
    passing.learn(encoder.encode(chunk), chunk, encoder.said)
    return lambda: b"".join(map(encoder.encode, reader.feed(data)))


def _bridged(bridge: Bridge, source: _Case) -> Piece:
    """A chunk of chat completions as the events of another endpoint."""
    call = source.call()
    encoder, reader = ENDPOINTS[call.endpoint].encoder(call), _CHAT.reader(_CHAT.call())
    translator = bridge.stream(call)

    def run() -> bytes:
        events = [made for chunk in reader.feed(_CHAT.event) for made in translator.feed(chunk)]
        return b"".join(map(encoder.encode, events))

    return f"stream of {call.endpoint} by chat.completions: an event, bytes to bytes", run, 1
