"""What the tests stand on: a provider, calls of it, a network of answers, and recordings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tornado_router.provider import Call, Event, UpstreamRequest, UpstreamResponse
from tornado_router_google import GoogleProvider

RECORDINGS = Path(__file__).parent / "recordings"
KEY = "AIza-canary-0123456789"


@dataclass
class FakeStream:
    status: int
    headers: Mapping[str, str]
    pieces: Sequence[bytes]

    async def __aiter__(self):
        for piece in self.pieces:
            yield piece

    async def read(self) -> bytes:
        return b"".join(self.pieces)


@dataclass
class FakeHTTP:
    """Answers with what it was given, in turn, and remembers what it was asked."""

    answers: list[UpstreamResponse]
    size: int = 4096
    requests: list[UpstreamRequest] = field(default_factory=list)

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        self.requests.append(request)
        return self.answers.pop(0)

    @asynccontextmanager
    async def stream(self, request: UpstreamRequest):
        answer = await self.send(request)
        pieces = [
            answer.body[start : start + self.size]
            for start in range(0, len(answer.body), self.size)
        ]
        yield FakeStream(answer.status, answer.headers, pieces)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(request.body) for request in self.requests]


class Google:
    """The plugin, as a test speaks to it."""

    def __init__(self, **options: Any) -> None:
        self.provider = GoogleProvider("google", {"api_key": KEY, **options})

    def call(
        self,
        body: Mapping[str, Any] | None = None,
        endpoint: str = "chat.completions",
        **how: Any,
    ) -> Call:
        body = {"model": "alias", **(body or {})}
        if endpoint == "chat.completions":
            body.setdefault("messages", [{"role": "user", "content": "Hello"}])
        how.setdefault("model", "gemini-2.5-flash")
        how.setdefault("stream", False)
        return Call("req-1", endpoint, body=body, raw=json.dumps(body).encode(), **how)

    def request(self, call: Call) -> UpstreamRequest:
        return self.provider.endpoints[call.endpoint].build_request(call)

    def build(self, body: Mapping[str, Any] | None = None, **how: Any) -> dict[str, Any]:
        """The body that Google is sent for one of OpenAI's."""
        return orjson.loads(self.request(self.call(body, **how)).body)

    def contents(self, *messages: Mapping[str, Any], **how: Any) -> list[dict[str, Any]]:
        return self.build({"messages": list(messages)}, **how)["contents"]

    def config(self, model: str = "gemini-2.5-flash", **fields: Any) -> dict[str, Any]:
        return self.build(fields, model=model).get("generationConfig", {})

    def whole(self, answer: Any, call: Call | None = None) -> dict[str, Any]:
        """What is made of a whole answer, given as JSON or bytes."""
        call = call or self.call()
        data = answer if isinstance(answer, bytes) else orjson.dumps(answer)
        translator = self.provider.endpoints[call.endpoint]
        return translator.parse_response(call, UpstreamResponse(200, {}, data))

    def stream(self, *events: Any, call: Call | None = None) -> list[dict[str, Any]]:
        """The chunks that events amount to, with those of the end."""
        call = call or self.call(stream=True)
        parser = self.provider.endpoints[call.endpoint].parse_stream(call)
        chunks = []
        for event in events:
            data = event if isinstance(event, bytes) else orjson.dumps(event)
            chunks += parser.feed(Event(data))
        return [*chunks, *parser.finish()]

    def send(self, http: FakeHTTP, call: Call) -> Any:
        """The call as the core makes it: an answer, or the list of its chunks."""

        async def chunks() -> list[Any]:
            return [chunk async for batch in self.provider.stream(call, http) for chunk in batch]

        return asyncio.run(chunks() if call.stream else self.provider.send(call, http))


def recording(name: str, endpoint: str = "chat.completions") -> UpstreamResponse:
    head, _, body = (RECORDINGS / endpoint / name).read_bytes().partition(b"\r\n\r\n")
    return UpstreamResponse(int(head.split()[1]), {}, body)


def events(name: str) -> list[bytes]:
    lines = recording(name).body.split(b"\r\n\r\n")
    return [line.removeprefix(b"data: ") for line in lines if line]


def answer(*parts: Any, finish: str | None = "STOP", **more: Any) -> dict[str, Any]:
    """A vendor's answer of one candidate."""
    candidate: dict[str, Any] = {"index": 0}
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "responseId": "r1", **more}


def called(*calls: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """An assistant's message that calls tools, each by id, name and arguments."""
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in calls
        ],
        **more,
    }


def result(tool_call_id: str, content: Any = "15 degrees") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": tool_call_id, "content": content}


def user(content: Any = "Hello") -> dict[str, Any]:
    return {"role": "user", "content": content}


def tool(name: str = "get_weather", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def delta_text(chunks: Sequence[Mapping[str, Any]], index: int = 0) -> str:
    return "".join(
        choice["delta"].get("content") or ""
        for chunk in chunks
        for choice in chunk["choices"]
        if choice["index"] == index
    )


def finishes(chunks: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        choice["finish_reason"]
        for chunk in chunks
        for choice in chunk["choices"]
        if choice["finish_reason"]
    ]


def fragments(chunks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The fragments of tool calls, in their order."""
    return [
        fragment
        for chunk in chunks
        for choice in chunk["choices"]
        for fragment in choice["delta"].get("tool_calls", ())
    ]
