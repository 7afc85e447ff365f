"""The messages of a chat completion, as a vendor takes them.

A conversation may have begun at another vendor: its roles, fields and ids are that vendor's, and
its models wrote the arguments of its tool calls. A refusal would end it for good.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tornado_router.provider import Call, Params, load_arguments
from tornado_router_openai.chat_rules import ChatRules
from tornado_router_openai.message_order import instructions_first, replies_to_tools
from tornado_router_openai.reasoning import recall_reasoning

Message = Mapping[str, Any]


def edit_messages(call: Call, rules: ChatRules) -> list[Message] | None:
    """The messages as a vendor takes them; None where none has to differ.

    Raises:
        ProviderError: the vendor has no such role.
    """
    editor = _Editor(call, rules)
    edited: list[Message] = []
    changed = rules.system_first or rules.replies_to_tools
    for index, message in enumerate(call.body["messages"]):
        new = editor.edit(message, index)
        changed = changed or new is not message
        if new is not None:
            edited.append(new)
    if rules.system_first:
        edited = instructions_first(edited)
    if rules.replies_to_tools:
        edited = replies_to_tools(edited)
    return edited if changed and edited != call.body["messages"] else None


def vendor_id(tool_call_id: str, length: int) -> str:
    """A tool call's id in so many letters and digits: the same for the call and its result."""
    if len(tool_call_id) == length and tool_call_id.isascii() and tool_call_id.isalnum():
        return tool_call_id
    digest = hashlib.sha256(tool_call_id.encode("utf-8", "replace")).digest()
    return base64.b32encode(digest).decode()[:length]


class _Editor:
    """Edits the messages of one call."""

    def __init__(self, call: Call, rules: ChatRules) -> None:
        self._call = call
        self._rules = rules

    def edit(self, message: Message, index: int) -> Message | None:
        """The message itself if it need not differ; None if it is left out."""
        rules = self._rules
        role = message["role"]
        if role in rules.roles:
            role = rules.roles[role]
            message = {**message, "role": role}
        fields = rules.message_fields.get(role)
        if fields is None and rules.message_fields:
            Params(self._call).unsupported(f"messages[{index}].role")
            return None
        if None in message.values() or (fields is not None and not message.keys() <= fields):
            message = self._known(message, fields)
        if role == "assistant" and message.get("tool_calls"):
            return self._with_calls(message, f"messages[{index}]")
        if rules.id_length and isinstance(message.get("tool_call_id"), str):
            known = vendor_id(message["tool_call_id"], rules.id_length)
            if known != message["tool_call_id"]:
                return {**message, "tool_call_id": known}
        return message

    def _known(self, message: Message, fields: frozenset[str] | None) -> Message:
        """The fields that the vendor knows, without nulls; only a null content is a value."""
        known = {}
        for name, value in message.items():
            if value is None and name != "content":
                continue
            if fields is None or name in fields:
                known[name] = value
            elif name == "refusal" and not known.get("content") and not message.get("content"):
                known["content"] = value  # the words of the model all the same
            elif value not in ("", [], {}) and f"messages.{name}" not in self._call.dropped:
                self._call.dropped.append(f"messages.{name}")
        return message if len(known) == len(message) else known

    def _with_calls(self, message: Message, path: str) -> Message:
        """An assistant's message with tool calls."""
        calls = message["tool_calls"]
        edited = [
            self._tool_call(tool_call, f"{path}.tool_calls[{index}]")
            for index, tool_call in enumerate(calls)
        ]
        changes: dict[str, Any] = {}
        if any(new is not old for new, old in zip(edited, calls, strict=True)):
            changes["tool_calls"] = edited
        if self._rules.returns_reasoning:
            changes |= recall_reasoning(self._call, message)
        return {**message, **changes} if changes else message

    def _tool_call(self, tool_call: Any, path: str) -> Any:
        if not isinstance(tool_call, Mapping):
            return tool_call
        changes: dict[str, Any] = {}
        identifier, function = tool_call.get("id"), tool_call.get("function")
        if self._rules.id_length and isinstance(identifier, str):
            known = vendor_id(identifier, self._rules.id_length)
            if known != identifier:
                changes["id"] = known
        if self._rules.parses_arguments and isinstance(function, Mapping):
            arguments = self._arguments(function.get("arguments"), f"{path}.function.arguments")
            if arguments is not function.get("arguments"):
                changes["function"] = {**function, "arguments": arguments}
        return {**tool_call, **changes} if changes else tool_call

    def _arguments(self, text: Any, path: str) -> Any:
        """Arguments that the vendor can read: an object."""
        if not isinstance(text, str):
            return text
        arguments = load_arguments(text)
        if arguments is None:
            self._call.dropped.append(path)
            return json.dumps({"arguments": text})
        return text if arguments or text.strip() else "{}"
