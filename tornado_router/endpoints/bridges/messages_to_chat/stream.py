"""Chunks of a chat completion as the events of a message.

A message's blocks come one after the other, each begun and ended; in chunks, text, thoughts and
tool calls may come in any order, and parallel calls in pieces between each other. So blocks stand
in a queue: the first is on its way to the client, and what comes for another waits until the first
is whole. https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from tornado_router.endpoints.bridges.messages_to_chat.response import (
    Reader,
    arguments_of,
    arguments_text,
    texts_of,
    thoughts_of,
    usage_of,
)
from tornado_router.error_codes import Failure
from tornado_router.provider import (
    ROUTER_SIGNATURE,
    Body,
    Call,
    Relayed,
    load_arguments,
    write_json,
)

Event = dict[str, Any]

_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}


class _Block:
    """A block of a message, begun or waiting.

    Attributes:
        kind: `text`, `thinking` or `tool_use`.
        pieces: of its text, or of its arguments; those of a text are gone once they are sent.
        sent: how many pieces of the arguments are sent.
        seen: how many pieces of the arguments there were when they were not whole yet.
        first: the first character of the arguments that is not blank.
        begun: whether the client knows of it.
    """

    __slots__ = ("begun", "first", "id", "kind", "name", "pieces", "seen", "sent")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.pieces: list[str] = []
        self.sent = 0
        self.seen = 0
        self.first = ""
        self.begun = False
        self.id: object = None
        self.name: object = None

    def is_whole(self) -> bool:
        """Whether nothing is to come: of arguments, if they are a JSON object."""
        if self.kind != "tool_use":
            return True
        if len(self.pieces) == self.seen or not self.name:
            return False
        self.seen = len(self.pieces)
        if self.pieces[-1].rstrip()[-1:] not in ("}", ""):
            return False  # without putting together what is long
        text = "".join(self.pieces)
        return text.rstrip().endswith("}") and load_arguments(text) is not None


class MessageStream:
    """Makes the events of one message (`BridgedStream`).

    Args:
        call: as the client sent it.

    Attributes:
        complete: whether the choice has ended: what is still to come is usage.
    """

    def __init__(self, call: Call) -> None:
        self.complete = False
        self._reader = Reader(call)
        self._is_begun = False
        self._is_ended = False
        self._index = 0  # of the first block in the queue
        self._blocks: deque[_Block] = deque()
        self._calls: dict[object, _Block] = {}
        self._count = 0  # of tool calls
        self._refused = False
        self._end: dict[str, Any] = {}  # the choice that had a finish reason
        self._usage: dict[str, Any] | None = None

    def feed(self, chunk: Body) -> Iterable[Body]:
        """The events that a chunk amounts to.

        Raises:
            ProviderError: it is not a chunk of a chat completion.
        """
        body: Any = chunk.body if isinstance(chunk, Relayed) else chunk
        events: list[Event] = []
        if self._is_ended:
            return events
        try:
            if not self._is_begun:
                self._begin(body, events)
            choices = body.get("choices")
            if choices:
                for choice in choices:
                    if not choice.get("index"):  # a message is one choice
                        self._read(choice, events)
            usage = body.get("usage")
            if usage:
                self._usage = usage_of(usage) or self._usage
                if self.complete and not choices:
                    self._finish(events)
        except (AttributeError, KeyError, IndexError, TypeError):
            raise Failure.unreadable_response() from None
        return events

    def finish(self) -> Iterable[Body]:
        """The end of the message, unless it came with the usage."""
        events: list[Event] = []
        if not self._is_begun:
            self._begin({}, events)
        self._finish(events)
        return events

    def _begin(self, body: Mapping[str, Any], events: list[Event]) -> None:
        """The message's start. Its usage is left to the encoder: vendors report it at the end."""
        self._is_begun = True
        events.append({"type": "message_start", "message": self._reader.head(body)})

    def _read(self, choice: Mapping[str, Any], events: list[Event]) -> None:
        delta = choice.get("delta")
        if delta:
            content = delta.get("content")
            thoughts = thoughts_of(delta)
            if thoughts:
                self._say("thinking", thoughts, events)
            if content:
                if isinstance(content, str):
                    self._say("text", content, events)
                else:
                    for kind, text in texts_of(content):
                        self._say(kind, text, events)
            refusal = delta.get("refusal")
            if refusal:
                self._refused = True
                self._say("text", refusal, events)
            calls = delta.get("tool_calls")
            if calls:
                for call in calls:
                    self._call_tool(call, events)
        if choice.get("finish_reason"):
            self.complete = True
            self._end = dict(choice)

    def _say(self, kind: str, text: str, events: list[Event]) -> None:
        """Adds to a text, or to thoughts."""
        if kind == "thinking" and not self._reader.shows_thoughts:
            return
        blocks = self._blocks
        if blocks and blocks[-1].kind == kind:
            if len(blocks) == 1:
                events.append(self._delta(kind, text))
            else:
                blocks[-1].pieces.append(text)
            return
        block = _Block(kind)
        block.pieces.append(text)
        self._add(block, events)

    def _call_tool(self, call: Mapping[str, Any], events: list[Event]) -> None:
        """Adds to a tool call, or begins one; its name may come late, its id never."""
        function = call.get("function") or {}
        index, given, name = call.get("index"), call.get("id"), function.get("name")
        block = self._calls.get(index)
        # Some vendors number each call 0: another id is another call.
        if block is None or (given and name and block.id and given != block.id):
            block = self._calls[index] = _Block("tool_use")
            block.id = given
            block.name = name
            self._add(block, events)
        else:
            block.id = block.id or given
            block.name = block.name or name
        piece = arguments_text(function.get("arguments"))
        if piece:
            block.pieces.append(piece)
            block.first = block.first or piece.lstrip()[:1]
        if block is self._blocks[0]:
            self._send(block, events)
        elif piece:
            self._advance(events)

    def _add(self, block: _Block, events: list[Event]) -> None:
        self._blocks.append(block)
        if len(self._blocks) == 1:
            self._send(block, events)
        else:
            self._advance(events)

    def _advance(self, events: list[Event]) -> None:
        """Ends the first block where it is whole and another waits, and begins that."""
        while len(self._blocks) > 1 and self._blocks[0].is_whole():
            self._close(events)
            self._send(self._blocks[0], events)

    def _send(self, block: _Block, events: list[Event]) -> None:
        """Sends what is there of the first block."""
        if not block.begun:
            if block.kind == "tool_use" and not block.name:
                return
            block.begun = True
            events.append(self._start(block))
        if block.kind != "tool_use":
            if block.pieces:
                events.append(self._delta(block.kind, "".join(block.pieces)))
                block.pieces.clear()
        elif len(block.pieces) > block.sent and _is_object(block):
            events.append(self._delta("tool_use", "".join(block.pieces[block.sent :])))
            block.sent = len(block.pieces)

    def _start(self, block: _Block) -> Event:
        made: dict[str, Any] = {"type": block.kind}
        if block.kind == "tool_use":
            made["id"] = self._reader.tool_id(block.id, self._count)
            made["name"] = self._reader.tool_name(str(block.name))
            made["input"] = {}
            self._count += 1
        elif block.kind == "text":
            made["text"] = ""
        else:
            made |= {"thinking": "", "signature": ""}
        return {"type": "content_block_start", "index": self._index, "content_block": made}

    def _delta(self, kind: str, text: str) -> Event:
        name, field = _DELTAS[kind]
        delta = {"type": name, field: text}
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _close(self, events: list[Event]) -> None:
        """Ends the first block: thoughts with a signature, arguments with what was held back."""
        block = self._blocks.popleft()
        if not block.begun:
            return  # a call without a name is none
        if block.kind == "tool_use" and not block.sent:
            arguments = arguments_of("".join(block.pieces))
            events.append(self._delta("tool_use", write_json(arguments).decode()))
        elif block.kind == "thinking":
            delta = {"type": "signature_delta", "signature": ROUTER_SIGNATURE}
            events.append({"type": "content_block_delta", "index": self._index, "delta": delta})
        events.append({"type": "content_block_stop", "index": self._index})
        self._index += 1

    def _finish(self, events: list[Event]) -> None:
        if self._is_ended:
            return
        self._is_ended = self.complete = True
        while self._blocks:
            self._send(self._blocks[0], events)
            self._close(events)
        stop = self._reader.stop(self._end, calls=self._count > 0, refused=self._refused)
        last: Event = {"type": "message_delta", "delta": stop}
        if self._usage is not None:
            last["usage"] = self._usage
        events += [last, {"type": "message_stop"}]


def _is_object(block: _Block) -> bool:
    """Whether arguments begin as an object does; what is something else is held back."""
    return block.first == "{"
