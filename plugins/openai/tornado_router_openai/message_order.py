"""The order of messages, for vendors that are stricter about it than OpenAI.

Claude Code and other agents send instructions in the middle of a conversation, and let a user speak
right behind the results of tools.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]

_SYSTEM = ("system", "developer")
_BETWEEN = "\n\n"
_REPLY = {"role": "assistant", "content": "OK."}


def instructions_first(messages: Sequence[Message]) -> list[Message]:
    """The messages with one instruction, which comes first.

    Those before all others become one. A later one stays where it is, as the words of a user that
    are marked as an instruction: hoisted, it would speak too early, and spoil the cached prefix.
    """
    ordered: list[Message] = []
    contents: list[list[Any]] = []  # of each of them, those that it is joined from
    is_marked = False  # the last message has such an instruction, so what the user says joins it
    for message in messages:
        role, content = message["role"], message.get("content")
        last = ordered[-1] if ordered else None
        is_late = role in _SYSTEM and last is not None and last["role"] not in _SYSTEM
        new = {"role": "user", "content": _marked(content)} if is_late else message
        if is_late or role != "user":
            joins, is_marked = role in _SYSTEM and last is not None, is_late
        else:
            joins = is_marked
        if last is not None and joins and last["role"] == new["role"]:
            contents[-1].append(new["content"])
        else:
            ordered.append(new)
            contents.append([new.get("content")])
    return [
        {**message, "content": _joined(found)} if len(found) > 1 else message
        for message, found in zip(ordered, contents, strict=True)
    ]


def replies_to_tools(messages: Sequence[Message]) -> list[Message]:
    """The messages, where the assistant says a word between results of tools and a user."""
    ordered: list[Message] = []
    for message in messages:
        if ordered and ordered[-1]["role"] == "tool" and message["role"] in ("user", *_SYSTEM):
            ordered.append(_REPLY)
        ordered.append(message)
    return ordered


def _marked(content: Any) -> Any:
    if isinstance(content, str):
        return f"<system>\n{content}\n</system>"
    return [
        {**part, "text": f"<system>\n{part['text']}\n</system>"} if "text" in part else part
        for part in content
    ]


def _joined(contents: Sequence[Any]) -> Any:
    """Contents as one: a text, if all are."""
    if all(isinstance(content, str) for content in contents):
        return _BETWEEN.join(contents)
    return [part for content in contents for part in _parts(content)]


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
