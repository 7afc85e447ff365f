"""The reasoning that came with a tool call, which some vendors refuse to go on without.

A client of OpenAI's API carries none, so the core keeps it with the tool call. Where there is none
to give, as another vendor's model made the call, the vendors take an empty one:
https://api-docs.deepseek.com/guides/thinking_mode#tool-calls,
https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model and
https://github.com/earendil-works/pi/pull/3659.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tornado_router.provider import Body, Call, Event, Relayed
from tornado_router_openai.relay import ChatStreamParser

_FIELD = "reasoning_content"


def keep_reasoning(call: Call, choices: Any) -> None:
    """Has the core keep the reasoning of each choice of a response with its first tool call."""
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, Mapping) else None
        if isinstance(message, Mapping):
            _keep(call, _first_id(message), message.get(_FIELD))


def recall_reasoning(call: Call, message: Mapping[str, Any]) -> dict[str, str]:
    """The field that a message with tool calls lacks. A model is shown no reasoning but its own."""
    if message.get(_FIELD) is not None:
        return {}
    for tool_call in message["tool_calls"]:
        identifier = tool_call.get("id") if isinstance(tool_call, Mapping) else None
        kept = call.memory.get(identifier) if isinstance(identifier, str) else None
        if isinstance(kept, Mapping) and kept.get("model") == call.model:
            text = kept.get(_FIELD)
            return {_FIELD: text if isinstance(text, str) else ""}
    return {_FIELD: ""}


class ReasoningStream(ChatStreamParser):
    """Passes a stream through, and has the core keep the reasoning in it."""

    passes = False

    def __init__(self, call: Call, provider: str) -> None:
        super().__init__(provider)
        self._call = call
        self._texts: dict[int, list[str]] = {}
        self._ids: dict[int, str] = {}

    def feed(self, event: Event) -> Iterable[Body]:
        """The chunk of an event."""
        chunks = tuple(super().feed(event))
        for chunk in chunks:
            if isinstance(chunk, Relayed):
                for choice in chunk.body.get("choices") or ():
                    self._read(choice)
        return chunks

    def _read(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get("delta")
        index = choice.get("index")
        if not isinstance(index, int) or not isinstance(delta, Mapping):
            return
        text = delta.get(_FIELD)
        if isinstance(text, str):
            self._texts.setdefault(index, []).append(text)
        identifier = _first_id(delta)
        if identifier:
            self._ids.setdefault(index, identifier)
        if choice.get("finish_reason") and index in self._texts:
            _keep(self._call, self._ids.get(index), "".join(self._texts[index]))


def _first_id(message: Mapping[str, Any]) -> str | None:
    """The id of the first tool call in a message or a delta."""
    calls = message.get("tool_calls")
    for tool_call in calls if isinstance(calls, list) else ():
        identifier = tool_call.get("id") if isinstance(tool_call, Mapping) else None
        if isinstance(identifier, str) and identifier:
            return identifier
    return None


def _keep(call: Call, tool_call_id: str | None, text: Any) -> None:
    if tool_call_id and isinstance(text, str):
        call.keep(tool_call_id, {"model": call.model, _FIELD: text})
