"""The messages of a chat completion as the items of a request for a response.

https://developers.openai.com/api/docs/guides/migrate-to-responses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from tornado_router.endpoints.bridges.chat_to_responses.kept import recall_items
from tornado_router.provider import Call, Params

MAX_CALL_ID = 64
"""Characters of a tool call's id, by OpenAI's specification; other vendors made longer ones."""

_MARK = "prompt_cache_breakpoint"
_THOUGHTS = ("thinking", "reasoning")
"""Parts of a message that another vendor's model thought: no other is shown them."""

_CALLS = ("function", "custom")
_FILE_FIELDS = ("file_id", "file_data", "filename")

Item = dict[str, Any]


class Items:
    """Makes the items.

    Args:
        call: whose messages they are.
        params: of it.
    """

    def __init__(self, call: Call, params: Params) -> None:
        self._call = call
        self._params = params
        self._custom_calls: set[str] = set()
        self._recalled: set[str] = set()

    def make(self, messages: Sequence[Mapping[str, Any]]) -> list[Item]:
        """All of them, each in its place: that of a message of the system, too.

        Raises:
            ProviderError: a message holds what a response has no place for.
        """
        items: list[Item] = []
        for index, message in enumerate(messages):
            path, role = f"messages[{index}]", message["role"]
            if role == "assistant":
                items += self._turn(message, path)
            elif role == "tool":
                items.append(self._output(message, path))
            elif role == "function":
                self._params.unsupported(path)  # its call has no id
            else:
                content = self._content(message.get("content"), f"{path}.content")
                items.append({"role": role, "content": content})
            if message.get("name") and role != "function":
                self._call.dropped.append(f"{path}.name")
        return items

    def _turn(self, message: Mapping[str, Any], path: str) -> list[Item]:
        """What the model said, and the calls that it made.

        Reasoning comes first, as it did. That of a later call stands before that call.
        """
        if message.get("function_call") is not None:
            self._params.unsupported(f"{path}.function_call")
        if message.get("audio") is not None:
            self._params.unsupported(f"{path}.audio")
        said = self._said(message, f"{path}.content")
        items: list[Item] = [{"role": "assistant", "content": said}] if said else []
        for index, tool_call in enumerate(message.get("tool_calls") or ()):
            if tool_call["type"] not in _CALLS:  # nothing else is known of it, be it an id
                self._params.unsupported(f"{path}.tool_calls[{index}]")
                continue
            thoughts = self._recall(tool_call["id"])
            if index == 0:
                items = [*thoughts, *items]
            else:
                items += thoughts
            items.append(self._tool_call(tool_call))
        return items

    def _said(self, message: Mapping[str, Any], path: str) -> str | list[Item]:
        """The text of an assistant's message; with a refusal, its parts."""
        content, refusal = message.get("content"), message.get("refusal")
        if isinstance(content, str) and not refusal:
            return content
        parts: list[Item] = []
        if isinstance(content, str) and content:
            parts.append({"type": "output_text", "text": content})
        for index, part in enumerate(content if isinstance(content, list) else ()):
            kind = part["type"]
            if kind == "text":
                parts.append({"type": "output_text", "text": part["text"]})
            elif kind == "refusal":
                parts.append({"type": kind, "refusal": part["refusal"]})
            elif kind not in _THOUGHTS:
                self._params.unsupported(f"{path}[{index}]")
        if refusal:
            parts.append({"type": "refusal", "refusal": refusal})
        return parts

    def _recall(self, call_id: str) -> list[Item]:
        """The reasoning that led to a call: once, though several calls may have its id."""
        if call_id in self._recalled:
            return []
        self._recalled.add(call_id)
        return recall_items(self._call, call_id)

    def _tool_call(self, tool_call: Mapping[str, Any]) -> Item:
        call_id = wire_id(tool_call["id"])
        if tool_call["type"] == "function":
            function = tool_call["function"]
            return {
                "type": "function_call",
                "call_id": call_id,
                "name": function["name"],
                "arguments": function["arguments"] or "{}",
            }
        self._custom_calls.add(call_id)
        custom = tool_call["custom"]
        return {
            "type": "custom_tool_call",
            "call_id": call_id,
            "name": custom["name"],
            "input": custom["input"],
        }

    def _output(self, message: Mapping[str, Any], path: str) -> Item:
        call_id = wire_id(message["tool_call_id"])
        kind = "custom_tool_call" if call_id in self._custom_calls else "function_call"
        content = self._content(message.get("content"), f"{path}.content")
        return {"type": f"{kind}_output", "call_id": call_id, "output": content}

    def _content(self, content: Any, path: str) -> str | list[Item]:
        if not isinstance(content, list):
            return content or ""
        parts = []
        for index, part in enumerate(content):
            made = _part(part)
            if made is None:
                self._params.unsupported(f"{path}[{index}]")
                continue
            if isinstance(part.get(_MARK), Mapping):
                made[_MARK] = part[_MARK]
            parts.append(made)
        return parts


def wire_id(tool_call_id: str) -> str:
    """A tool call's id as the vendor takes it: the same one each time."""
    if len(tool_call_id) <= MAX_CALL_ID:
        return tool_call_id
    digest = hashlib.sha256(tool_call_id.encode("utf-8", "replace")).hexdigest()
    return f"call_{digest[:32]}"


def _part(part: Mapping[str, Any]) -> Item | None:
    """A part of the input; None for one of a type, or a form, that a response does not know.

    Those of a tool's result are not checked before: a chat completion has texts alone there.
    """
    match part:
        case {"type": "text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            return {"type": "input_text", "text": text}
        case {"type": "image_url", "image_url": {"url": str(url), **more}}:
            detail = more.get("detail") or "auto"
            return {"type": "input_image", "image_url": url, "detail": detail}
        case {"type": "file", "file": {**file}}:
            known = {name: file[name] for name in _FILE_FIELDS if file.get(name) is not None}
            return {"type": "input_file", **known}
        case {"type": "input_audio", "input_audio": {**audio}}:
            return {"type": "input_audio", "input_audio": audio}
    return None
