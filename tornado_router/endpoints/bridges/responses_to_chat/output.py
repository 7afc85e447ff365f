"""The items of a response while they are streamed: each begins, comes piece by piece, and ends.

All events of an item have its id and its place in the output, which the item of the whole response
has, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json import JSONDecoder, loads
from typing import Any

from tornado_router.endpoints.bridges.responses_to_chat.tool_items import (
    PREFIXES,
    call_item,
    input_text,
)
from tornado_router.endpoints.bridges.responses_to_chat.tools import CUSTOM, FUNCTION, Tool

_decode = JSONDecoder(strict=False).decode
"""Of a text in which lines may end: models forget to escape that."""

Event = dict[str, Any]
Events = list[Event]

_TEXT, _REFUSAL = "output_text", "refusal"
_FIELDS = {_TEXT: "text", _REFUSAL: "refusal"}
_INPUT = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_MOST_BEGIN = 100
"""Characters of `_INPUT`: what goes on without it, such as blanks without end, is another thing."""

_MOST_ESCAPE = 12
"""Characters of an escape, of both halves of a surrogate pair."""

_WHOLE = re.compile(
    r'(?:[^"\\]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}'
    r"|\\u(?![dD][89abAB])[0-9a-fA-F]{4}|\\[^u])*"
)
"""What of a JSON text can be read, though its end is yet to come."""


class Item:
    """One item of the output.

    Args:
        kind: its type.
        index: its place in the output.
        base_id: of all ids of the response.
    """

    def __init__(self, kind: str, index: int, base_id: str) -> None:
        self.index = index
        self.id = f"{PREFIXES[kind]}_{base_id}_{index}"
        self._at: dict[str, Any] = {"item_id": self.id, "output_index": index}

    def _added(self, item: dict[str, Any], events: Events) -> None:
        events.append(
            {"type": "response.output_item.added", "output_index": self.index, "item": item}
        )

    def _done(self, item: dict[str, Any], events: Events) -> dict[str, Any]:
        events.append(
            {"type": "response.output_item.done", "output_index": self.index, "item": item}
        )
        return item


class Message(Item):
    """What the model says: a text, a refusal, or one behind the other."""

    def __init__(self, index: int, base_id: str, events: Events) -> None:
        super().__init__("message", index, base_id)
        self._item = {"id": self.id, "type": "message", "role": "assistant"}
        self._content: list[dict[str, Any]] = []
        self._kind = ""  # of the part that is open, as all below
        self._pieces: list[str] = []
        self._annotations: list[dict[str, Any]] = []
        self._logprobs: list[dict[str, Any]] = []
        self._delta: Event = {}
        self._added({**self._item, "status": "in_progress", "content": []}, events)

    def text(self, text: str, logprobs: list[dict[str, Any]], events: Events) -> None:
        """Some more of the text."""
        if self._kind != _TEXT:
            self._begin(_TEXT, events)
        self._pieces.append(text)
        self._logprobs += logprobs
        events.append({**self._delta, "delta": text, "logprobs": logprobs})

    def refuse(self, text: str, events: Events) -> None:
        """Some more of a refusal."""
        if self._kind != _REFUSAL:
            self._begin(_REFUSAL, events)
        self._pieces.append(text)
        events.append({**self._delta, "delta": text})

    def cite(self, citations: list[dict[str, Any]], events: Events) -> None:
        """Pages that the text rests on."""
        if self._kind != _TEXT:
            self._begin(_TEXT, events)
        for citation in citations:
            events.append(
                {
                    **self._delta,
                    "type": "response.output_text.annotation.added",
                    "annotation_index": len(self._annotations),
                    "annotation": citation,
                }
            )
            self._annotations.append(citation)

    def end(self, status: str, events: Events) -> dict[str, Any]:
        """The whole item."""
        if not self._kind:
            self._begin(_TEXT, events)
        self._end_part(events)
        return self._done({**self._item, "status": status, "content": self._content}, events)

    def _begin(self, kind: str, events: Events) -> None:
        if self._kind:
            self._end_part(events)
        self._kind, self._pieces = kind, []
        self._annotations, self._logprobs = [], []
        at = {**self._at, "content_index": len(self._content)}
        self._delta = {"type": f"response.{kind}.delta", **at}
        events.append({"type": "response.content_part.added", **at, "part": self._part("")})

    def _part(self, text: str) -> dict[str, Any]:
        part: dict[str, Any] = {"type": self._kind, _FIELDS[self._kind]: text}
        if self._kind == _TEXT:
            part |= {"annotations": self._annotations[:], "logprobs": self._logprobs[:]}
        return part

    def _end_part(self, events: Events) -> None:
        text = "".join(self._pieces)
        done = {**self._delta, "type": f"response.{self._kind}.done", _FIELDS[self._kind]: text}
        if self._kind == _TEXT:
            done["logprobs"] = self._logprobs
        part = self._part(text)
        events += (done, {**self._delta, "type": "response.content_part.done", "part": part})
        self._content.append(part)


class Reasoning(Item):
    """What the model thought, as one summary; or none, to carry state alone.

    Attributes:
        field: of the chat completion, which it is in; empty if it is a part of the content.
    """

    field = ""

    def __init__(self, index: int, base_id: str, events: Events) -> None:
        super().__init__("reasoning", index, base_id)
        self._item = {"id": self.id, "type": "reasoning", "summary": []}
        self._pieces: list[str] = []
        self._at["summary_index"] = 0
        self._delta = {"type": "response.reasoning_summary_text.delta", **self._at}
        self._added(self._item, events)

    def think(self, text: str, events: Events) -> None:
        """Some more of it."""
        if not self._pieces:
            part = {"type": "summary_text", "text": ""}
            events.append(
                {"type": "response.reasoning_summary_part.added", **self._at, "part": part}
            )
        self._pieces.append(text)
        events.append({**self._delta, "delta": text})

    def end(self, state: str | None, events: Events) -> dict[str, Any]:
        """The whole item.

        Args:
            state: its `encrypted_content`, or None.
            events: gets those of its end.
        """
        summary = []
        if self._pieces:
            text = "".join(self._pieces)
            summary = [{"type": "summary_text", "text": text}]
            events += (
                {"type": "response.reasoning_summary_text.done", **self._at, "text": text},
                {"type": "response.reasoning_summary_part.done", **self._at, "part": summary[0]},
            )
        item = {**self._item, "summary": summary}
        if state is not None:
            item["encrypted_content"] = state
        return self._done(item, events)


class ToolCall(Item):
    """A call of a function or of a custom tool; one of another kind comes whole, at its end."""

    def __init__(self, tool: Tool, call_id: str, index: int, base_id: str) -> None:
        super().__init__(tool.kind, index, base_id)
        self._tool = tool
        self._call_id = call_id
        self._base_id = base_id
        self._pieces: list[str] = []
        self._seen = 0  # pieces that were there when it was not whole yet
        self._reader = InputReader() if tool.kind == CUSTOM else None
        self._is_streamed = tool.kind in (FUNCTION, CUSTOM)
        field = "custom_tool_call_input" if self._reader else "function_call_arguments"
        self._kind = f"response.{field}"
        self._delta = {"type": f"{self._kind}.delta", **self._at}

    def begin(self, events: Events) -> None:
        """That it is called."""
        if self._is_streamed:
            item = self._whole("", "in_progress")
            self._added(item, events)

    def argue(self, text: str, events: Events) -> None:
        """Some more of its arguments."""
        self._pieces.append(text)
        if self._reader:
            text = self._reader.feed(text)
        if self._is_streamed and text:
            events.append({**self._delta, "delta": text})

    def is_whole(self) -> bool:
        """Whether nothing can be missing of its arguments."""
        if len(self._pieces) == self._seen:
            return False  # without reading them again
        self._seen = len(self._pieces)
        try:
            loads("".join(self._pieces))
        except (ValueError, RecursionError):
            return False
        return True

    def end(self, status: str, events: Events) -> dict[str, Any]:
        """The whole item."""
        arguments = "".join(self._pieces)
        if not self._is_streamed:
            item = self._whole(arguments, status)
            self._added(item, events)
            return self._done(item, events)
        field, value = "arguments", arguments
        if self._reader:
            sent = self._reader.sent()
            value = whole_input(arguments, sent)
            field, rest = "input", value[len(sent) :]
            if rest:
                events.append({**self._delta, "delta": rest})
        item = self._whole("", status) | {field: value}
        events.append({"type": f"{self._kind}.done", **self._at, field: value})
        return self._done(item, events)

    def _whole(self, arguments: str, status: str) -> dict[str, Any]:
        return call_item(self._tool, self._call_id, arguments, self._own_id, status)

    def _own_id(self, prefix: str) -> str:
        return f"{prefix}_{self._base_id}_{self.index}"


class InputReader:
    """Reads the text for a custom tool out of the JSON text of a function's arguments."""

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._left = ""
        self._state: Callable[[], str] | None = self._look_for_begin

    def feed(self, arguments: str) -> str:
        """What some more of the arguments adds to the text."""
        if self._state is None:
            return ""
        self._left += arguments
        text = self._state()
        self._sent.append(text)
        return text

    def sent(self) -> str:
        """All that it has read."""
        return "".join(self._sent)

    def _look_for_begin(self) -> str:
        begin = _INPUT.match(self._left)
        if begin is None:
            if len(self._left) > _MOST_BEGIN:
                self._state, self._left = None, ""
            return ""
        self._left = self._left[begin.end() :]
        self._state = self._read
        return self._read()

    def _read(self) -> str:
        whole = _WHOLE.match(self._left)
        assert whole is not None, "it matches nothing, too"
        end = whole.end()
        text = whole[0]
        try:
            if "\\" in text:
                text = _decode(f'"{text}"')
        except ValueError:  # a mistake of the model's
            self._state = None
            return ""
        left = self._left = self._left[end:]
        is_over = left[:1] == '"' or len(left) >= _MOST_ESCAPE  # its end, or no escape at all
        self._state = None if is_over else self._read
        return text


def whole_input(arguments: str, sent: str) -> str:
    """The whole text for a custom tool, which goes on from what was sent of it.

    Args:
        arguments: all of them, which need not be what they should have been.
        sent: what `InputReader` has read of it.
    """
    text = input_text(arguments)
    return sent if sent and (text == arguments or not text.startswith(sent)) else text
