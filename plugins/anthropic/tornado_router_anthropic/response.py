"""A whole message of the vendor's as a chat completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tornado_router.provider import Call, UpstreamResponse, is_error, write_json
from tornado_router_anthropic.errors import reported_error
from tornado_router_anthropic.settings import Settings
from tornado_router_anthropic.thinking import Layout, keep_layout
from tornado_router_anthropic.tool_schemas import rename_keys
from tornado_router_anthropic.tools import is_legacy, safe_names
from tornado_router_anthropic.vendor_response import (
    VendorResponse,
    finish_reason,
    read_usage,
    refusal_text,
    service_tier,
)


@dataclass(slots=True)
class _Content:
    """The blocks of a message, by kind."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    layout: Layout = field(default_factory=list)


def parse_message(call: Call, answer: UpstreamResponse, settings: Settings) -> dict[str, Any]:
    """OpenAI's body of a response.

    Raises:
        ProviderError: it is not what the API promises.
    """
    response = VendorResponse(settings.name, call)
    message = response.load(answer.body)
    if is_error(message):
        raise reported_error(settings.name, message, answer.headers)
    blocks, stop_reason = message.get("content"), message.get("stop_reason")
    if not isinstance(blocks, list):
        raise response.wrong("content")
    if not isinstance(stop_reason, str):
        raise response.wrong("stop_reason")
    content = _Content()
    for index, block in enumerate(blocks):
        _add(content, block, response, f"content[{index}]")
    legacy = is_legacy(call.body)
    if not legacy:
        keep_layout(call, content.layout)
    usage = message.get("usage")
    body = response.identity(message, "chat.completion")
    body["choices"] = [
        {
            "index": 0,
            "message": _message(content, message, legacy, settings),
            "logprobs": None,
            "finish_reason": finish_reason(stop_reason, bool(content.calls), legacy),
        }
    ]
    counts, tier = read_usage(usage), service_tier(usage)
    if counts:
        body["usage"] = counts
    if tier:
        body["service_tier"] = tier
    return body


def _message(
    content: _Content, message: Mapping[str, Any], legacy: bool, settings: Settings
) -> dict[str, Any]:
    text = "".join(content.texts)
    made: dict[str, Any] = {
        "role": "assistant",
        "content": text if text or not content.calls else None,
        "refusal": refusal_text(message),
    }
    if content.calls and legacy:
        made["function_call"] = content.calls[0]["function"]
    elif content.calls:
        made["tool_calls"] = content.calls
    if content.thoughts and settings.reasoning_content:
        made["reasoning_content"] = "".join(content.thoughts)
    return made


def _add(content: _Content, block: Any, response: VendorResponse, path: str) -> None:
    """Sorts one block; kinds that were not asked for are left out."""
    kind = block.get("type") if isinstance(block, dict) else None
    match kind:
        case "text":
            text = block.get("text")
            if not isinstance(text, str):
                raise response.wrong(f"{path}.text")
            if text:
                content.texts.append(text)
                content.layout.append(len(text))
        case "tool_use":
            content.calls.append(_tool_call(block, response, path))
            content.layout.append(block["id"])
        case "thinking" | "redacted_thinking":
            content.layout.append(block)
            thought = block.get("thinking")
            if isinstance(thought, str):
                content.thoughts.append(thought)
        case None:
            raise response.wrong(f"{path}.type")


def _tool_call(block: Mapping[str, Any], response: VendorResponse, path: str) -> dict[str, Any]:
    for name, kind in (("id", str), ("name", str), ("input", dict)):
        if not isinstance(block.get(name), kind):
            raise response.wrong(f"{path}.{name}")
    name = safe_names(response.call).original(block["name"])
    keys = response.renamed_keys.get(name)
    arguments = rename_keys(block["input"], keys.original) if keys else block["input"]
    return {
        "id": block["id"],
        "type": "function",
        "function": {"name": name, "arguments": write_json(arguments).decode()},
    }
