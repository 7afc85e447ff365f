"""Reads bodies in OpenAI's format, complete or not, and joins chunks to a response.

Rules about tool calls should not fail for a missing role: a missing field reads as empty.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tornado_router.errors import ApiError, dotted
from tornado_router.validation.engine import RustEngine
from tornado_router.validation.schema import load_schema

MASK = "(masked)"
_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")
_engines: dict[str, RustEngine] = {}


def misfit(name: str, body: object) -> str | None:
    """Why a body does not fit the schema of a name, such as `chat.completions.response`."""
    if name not in _engines:
        _engines[name] = RustEngine(load_schema(name))
    violation = _engines[name].first_violation(body)
    if violation is None:
        return None
    where = dotted(violation.path) or "the body"
    return f"`{where}` does not fit schemas/{name}.json ({violation.keyword})"


def items(value: object, name: str) -> list[Mapping[str, Any]]:
    """The objects in a list under a name."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def part(value: object, name: str) -> Mapping[str, Any]:
    """The object under a name."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def choices(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The choices of a response or a chunk."""
    return items(body, "choices")


def parts(response: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a response of any endpoint consists of, without ids: choices, items, or blocks."""
    for name in ("choices", "output", "content"):
        if name in response:
            return [
                {key: value for key, value in item.items() if key != "id"}
                for item in items(response, name)
            ]
    return []


def deltas(
    chunks: Iterable[Mapping[str, Any]], index: int
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each piece of one choice: the choice itself, and its delta."""
    for chunk in chunks:
        for choice in choices(chunk):
            if choice.get("index") == index:
                yield choice, part(choice, "delta")


def indexes(chunks: Iterable[Mapping[str, Any]]) -> list[int]:
    """The choices of a stream, in their order."""
    found = {choice.get("index") for chunk in chunks for choice in choices(chunk)}
    return sorted(index for index in found if isinstance(index, int))


def joined(chunks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The response that a client puts together from chunks."""
    usage = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
    first = chunks[0] if chunks else {}
    return {
        **{name: first.get(name) for name in ("id", "created", "model")},
        "object": "chat.completion",
        "choices": [_joined_choice(chunks, index) for index in indexes(chunks)],
        "usage": usage[-1] if usage else None,
    }


def _joined_choice(chunks: Sequence[Mapping[str, Any]], index: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": None, "content": None}
    reason, logprobs = None, []
    calls: dict[Any, dict[str, Any]] = {}
    for choice, delta in deltas(chunks, index):
        message["role"] = message["role"] or delta.get("role")
        for name in _TEXTS:
            if isinstance(delta.get(name), str):
                message[name] = (message.get(name) or "") + delta[name]
        for fragment in items(delta, "tool_calls"):
            _add_fragment(calls.setdefault(fragment.get("index"), {}), fragment)
        logprobs += items(choice.get("logprobs"), "content")
        reason = choice.get("finish_reason") or reason
    if calls:
        message["tool_calls"] = list(calls.values())
    return {
        "index": index,
        "message": message,
        "logprobs": {"content": logprobs} if logprobs else None,
        "finish_reason": reason,
    }


def _add_fragment(call: dict[str, Any], fragment: Mapping[str, Any]) -> None:
    function = part(fragment, "function")
    call["id"] = call.get("id") or fragment.get("id")
    call["type"] = call.get("type") or fragment.get("type")
    made = call.setdefault("function", {"name": None, "arguments": ""})
    made["name"] = made["name"] or function.get("name")
    made["arguments"] += function.get("arguments") or ""


def content(response: Mapping[str, Any]) -> str:
    """The text of a response's first choice."""
    for choice in choices(response):
        text = part(choice, "message").get("content")
        return text if isinstance(text, str) else ""
    return ""


def tool_calls(response: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every tool call of a response."""
    return [
        call
        for choice in choices(response)
        for call in items(part(choice, "message"), "tool_calls")
    ]


def masked(value: Any) -> Any:
    """A body without what may differ each time: ids that were made up, and the time."""
    value = copy.deepcopy(value)
    names: dict[Any, str] = {}
    for node in _objects(value):
        for key in ("id", "created"):
            if node.get(key) is not None:
                node[key] = names.setdefault((key, node[key]), f"{key} {len(names)}")
    return value


def substance(response: Mapping[str, Any]) -> list[Any]:
    """The content of a response, without ids and times: to compare a stream to a whole response."""
    return [
        {
            "finish_reason": choice.get("finish_reason"),
            "tool_calls": [
                {key: call.get(key) for key in ("function", "custom")}
                for call in items(part(choice, "message"), "tool_calls")
            ],
            **{name: part(choice, "message").get(name) or None for name in _TEXTS},
        }
        for choice in choices(response)
    ]


def usage_fault(usage: object, *, completion: bool = True) -> str | None:
    """What is wrong with a `usage` object.

    Args:
        usage: the object.
        completion: whether the endpoint generates tokens.
    """
    if not isinstance(usage, Mapping):
        return "there is no `usage`"
    names = ["prompt_tokens", "total_tokens", *(["completion_tokens"] if completion else [])]
    for name in names:
        if not _is_count(usage.get(name)):
            return f"`usage.{name}` is {usage.get(name)!r}, which is not a count"
    total = usage["prompt_tokens"] + (usage.get("completion_tokens") or 0)
    if usage["total_tokens"] != total:
        return f"`usage.total_tokens` is {usage['total_tokens']}, and the sum is {total}"
    for name in ("prompt", "completion"):
        for detail, count in part(usage, f"{name}_tokens_details").items():
            if count is not None and not _is_count(count):
                return f"`usage.{name}_tokens_details.{detail}` is {count!r}, which is not a count"
            if count and count > (usage.get(f"{name}_tokens") or 0):
                return f"`usage.{name}_tokens_details.{detail}` is more than `{name}_tokens`"
    return None


def describe(error: BaseException | None) -> str:
    """An exception in one line."""
    if error is None:
        return "nothing"
    if isinstance(error, ApiError):
        return f"{type(error).__name__} {error.status} ({error.code}): {error.message}"
    return f"{type(error).__name__}: {error}"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _objects(entry)
