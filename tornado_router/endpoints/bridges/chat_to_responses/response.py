"""A response as a chat completion: the whole of it, and what its chunks are made of, too."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from tornado_router.endpoints.bridges.chat_to_responses.kept import keep_items, kept_item
from tornado_router.endpoints.responses_usage import read_response_usage
from tornado_router.error_codes import Failure
from tornado_router.provider import Call

GAP = "\n\n"
"""Between messages, and between parts of a summary: a chat completion has one text of each."""

_FAILED = ("failed", "cancelled")
_LAST_TIME = 1e12
"""In seconds; a vendor that says more is not believed."""
_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}


def completion_of(call: Call, response: Mapping[str, Any]) -> dict[str, Any]:
    """The chat completion that a response is.

    Args:
        call: as the client sent it; keeps the reasoning that led to tools.
        response: the vendor's.

    Raises:
        ProviderError: the response failed.
    """
    if response.get("status") in _FAILED:
        raise Failure.unreadable_response()
    reading = _Reading(call)
    for item in response["output"]:
        reading.add(item)
    choice = {
        "index": 0,
        "message": reading.message(),
        "logprobs": logprobs_body(reading.logprobs),
        "finish_reason": finish_reason(response, calls=bool(reading.calls)),
    }
    usage = usage_of(response)
    return {
        **head(call, response),
        "object": "chat.completion",
        "choices": [choice],
        **({} if usage is None else {"usage": usage}),
    }


class _Reading:
    """What the items of an output amount to.

    Args:
        call: keeps the reasoning that led to tools.

    Attributes:
        calls: of tools.
        logprobs: of the texts.
    """

    def __init__(self, call: Call) -> None:
        self.calls: list[dict[str, Any]] = []
        self.logprobs: list[Any] = []
        self._call = call
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._thoughts: list[str] = []
        self._citations: list[dict[str, Any]] = []
        self._kept: list[dict[str, Any]] = []  # since the last call of a tool

    def add(self, item: Mapping[str, Any]) -> None:
        """Adds the next item."""
        kind = item.get("type")
        if kind == "message":
            self._add_message(item)
        elif kind == "reasoning":
            self._thoughts += thoughts_of(item)
            kept = kept_item(item)
            self._kept += [kept] if kept else []
        elif is_tool_call(item):
            tool_call = tool_call_of(item)
            if self._kept:
                keep_items(self._call, tool_call["id"], self._kept)
                self._kept = []
            self.calls.append(tool_call)

    def message(self) -> dict[str, Any]:
        """The message."""
        made: dict[str, Any] = {
            "role": "assistant",
            "content": GAP.join(self._texts) if self._texts else None,
            "refusal": "".join(self._refusals) or None,
        }
        for name, found in (
            ("reasoning_content", GAP.join(self._thoughts)),
            ("annotations", self._citations),
            ("tool_calls", self.calls),
        ):
            if found:
                made[name] = found
        return made

    def _add_message(self, item: Mapping[str, Any]) -> None:
        text = ""
        for part in item.get("content") or ():
            if part.get("type") == "output_text":
                text += part["text"]
                self.logprobs += part.get("logprobs") or ()
                made = map(citation_of, part.get("annotations") or ())
                self._citations += filter(None, made)
        if text:
            self._texts.append(text)
        self._refusals += refusals_of(item)


def head(call: Call, response: Mapping[str, Any]) -> dict[str, Any]:
    """What a chat completion and each of its chunks say of themselves."""
    known, created = response.get("id"), response.get("created_at")
    identifier = known if isinstance(known, str) and known else call.id.removeprefix("req_")
    if not isinstance(created, int | float) or not 0 < created < _LAST_TIME:
        created = time.time()
    made = {
        "id": f"chatcmpl-{identifier.removeprefix('resp_')}",
        "created": int(created),
        "model": response.get("model") or call.model,
    }
    tier = response.get("service_tier")
    return {**made, "service_tier": tier} if isinstance(tier, str) and tier != "auto" else made


def is_tool_call(item: Mapping[str, Any]) -> bool:
    """Whether an item is a call that the client has to make."""
    return item.get("type") in ("function_call", "custom_tool_call")


def tool_call_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """A call of a tool; of one that has just begun, without its arguments."""
    made = {"id": item.get("call_id") or item["id"]}
    if item["type"] == "function_call":
        function = {"name": item["name"], "arguments": item.get("arguments") or ""}
        return {**made, "type": "function", "function": function}
    custom = {"name": item["name"], "input": item.get("input") or ""}
    return {**made, "type": "custom", "custom": custom}


def thoughts_of(item: Mapping[str, Any]) -> list[str]:
    """The texts of a reasoning item: its summary, or what open models think in full."""
    for name in ("summary", "content"):
        texts = [part["text"] for part in item.get(name) or () if part.get("text")]
        if texts:
            return texts
    return []


def refusals_of(item: Mapping[str, Any]) -> Iterator[str]:
    """The refusals in a message."""
    for part in item.get("content") or ():
        if part.get("type") == "refusal":
            yield part["refusal"]


def citation_of(annotation: Mapping[str, Any]) -> dict[str, Any] | None:
    """An annotation of a text; chat completions know those of pages."""
    kind = annotation.get("type")
    if kind != "url_citation":
        return None
    return {"type": kind, kind: {name: annotation[name] for name in annotation if name != "type"}}


def logprobs_body(tokens: list[Any]) -> dict[str, Any] | None:
    """The log probabilities of a choice; None if there are none."""
    return {"content": tokens, "refusal": None} if tokens else None


def finish_reason(response: Mapping[str, Any], *, calls: bool) -> str:
    """Why a response ended."""
    if response.get("status") == "incomplete":
        details = response.get("incomplete_details") or {}
        return _REASONS.get(str(details.get("reason")), "length")
    return "tool_calls" if calls else "stop"


def usage_of(response: Mapping[str, Any]) -> dict[str, Any] | None:
    """The `usage` of a chat completion; None if the vendor reports nothing that can be true."""
    usage = read_response_usage(response.get("usage"))
    if usage is None:
        return None
    prompt = {"cached_tokens": usage.cached_tokens}
    if usage.cache_write_tokens:
        prompt["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
