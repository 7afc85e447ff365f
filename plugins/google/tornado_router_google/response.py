"""A whole response: https://ai.google.dev/api/generate-content#generatecontentresponse."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tornado_router.provider import Call, UpstreamResponse, load_json_object
from tornado_router_google.candidates import (
    CallReader,
    FunctionCall,
    candidates_of,
    finish_of,
    finish_reason,
    index_of,
    is_blocked,
    logprobs_of,
    parts_of,
    text_of,
)
from tornado_router_google.errors import error_of
from tornado_router_google.usage import usage_of
from tornado_router_google.wire import invalid


def completion(call: Call, provider: str, response: UpstreamResponse) -> dict[str, Any]:
    """OpenAI's chat completion.

    A prompt that Google blocks has no candidates: it becomes a choice without content that ends
    with `content_filter`, as it does in a stream, for it is answered, counted and paid for.

    Raises:
        ProviderError: the response is not what Google's API promises.
    """
    body = load_json_object(response.body, provider)
    if "error" in body:
        raise error_of(provider, body, response.headers)
    reader = CallReader(call, provider)
    reader.response_id = body.get("responseId")
    choices = [
        _choice(candidate, reader, provider, wants_legacy(call))
        for candidate in candidates_of(body, provider)
    ]
    choices.sort(key=_index)
    if not choices:
        if not is_blocked(body):
            raise invalid(provider, "candidates")
        choices = [_blocked()]
    result = {**identity(call, body, "chat.completion"), "choices": choices}
    usage = usage_of(body.get("usageMetadata"))
    if usage:
        result["usage"] = usage
    return result


def identity(call: Call, body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The fields that a response and all its chunks begin with."""
    response_id, model = body.get("responseId"), body.get("modelVersion")
    return {
        "id": f"chatcmpl-{response_id if isinstance(response_id, str) else call.id}",
        "object": kind,
        "created": int(time.time()),
        "model": model if isinstance(model, str) and model else call.model,
    }


def wants_legacy(call: Call) -> bool:
    """Whether the client knows `functions` only, and so no `tool_calls`."""
    return bool(call.body.get("functions")) and not call.body.get("tools")


def _choice(
    candidate: Mapping[str, Any], reader: CallReader, provider: str, legacy: bool
) -> dict[str, Any]:
    reason = finish_of(candidate.get("finishReason"), provider)
    if reason is None:
        raise invalid(provider, "candidates[].finishReason")
    texts, calls = [], []
    for part in parts_of(candidate, provider):
        texts.append(text_of(part, provider))
        if "functionCall" in part:
            calls.append(reader.read(part))
    text = "".join(texts)
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    called = _add_calls(message, calls, legacy)
    finish = finish_reason(reason, called)
    if not text and (called or finish == "content_filter"):
        message["content"] = None
    return {
        "index": index_of(candidate, provider),
        "message": message,
        "logprobs": logprobs_of(candidate),
        "finish_reason": finish,
    }


def _add_calls(message: dict[str, Any], calls: list[FunctionCall], legacy: bool) -> str | None:
    """Puts the calls into the message; returns the finish reason that goes with them."""
    if not calls:
        return None
    if legacy:  # has room for one; the model asks for the others again
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments}
        return "function_call"
    message["tool_calls"] = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in calls
    ]
    return "tool_calls"


def _index(choice: Mapping[str, Any]) -> int:
    index: int = choice["index"]
    return index


def _blocked() -> dict[str, Any]:
    return {
        "index": 0,
        "message": {"role": "assistant", "content": None, "refusal": None},
        "logprobs": None,
        "finish_reason": "content_filter",
    }
