"""Short ways to write what the tests are about: OpenAI's messages, and what comes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson

from tornado_router.provider import Call, Event, UpstreamRequest, UpstreamResponse
from tornado_router.sse import Decoder
from tornado_router.testing.recordings import load
from tornado_router.validation import Validator
from tornado_router_anthropic import AnthropicProvider

from . import vendor_types

RECORDINGS = Path(__file__).parent / "recordings"
REQUESTS = Validator.load("chat.completions.request")
KEY = "sk-ant-canary-0123456789"

BUDGET, ADAPTIVE, NEWEST = "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-5-5"
"""A model of each way to think."""


class Claude:
    """A provider under test. The keyword arguments are options of its table."""

    def __init__(self, **options: Any) -> None:
        self.provider = AnthropicProvider("anthropic", {"api_key": KEY, **options})
        self.chat = self.provider.endpoints["chat.completions"]

    def request(self, call: Call) -> UpstreamRequest:
        """The vendor's request, known to the vendor's SDK if that is installed."""
        request = self.chat.build_request(call)
        assert vendor_types.faults(orjson.loads(request.body)) == []
        return request

    def body(self, *messages: Mapping[str, Any], call: Call | None = None, **fields: Any) -> Any:
        """The vendor's body for some messages."""
        return orjson.loads(self.request(call or make_call(*messages, **fields)).body)

    def answer(self, message: str | Mapping[str, Any], call: Call | None = None) -> Any:
        """OpenAI's body of a vendor's message, or of a recorded one."""
        data = recording(message).body if isinstance(message, str) else orjson.dumps(message)
        response = UpstreamResponse(200, {}, data)
        return self.chat.parse_response(call or make_call(user("Hello")), response)

    def chunks(self, events: str | Sequence[Any], call: Call | None = None) -> list[Any]:
        """The chunks of a vendor's events, or of a recorded stream."""
        parser = self.chat.parse_stream(call or make_call(user("Hello"), stream=True))
        if isinstance(events, str):
            decoder = Decoder()
            found = [*decoder.feed(recording(events, True).body), *decoder.finish()]
        else:
            found = [Event(orjson.dumps(event)) for event in events]
        made = [chunk for event in found for chunk in parser.feed(event)]
        return [*made, *parser.finish()]


def make_call(*messages: Mapping[str, Any], model: str = BUDGET, **fields: Any) -> Call:
    """A call whose body is one that the core lets pass."""
    how = {name: fields.pop(name) for name in ("unsupported", "memory") if name in fields}
    body = {"model": "the-clients-alias", "messages": list(messages), **fields}
    REQUESTS.check(body)
    stream = bool(body.get("stream"))
    return Call("call-1", "chat.completions", model, body, orjson.dumps(body), stream, **how)


def recording(name: str, streamed: bool = False) -> UpstreamResponse:
    """The answer in a file of the recordings."""
    for item in load(RECORDINGS):
        if (item.name, item.streamed) == (name, streamed) and item.response:
            return item.response
    raise LookupError(name)


def user(content: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **fields}


def system(content: Any, role: str = "system") -> dict[str, Any]:
    return {"role": role, "content": content}


def assistant(content: Any = None, *calls: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **fields}
    return {**message, "tool_calls": list(calls)} if calls else message


def tool_call(
    identifier: str, name: str = "get_weather", arguments: str = '{"city":"Paris"}'
) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": identifier, "type": "function", "function": function}


def result(identifier: str, content: Any = "sunny") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": identifier, "content": content}


def tool(name: str = "get_weather", **fields: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "parameters": schema, **fields}}


def text(content: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": content, **fields}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def message(*content: Any, stop_reason: str = "end_turn", **fields: Any) -> dict[str, Any]:
    """A whole message of the vendor's."""
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5},
        **fields,
    }


def events(*blocks: Sequence[Any], stop_reason: str = "end_turn", **usage: Any) -> list[Any]:
    """A stream of the vendor's: for each block its start, then its deltas."""
    begun = message(stop_reason="", usage={"input_tokens": 10, "output_tokens": 1})
    found: list[Any] = [{"type": "message_start", "message": {**begun, "stop_reason": None}}]
    for index, (start, *deltas) in enumerate(blocks):
        found.append({"type": "content_block_start", "index": index, "content_block": start})
        for delta in deltas:
            found.append({"type": "content_block_delta", "index": index, "delta": delta})
        found.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    found.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5, **usage}})
    return [*found, {"type": "message_stop"}]


def says(content: str) -> dict[str, str]:
    return {"type": "text_delta", "text": content}


def argues(fragment: str) -> dict[str, str]:
    return {"type": "input_json_delta", "partial_json": fragment}


def uses(identifier: str, name: str = "get_weather", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": identifier, "name": name, "input": arguments}


def joined(chunks: Sequence[Any]) -> SimpleNamespace:
    """What a client puts together from chunks."""
    content, calls, reason = "", {}, None
    for chunk in chunks:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            content += delta.get("content") or ""
            for item in delta.get("tool_calls") or ():
                call = calls.setdefault(item["index"], {"arguments": ""})
                call.setdefault("id", item.get("id"))
                call.setdefault("name", item["function"].get("name"))
                call["arguments"] += item["function"].get("arguments") or ""
            reason = choice["finish_reason"] or reason
    return SimpleNamespace(text=content, calls=list(calls.values()), reason=reason)
