"""The provider: a model in this process, so it sends and streams without any HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import Any, ClassVar

from tornado_router.provider import Binary, Body, Call, HTTPClient, Provider
from tornado_router_echo.completion import Completion
from tornado_router_echo.embedding import embed
from tornado_router_echo.image import events, images
from tornado_router_echo.moderation import moderate
from tornado_router_echo.realtime import EchoSocket
from tornado_router_echo.rerank import rerank
from tornado_router_echo.response import Response, compose
from tornado_router_echo.speech import content_type, pieces, usage
from tornado_router_echo.transcript import Transcript
from tornado_router_echo.wire import FRAMINGS, Wire, WireTranslator

_JSON = ("chat.completions", "completions", "embeddings", "moderations")
"""The endpoints whose responses are JSON, so that they can go through a wire."""

_TASKS = {"audio.transcriptions": "transcribe", "audio.translations": "translate"}
"""The endpoints that take sounds, and what they call what they do."""

_IMAGES = {
    "images.edits": "image_edit",
    "images.generations": "image_generation",
    "images.variations": "image_variation",
}
"""The endpoints that make images, and what the types of their events begin with."""


class EchoProvider(Provider):
    """Says the last message back, word by word, and calls the tools that it asks for."""

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        "chat.completions": (
            "stream",
            "tools",
            "parallel_tools",
            "images",
            "json_object",
            "json_schema",
            "logprobs",
            "n",
        ),
        "completions": (),
        "embeddings": (),
        "moderations": (),
        "rerank": (),
        "audio.speech": (),
        "images.edits": (),
        "images.generations": (),
        "images.variations": (),
        "audio.transcriptions": (),
        "audio.translations": (),
        "realtime": (),
    }
    options_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "delay_ms": {
                "type": "number",
                "minimum": 0,
                "default": 0,
                "description": "Milliseconds before each word, to look like a model at work.",
            },
            "wire": {
                "type": "string",
                "enum": list(FRAMINGS),
                "description": "Has it speak through bytes in this framing, as a vendor does; "
                "left out, it hands its responses over in memory.",
            },
        },
    }

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name, options)
        self._delay = options.get("delay_ms", 0) / 1000
        self._wire: str | None = options.get("wire")
        if self._wire:
            translator = WireTranslator(name, self._wire)
            self.endpoints = dict.fromkeys(_JSON, translator)

    async def send(self, call: Call, http: HTTPClient) -> Body:
        """The whole response."""
        if call.endpoint in self.endpoints:
            return await super().send(call, self._wire_of(call))
        return await self._send(call)

    def stream(self, call: Call, http: HTTPClient) -> AsyncGenerator[Sequence[Body], None]:
        """A chunk for each word, or for each piece of a tool call."""
        if call.endpoint in self.endpoints:
            return super().stream(call, self._wire_of(call))
        return self._stream(call)

    def connect(self, call: Call, http: HTTPClient) -> EchoSocket:
        """A session in this process."""
        return EchoSocket(call.model, call.body, self._delay)

    def _wire_of(self, call: Call) -> Wire:
        assert self._wire is not None
        return Wire(lambda: self._send(call), lambda: self._stream(call), self._wire)

    async def _send(self, call: Call) -> Body:
        if call.endpoint == "audio.speech":
            data = b"".join(pieces(call.body))
            return Binary(content_type(call.body), data, usage(call.body))
        if call.endpoint in _TASKS:
            return _transcript(call).response()
        if call.endpoint in _IMAGES:
            return images(call.body)
        if call.endpoint == "embeddings":
            return embed(call.body)
        if call.endpoint == "rerank":
            return {"id": f"rerank-{call.id}", "model": call.model, **rerank(call.body)}
        if call.endpoint == "moderations":
            results = moderate(call.body)
            return {"id": f"modr-{call.id}", "model": call.model, "results": results}
        if call.endpoint == "completions":
            return await self._complete(call)
        response = compose(call.body)
        await asyncio.sleep(self._delay * len(response.words))
        count = int(call.body.get("n") or 1)  # for JSON Schema, 2.0 is an integer
        return {
            **_identity(call, "chat.completion"),
            "choices": [_choice(response, index) for index in range(count)],
            "usage": response.usage(count),
        }

    async def _stream(self, call: Call) -> AsyncGenerator[Sequence[Body], None]:
        if call.endpoint == "audio.speech":
            async for batch in self._stream_speech(call):
                yield batch
            return
        if call.endpoint in _IMAGES:
            for image in events(call.body, _IMAGES[call.endpoint]):
                await asyncio.sleep(self._delay)
                yield [image]
            return
        if call.endpoint == "completions":
            async for batch in self._stream_completion(call):
                yield batch
            return
        if call.endpoint in _TASKS:
            for event in _transcript(call).events():
                await asyncio.sleep(self._delay)
                yield [event]
            return
        response = compose(call.body)
        identity = _identity(call, "chat.completion.chunk")
        count = int(call.body.get("n") or 1)  # for JSON Schema, 2.0 is an integer

        def chunks(delta: Mapping[str, Any], finish_reason: str | None = None) -> list[Body]:
            return [
                {
                    **identity,
                    "choices": [
                        {
                            "index": index,
                            "delta": delta,
                            "logprobs": response.logprobs([delta["content"]])
                            if delta.get("content")
                            else None,
                            "finish_reason": finish_reason,
                        }
                    ],
                }
                for index in range(count)
            ]

        for delta in response.deltas():
            await asyncio.sleep(self._delay)
            yield chunks(delta)
        yield chunks({}, response.finish_reason)
        yield [{**identity, "choices": [], "usage": response.usage(count)}]

    async def _complete(self, call: Call) -> Body:
        completion = Completion(call.body)
        usage = completion.usage()
        await asyncio.sleep(self._delay * usage["completion_tokens"])
        identity = _identity(call, "text_completion")
        return {**identity, "choices": completion.choices(), "usage": usage}

    async def _stream_completion(self, call: Call) -> AsyncGenerator[Sequence[Body], None]:
        completion = Completion(call.body)
        identity = _identity(call, "text_completion")
        for choices in completion.chunks():
            await asyncio.sleep(self._delay)
            yield [{**identity, "choices": choices}]
        yield [{**identity, "choices": [], "usage": completion.usage()}]

    async def _stream_speech(self, call: Call) -> AsyncGenerator[Sequence[Body], None]:
        kind = content_type(call.body)
        for piece in pieces(call.body):
            await asyncio.sleep(self._delay)
            yield [Binary(kind, piece)]
        yield [Binary(kind, b"", usage(call.body))]


def _transcript(call: Call) -> Transcript:
    return Transcript(call.files, call.body, _TASKS[call.endpoint])


def _identity(call: Call, kind: str) -> dict[str, Any]:
    return {
        "id": f"{'cmpl' if kind == 'text_completion' else 'chatcmpl'}-{call.id}",
        "object": kind,
        "created": int(time.time()),
        "model": call.model,
    }


def _choice(response: Response, index: int) -> dict[str, Any]:
    return {
        "index": index,
        "message": response.message(),
        "logprobs": response.logprobs(response.words) if response.words else None,
        "finish_reason": response.finish_reason,
    }
