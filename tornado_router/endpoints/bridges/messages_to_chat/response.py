"""A chat completion as a message: what whole responses and streams have in common.

https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons and
https://platform.claude.com/docs/en/build-with-claude/prompt-caching (usage).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tornado_router.endpoints.bridges.messages_to_chat.tools import safe_names
from tornado_router.endpoints.openai_usage import read_usage
from tornado_router.provider import (
    ROUTER_SIGNATURE,
    Call,
    SafeNames,
    load_arguments,
    write_json,
)

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_NOTHING = ("", "null", '""')
"""What vendors send as the arguments of a call that has none."""

_THOUGHTS = ("reasoning_content", "reasoning")
"""Fields of a message, or of a delta, that have the text of thoughts; one of the two counts."""

_TIERS = {"default": "standard", "priority": "priority"}


class Reader:
    """Reads what a response has beside its texts.

    Args:
        call: as the client sent it.

    Attributes:
        shows_thoughts: whether the client asked for them: one that did not may expect the text in
            the first block.
    """

    __slots__ = ("_call", "_ids", "_names", "_stops", "shows_thoughts")

    def __init__(self, call: Call) -> None:
        thinking = call.body.get("thinking") or {}
        self._call = call
        self._ids: set[str] = set()
        self._names: SafeNames | None = None
        self._stops: Sequence[str] = call.body.get("stop_sequences") or ()
        self.shows_thoughts = (
            thinking.get("type") in ("enabled", "adaptive") and thinking.get("display") != "omitted"
        )

    def head(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A message without content: who speaks."""
        model = body.get("model")
        return {
            "id": f"msg_{self._call.id}",
            "type": "message",
            "role": "assistant",
            "model": model if isinstance(model, str) and model else self._call.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }

    def tool_name(self, name: str) -> str:
        """The client's name of a tool."""
        if self._names is None:
            self._names = safe_names(self._call.body)
        return self._names.original(name)

    def tool_id(self, given: object, index: int) -> str:
        """The vendor's id of a tool call; providers keep what they need for it by that very id.

        Some vendors name calls by their functions: where another call has the id, it gets its own.
        """
        if not isinstance(given, str) or not given or given in self._ids:
            return f"toolu_{self._call.id}_{index}"
        self._ids.add(given)
        return given

    def stop(self, choice: Mapping[str, Any], *, calls: bool, refused: bool) -> dict[str, Any]:
        """Why a response ended: `stop_reason` and `stop_sequence`.

        Args:
            choice: with a finish reason, or with none where the vendor said nothing.
            calls: whether a tool was called.
            refused: whether the model refused, in words.
        """
        reason = _STOP_REASONS.get(choice.get("finish_reason") or "stop", "end_turn")
        sequence = None
        if reason == "end_turn" and calls:
            reason = "tool_use"
        elif reason == "tool_use" and not calls:
            reason = "end_turn"
        if reason == "end_turn" and refused:
            reason = "refusal"
        elif reason == "end_turn" and self._stops:
            given = choice.get("stop_reason")  # of vLLM and others: what it ended at
            if isinstance(given, str) and given in self._stops:
                reason, sequence = "stop_sequence", given
        return {"stop_reason": reason, "stop_sequence": sequence}


def usage_of(usage: object) -> dict[str, Any] | None:
    """A message's usage; None where the vendor reported none.

    OpenAI's prompt includes what was read from the cache or written to it; Anthropic's input does
    not.
    """
    read = read_usage(usage)
    if read is None:
        return None
    made: dict[str, Any] = {
        "input_tokens": read.prompt_tokens - read.cached_tokens - read.cache_write_tokens,
        "cache_creation_input_tokens": read.cache_write_tokens,
        "cache_read_input_tokens": read.cached_tokens,
        "output_tokens": read.completion_tokens,
    }
    if read.reasoning_tokens:
        made["output_tokens_details"] = {"thinking_tokens": read.reasoning_tokens}
    return made


def thoughts_of(holder: Mapping[str, Any]) -> str:
    """The text of thoughts in a message or a delta."""
    for name in _THOUGHTS:
        text = holder.get(name)
        if isinstance(text, str) and text:
            return text
    return ""


def texts_of(content: object) -> Iterator[tuple[str, str]]:
    """The pieces of a content, each `text` or `thinking` and its text; of a list, as Mistral's."""
    if isinstance(content, str):
        if content:
            yield "text", content
        return
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, Mapping):
            continue
        if isinstance(part.get("text"), str):
            yield "text", part["text"]
        elif part.get("type") == "thinking":
            for _, text in texts_of(part.get("thinking")):
                yield "thinking", text


def arguments_of(given: object) -> dict[str, Any]:
    """The input of a tool use; of broken arguments, which models do write, an object with them."""
    if isinstance(given, Mapping):
        return dict(given)
    text = given if isinstance(given, str) else ""
    if text.strip() in _NOTHING:
        return {}
    known = load_arguments(text)
    return {"arguments": text} if known is None else known


def arguments_text(given: object) -> str:
    """The arguments of a tool call, or a part of them, as text; some vendors send the object."""
    if isinstance(given, str):
        return given
    return write_json(given).decode() if isinstance(given, Mapping) else ""


def message_of(call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
    """The message that a whole chat completion amounts to: its first choice.

    Usage is left out where the vendor reported none.
    """
    reader = Reader(call)
    choice = body["choices"][0]
    message = choice["message"]
    texts = list(texts_of(message.get("content")))
    thoughts = thoughts_of(message) + "".join([text for kind, text in texts if kind == "thinking"])
    refusal = message.get("refusal") or ""
    text = "".join([text for kind, text in texts if kind == "text"]) + refusal
    blocks: list[dict[str, Any]] = []
    if thoughts and reader.shows_thoughts:
        blocks.append({"type": "thinking", "thinking": thoughts, "signature": ROUTER_SIGNATURE})
    if text:
        blocks.append({"type": "text", "text": text})
    calls = [item for item in message.get("tool_calls") or () if item.get("function")]
    for index, item in enumerate(calls):
        function = item["function"]
        blocks.append(
            {
                "type": "tool_use",
                "id": reader.tool_id(item.get("id"), index),
                "name": reader.tool_name(function["name"]),
                "input": arguments_of(function.get("arguments")),
            }
        )
    made = reader.head(body)
    made["content"] = blocks
    made |= reader.stop(choice, calls=bool(calls), refused=bool(refusal))
    usage = usage_of(body.get("usage"))
    if usage is not None:
        tier = _TIERS.get(str(body.get("service_tier")))
        made["usage"] = {**usage, "service_tier": tier} if tier else usage
    return made
