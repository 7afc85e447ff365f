"""A good provider, for a vendor that is made up: what the kit has to let pass.

Its format differs from OpenAI's wherever a real one might. The broken providers of
`broken_providers.py` are this one with one fault each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import orjson

from tornado_router.errors import ApiError
from tornado_router.provider import (
    Body,
    Call,
    Event,
    Params,
    Provider,
    ProviderError,
    StreamParser,
    Translator,
    UpstreamRequest,
    UpstreamResponse,
    bad_answer,
)

FINISH = {"done": "stop", "limit": "length", "filter": "content_filter"}


class AcmeProvider(Provider):
    capabilities: ClassVar = {
        "chat.completions": ("stream", "tools", "parallel_tools", "images", "json_schema")
    }
    remembers: ClassVar = True
    options_schema: ClassVar = {
        "type": "object",
        "properties": {
            "api_key": {"type": "string", "writeOnly": True, "description": "Sent as X-Acme-Key."}
        },
        "required": ["api_key"],
    }

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name, options)
        self.endpoints = {"chat.completions": AcmeChat(self)}

    def parse_error(self, response: UpstreamResponse) -> ApiError:
        error = super().parse_error(response)
        try:
            problem = orjson.loads(response.body)["problem"]
            if isinstance(problem["why"], str) and problem["why"]:
                error.message = problem["why"]
        except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
            pass
        return error

    def bad(self, what: str) -> ProviderError:
        return bad_answer(f"The response of the provider '{self.name}' has {what}.")

    def get(self, value: Any, name: str, kind: type | tuple[type, ...]) -> Any:
        """A field of the vendor's response, known to be of a type."""
        found = value.get(name) if isinstance(value, dict) else None
        if not isinstance(found, kind) or isinstance(found, bool):
            raise self.bad(f"no proper `{name}`")
        return found

    def loads(self, data: bytes) -> Any:
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            raise self.bad("no JSON in it") from None


class AcmeChat(Translator):
    unsupported_fields: ClassVar = {
        "messages.name": "hint",
        "metadata": "hint",
        "store": "hint",
        "user": "hint",
        "logprobs": "approximation",
        "seed": "approximation",
        "top_logprobs": "approximation",
        "n": "loss",
    }

    def __init__(self, provider: AcmeProvider) -> None:
        self.provider = provider

    def build_request(self, call: Call) -> UpstreamRequest:
        body = self.body(call)
        return UpstreamRequest(self.url(call), orjson.dumps(body), self.headers())

    def url(self, call: Call) -> str:
        return "https://api.acme.example/talk"

    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "X-Acme-Key": self.provider.options["api_key"],
        }

    def body(self, call: Call) -> dict[str, Any]:
        params = Params(call, fields=self.unsupported_fields)
        body: dict[str, Any] = {"model": call.model, "stream": call.stream}
        body["turns"] = [
            turn
            for index, message in enumerate(params.take("messages"))
            for turn in self.turn(call, params, message, f"messages[{index}]")
        ]
        for name, theirs in (("temperature", "warmth"), ("stop", "halt_at")):
            value = params.take(name)
            if value is not None:
                body[theirs] = value
        limit = params.take_bound()
        if limit:
            body["limit"] = limit
        self.add_tools(body, params)
        self.add_shape(body, params)
        params.finish()
        return body

    def turn(
        self, call: Call, params: Params, message: Mapping[str, Any], path: str
    ) -> Iterable[dict[str, Any]]:
        role, content = message["role"], message.get("content")
        if role == "function":
            params.unsupported(f"{path}.role")
            return
        if message.get("name"):
            params.leave_out(f"{path}.name")
        parts: list[dict[str, Any]] = []
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        for index, item in enumerate(content or ()):
            parts += self.part(params, item, f"{path}.content[{index}]")
        if role == "tool":
            text = "\n".join(part.get("text", "") for part in parts)
            parts = [{"kind": "result", "ref": message["tool_call_id"], "text": text}]
        for index, tool_call in enumerate(message.get("tool_calls") or ()):
            if tool_call.get("type") != "function":
                params.unsupported(f"{path}.tool_calls[{index}].type")
                continue
            parts.append(self.replay(call, tool_call))
        yield {"who": {"assistant": "agent", "developer": "system"}.get(role, role), "parts": parts}

    def part(self, params: Params, item: Any, path: str) -> list[dict[str, Any]]:
        if item.get("type") == "text":
            return [{"kind": "text", "text": item["text"]}]
        image = item.get("image_url") or {}
        url = image.get("url", "")
        if item.get("type") == "image_url" and url.startswith("data:image/") and "," in url:
            sharpness = {"detail": image["detail"]} if "detail" in image else {}
            return [{"kind": "picture", "data": url.partition(",")[2], **sharpness}]
        params.unsupported(path)
        return []

    def replay(self, call: Call, tool_call: Mapping[str, Any]) -> dict[str, Any]:
        function = tool_call["function"]
        part = {
            "kind": "call",
            "ref": tool_call["id"],
            "tool": function["name"],
            "args": function["arguments"],
        }
        seal = call.memory.get(tool_call["id"])
        return {**part, "seal": seal} if seal else part

    def add_tools(self, body: dict[str, Any], params: Params) -> None:
        tools = []
        for index, tool in enumerate(params.take("tools") or ()):
            if tool.get("type") != "function":
                params.unsupported(f"tools[{index}]")
                continue
            tools.append(tool["function"])
        if tools:
            body["tools"] = tools
        choice = params.take("tool_choice")
        if isinstance(choice, dict) and choice.get("type") != "function":
            params.unsupported("tool_choice")
        elif choice is not None:
            body["pick"] = choice
        if params.take("parallel_tool_calls") is False:
            body["one_call"] = True

    def add_shape(self, body: dict[str, Any], params: Params) -> None:
        wanted = params.take("response_format") or {"type": "text"}
        if wanted["type"] == "json_schema":
            body["shape"] = wanted["json_schema"].get("schema") or {}
        elif wanted["type"] != "text":
            params.unsupported("response_format.type")

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        provider = self.provider
        answer = provider.loads(response.body)
        reply = provider.get(answer, "reply", dict)
        content, tool_calls = self.read_parts(call, provider.get(reply, "parts", list))
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if tool_calls:
            message["tool_calls"] = tool_calls
        return {
            "id": provider.get(reply, "key", str),
            "object": "chat.completion",
            "created": provider.get(reply, "made", int),
            "model": call.model,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "finish_reason": self.reason(reply, bool(tool_calls)),
                }
            ],
            "usage": self.usage(answer),
        }

    def read_parts(self, call: Call, parts: list[Any]) -> tuple[str | None, list[dict[str, Any]]]:
        text, tool_calls = [], []
        for part in parts:
            kind = self.provider.get(part, "kind", str)
            if kind == "text":
                text.append(self.provider.get(part, "text", str))
            elif kind == "call":
                arguments = json.dumps(self.provider.get(part, "args", dict))
                made = self.call_of(call, part)
                made["function"]["arguments"] = arguments
                tool_calls.append(made)
        return "".join(text) if text else None, tool_calls

    def call_of(self, call: Call, part: Any) -> dict[str, Any]:
        ref = self.provider.get(part, "ref", str)
        if isinstance(part.get("seal"), str) and part["seal"]:
            call.keep(ref, part["seal"])
        name = self.provider.get(part, "tool", str)
        return {"id": ref, "type": "function", "function": {"name": name, "arguments": ""}}

    def reason(self, reply: Any, has_calls: bool) -> str:
        reason = FINISH.get(self.provider.get(reply, "end", str), "stop")
        return "tool_calls" if has_calls and reason == "stop" else reason

    def usage(self, *holders: Any) -> dict[str, Any]:
        counts: dict[str, Any] = {}
        for holder in holders:
            counts |= self.provider.get(holder, "counts", dict)
        known = {name: self.provider.get(counts, name, int) for name in ("in", "cached", "out")}
        prompt = known["in"] + known["cached"]
        return {
            "prompt_tokens": prompt,
            "completion_tokens": known["out"],
            "total_tokens": prompt + known["out"],
            "prompt_tokens_details": {"cached_tokens": known["cached"]},
        }

    def parse_stream(self, call: Call) -> StreamParser:
        return AcmeStream(self, call)


class AcmeStream:
    """`begin`, then `text`, `call` and `args`, then `end`; or `trouble` at any time."""

    def __init__(self, chat: AcmeChat, call: Call) -> None:
        self.done = False
        self.chat = chat
        self.provider = chat.provider
        self.call = call
        self.begun: Any = None
        self.head: dict[str, Any] = {}
        self.refs: list[str] = []

    def feed(self, event: Event) -> Iterable[Body]:
        value = self.provider.loads(event.data)
        kind = self.provider.get(value, "kind", str)
        if kind == "begin":
            return self.begin(value)
        if kind == "trouble":
            raise ProviderError(503, f"The provider '{self.provider.name}' is overloaded.")
        if not self.head:
            raise self.provider.bad("no beginning")
        match kind:
            case "text":
                return [self.chunk({"content": self.provider.get(value, "text", str)})]
            case "call":
                return self.tool_call(value)
            case "args":
                return self.arguments(value)
            case "end":
                return self.end(value)
        return []

    def begin(self, value: Any) -> list[Body]:
        self.begun = value
        self.head = {
            "id": self.provider.get(value, "key", str),
            "object": "chat.completion.chunk",
            "created": self.provider.get(value, "made", int),
            "model": self.call.model,
        }
        return [self.chunk({"role": "assistant", "content": ""})]

    def tool_call(self, value: Any) -> list[Body]:
        made = self.chat.call_of(self.call, value)
        self.refs.append(made["id"])
        return [self.chunk({"tool_calls": [{"index": len(self.refs) - 1, **made}]})]

    def arguments(self, value: Any) -> list[Body]:
        ref, text = self.provider.get(value, "ref", str), self.provider.get(value, "text", str)
        if ref not in self.refs:
            raise self.provider.bad("arguments of no call")
        index = self.refs.index(ref)
        return [self.chunk({"tool_calls": [{"index": index, "function": {"arguments": text}}]})]

    def end(self, value: Any) -> list[Body]:
        self.done = True
        return [
            self.chunk({}, self.chat.reason(value, bool(self.refs))),
            {**self.head, "choices": [], "usage": self.chat.usage(self.begun, value)},
        ]

    def finish(self) -> Iterable[Body]:
        if not self.done:
            raise self.provider.bad("no end")
        return []

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return {
            **self.head,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        }
