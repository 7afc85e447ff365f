"""What calls of models name of the things that vendors keep: files, vector stores, containers.

Only the places are looked at where an API has such ids: a text of a conversation may speak of any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import NoneType
from typing import Any

from tornado_router.endpoints.resource_ids import Named
from tornado_router.provider import Call

_TEXT_FIELDS = frozenset(("role", "content", "type", "text", "annotations", "id", "status"))
_TOOL_FIELDS = frozenset(("vector_store_ids", "container", "input_image_mask"))
"""Of tools that work on things which are kept."""

_VOICE = "voice_"

MAX_DEPTH = 8
"""Of blocks within blocks; no API has as many."""


def of_chat(call: Call) -> Sequence[Named]:
    """The files that parts of a chat completion's messages name, and the voice of its audio."""
    messages, audio = call.body.get("messages"), call.body.get("audio")
    named = list(_in_contents(messages, "messages")) if _has_parts(messages) else []
    if isinstance(audio, Mapping):
        named += _voice(audio.get("voice"), "audio.voice")
    return named


def of_speech(call: Call) -> Sequence[Named]:
    """The voice that speaks, unless it is one that all have."""
    return list(_voice(call.body.get("voice"), "voice"))


def of_responses(call: Call) -> Sequence[Named]:
    """What the input of a response names, and its tools, and its conversation."""
    body = call.body
    return [
        *_in_contents(body.get("input"), "input"),
        *_in_tools(body.get("tools")),
        *_id(body.get("conversation"), "conversation"),
    ]


def of_messages(call: Call) -> Sequence[Named]:
    """What blocks of a message name, and the container that it goes on with."""
    body = call.body
    messages = body.get("messages")
    named = _in_contents(messages, "messages") if _has_parts(messages) else ()
    return [*named, *_id(body.get("container"), "container")]


def containers_in(response: Mapping[str, Any]) -> list[str]:
    """The containers in which a response ran code: what it left there can be asked for."""
    output = response.get("output")
    items = output if isinstance(output, list) else []
    found = [item.get("container_id") for item in items if isinstance(item, Mapping)]
    return [name for name in dict.fromkeys(found) if isinstance(name, str)]


def _has_parts(messages: Any) -> bool:
    """Whether any message is more than a text; most calls end here."""
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict) and type(message.get("content")) is list:
            return True
    return False


def _in_contents(items: Any, path: str, depth: int = 0) -> Iterator[Named]:
    """Those of messages, items, parts and blocks, which may have others within."""
    if not isinstance(items, list) or depth > MAX_DEPTH:
        return
    for index, item in enumerate(items):
        if not isinstance(item, Mapping) or _is_plain(item):
            continue
        at = f"{path}[{index}]"
        yield from _text(item.get("file_id"), f"{at}.file_id")
        for name in ("file", "source"):
            inner = item.get(name)
            if isinstance(inner, Mapping):
                yield from _text(inner.get("file_id"), f"{at}.{name}.file_id")
        for name in ("content", "output"):
            yield from _in_contents(item.get(name), f"{at}.{name}", depth + 1)


def _is_plain(item: Mapping[str, Any]) -> bool:
    """Whether a message or a part of one is a text and nothing else, as nearly all are."""
    return _TEXT_FIELDS.issuperset(item) and type(item.get("content")) in (str, NoneType)


def _in_tools(tools: Any) -> Iterator[Named]:
    if not isinstance(tools, list):
        return
    for index, tool in enumerate(tools):
        if not isinstance(tool, Mapping) or _TOOL_FIELDS.isdisjoint(tool):
            continue
        at, container = f"tools[{index}]", tool.get("container")
        yield from _texts(tool.get("vector_store_ids"), f"{at}.vector_store_ids")
        yield from _text(container, f"{at}.container")
        if isinstance(container, Mapping):
            yield from _texts(container.get("file_ids"), f"{at}.container.file_ids")
        mask = tool.get("input_image_mask")
        if isinstance(mask, Mapping):
            yield from _text(mask.get("file_id"), f"{at}.input_image_mask.file_id")


def _id(value: Any, path: str) -> Iterator[Named]:
    """An id, or an object that has one."""
    yield from _text(value, path)
    if isinstance(value, Mapping):
        yield from _text(value.get("id"), f"{path}.id")


def _voice(value: Any, path: str) -> Iterator[Named]:
    """The id of a voice that was made: those that all have are called by a name."""
    if isinstance(value, Mapping):
        yield from _text(value.get("id"), f"{path}.id")
    elif isinstance(value, str) and value.strip().startswith(_VOICE):
        yield from _text(value, path)


def _texts(values: Any, path: str) -> Iterator[Named]:
    for index, value in enumerate(values if isinstance(values, list) else ()):
        yield from _text(value, f"{path}[{index}]")


def _text(value: Any, path: str) -> Iterator[Named]:
    if isinstance(value, str) and value:
        yield Named(value.strip(), path, is_certain=True)
