"""The response object of a chat completion, and the parts that it is made of."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from tornado_router.endpoints.bridges.responses_to_chat.state import REASONING_FIELDS
from tornado_router.endpoints.openai_usage import read_usage
from tornado_router.endpoints.responses_usage import response_usage_body
from tornado_router.provider import Call

_ECHOED: Mapping[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""Fields of the request that the response says again, with what holds where they are not set:
https://platform.openai.com/docs/api-reference/responses/object."""

_PLAIN_TEXT = {"type": "text"}
_INCOMPLETE: Mapping[Any, str] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
}
"""Why a response is not whole, by the finish reason."""

_FAILED = "error"
"""The finish reason of a choice that failed, at OpenRouter and others."""


def outline(call: Call, chat: Mapping[str, Any]) -> dict[str, Any]:
    """A response that has just begun.

    Args:
        call: as the client sent it.
        chat: the chat completion, or its first chunk.
    """
    asked = call.body
    created = chat.get("created")
    response: dict[str, Any] = {
        "id": f"resp_{base_id(call)}",
        "object": "response",
        "created_at": created if type(created) is int and created > 0 else int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": chat.get("model") or asked["model"],
        "output": [],
        "usage": None,
    }
    for name, default in _ECHOED.items():
        value = asked.get(name)
        response[name] = default if value is None else value
    if call.previous:
        response["previous_response_id"] = call.previous
    response["reasoning"] = {"effort": None, "summary": None, **(asked.get("reasoning") or {})}
    response["text"] = {"format": _PLAIN_TEXT, **(asked.get("text") or {})}
    response["service_tier"] = chat.get("service_tier") or asked.get("service_tier") or "default"
    return response


def base_id(call: Call) -> str:
    """What all ids of a response have in common: no other call has it."""
    return call.id.removeprefix("req_")


def ended(reason: object) -> dict[str, Any]:
    """The fields that say how a response ended.

    Args:
        reason: the finish reason; one that is missing is that of a response that is whole.
    """
    if reason == _FAILED:
        error = {"code": "server_error", "message": "The model failed."}
        return {"status": "failed", "error": error}
    if isinstance(reason, str) and reason in _INCOMPLETE:
        return {"status": "incomplete", "incomplete_details": {"reason": _INCOMPLETE[reason]}}
    return {"status": "completed"}


def usage_of(usage: object) -> dict[str, Any] | None:
    """The `usage` of a response; None if the vendor reports nothing that can be true."""
    read = read_usage(usage)
    return None if read is None else response_usage_body(read)


def texts_of(content: object) -> Iterator[tuple[str, str]]:
    """The texts of a message's or a delta's content, each with `text` or `thinking`.

    Mistral's models that think have parts of both kinds:
    https://docs.mistral.ai/capabilities/reasoning.
    """
    if isinstance(content, str):
        if content:
            yield "text", content
        return
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind in ("text", "thinking"):
            inner = part.get(kind)
            for _, text in texts_of(inner):
                yield kind, text


def reasoning_of(delta: Mapping[str, Any]) -> tuple[str, str]:
    """The field of a message or a delta that has the reasoning, and its text; or two empty ones."""
    for field in REASONING_FIELDS:
        text = delta.get(field)
        if text and isinstance(text, str):
            return field, text
    return "", ""


def citations(annotations: object) -> list[dict[str, Any]]:
    """Annotations of a text as a response has them; it knows those of pages."""
    made = []
    for annotation in annotations if isinstance(annotations, list) else ():
        kind = annotation.get("type") if isinstance(annotation, Mapping) else None
        inner = annotation.get(kind) if isinstance(kind, str) else None
        if kind == "url_citation" and isinstance(inner, Mapping) and inner.get("url"):
            made.append(
                {
                    "type": kind,
                    "start_index": inner.get("start_index") or 0,
                    "end_index": inner.get("end_index") or 0,
                    "url": inner["url"],
                    "title": inner.get("title") or "",
                }
            )
    return made


def logprobs_of(logprobs: object) -> list[dict[str, Any]]:
    """Log probabilities as a response has them: each with its bytes, and none of a refusal."""
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    return [
        {
            **_logprob(token),
            "top_logprobs": list(map(_logprob, _objects(token.get("top_logprobs")))),
        }
        for token in _objects(tokens)
    ]


def _objects(value: object) -> list[Mapping[str, Any]]:
    """The objects of what should be a list of them."""
    found = value if isinstance(value, list) else ()
    return [item for item in found if isinstance(item, Mapping)]


def _logprob(token: Mapping[str, Any]) -> dict[str, Any]:
    given = token.get("token")
    text = given if isinstance(given, str) else ""
    return {
        "token": text,
        "bytes": token.get("bytes") or list(text.encode("utf-8", "replace")),
        "logprob": token.get("logprob"),
    }
