"""Anthropic's turns as the messages of a chat completion.

A turn of the user may be several messages, and holds results of tools among what is said. To
chat completions these are messages of their own, directly behind the calls that they belong to;
what is said comes behind them, and so do images that a tool returned, which its result cannot hold
there. An instruction in the middle stays in the middle. So each turn gives the same messages
whatever follows it, and the prefix that a vendor has in its cache stays the same to the byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tornado_router.endpoints.bridges.messages_to_chat.content import BETWEEN, Blocks, Part
from tornado_router.provider import ProviderError, SafeNames, write_json

Message = dict[str, Any]

_BILLING = "x-anthropic-billing-header:"
"""How a line begins that Claude Code puts before its instructions: it says nothing to a model, and
is another in each request, so that no vendor would ever find the prompt in its cache:
https://github.com/anthropics/claude-code/issues/68900."""

_ERROR = "Error"
_ELSEWHERE = "(in the next message)"
"""The result of a tool that returned nothing but images."""


class Conversation:
    """Translates system instructions and messages, one by one.

    Args:
        blocks: reads their contents.
        names: of tools, as chat completions take them.

    Attributes:
        messages: of the chat completion.
    """

    __slots__ = (
        "_blocks",
        "_mark",
        "_media",
        "_names",
        "_open",
        "_replied",
        "_results",
        "_said",
        "messages",
    )

    def __init__(self, blocks: Blocks, names: SafeNames) -> None:
        self.messages: list[Message] = []
        self._blocks = blocks
        self._names = names
        self._open: dict[str, str] = {}  # calls that no result was read for: id, and their path
        self._results: dict[str, str | list[Part]] = {}  # of this turn, as the next two
        self._media: list[Part] = []
        self._replied: list[str] = []  # texts of the last message, if it is the assistant's
        self._mark: Any = None  # behind those texts
        self._said: list[tuple[str, list[Part]]] = []

    def instruct(self, system: object) -> None:
        """Adds the instructions before all messages."""
        parts = self._blocks.parts(system, "system")
        if parts and parts[0]["text"].startswith(_BILLING):
            self._blocks.tell("system")
            parts[0]["text"] = parts[0]["text"].partition("\n")[2].lstrip()
            parts = parts if parts[0]["text"] else parts[1:]
        if parts:
            self.messages.append({"role": "system", "content": self._blocks.content(parts)})

    def add(self, message: Mapping[str, Any], path: str) -> None:
        """Adds one message.

        Raises:
            ProviderError: it has something that chat completions lack, or that stands where it
                must not.
        """
        content, path = message.get("content"), f"{path}.content"
        if message["role"] == "assistant":
            self._reply(content, path)
        elif message["role"] == "system":
            self._say("system", self._blocks.parts(content, path))
        elif isinstance(content, str):
            self._say("user", self._blocks.parts(content, path))
        else:
            self._hear(content or (), path)

    def end_turn(self) -> None:
        """Writes what the user's turn has come to. Raises as `finish`."""
        if not self._said and not self._results:
            return
        self._end_reply()
        self._check_results()
        for tool_call_id in self._open:
            content = self._results[tool_call_id]
            self.messages.append({"role": "tool", "tool_call_id": tool_call_id, "content": content})
        self._open, self._results = {}, {}
        if self._media:
            self._said.insert(0, ("user", self._media))
            self._media = []
        spoken: list[tuple[str, list[Part]]] = []
        for role, parts in self._said:
            if spoken and spoken[-1][0] == role:
                spoken[-1][1].extend(parts)
            else:
                spoken.append((role, list(parts)))
        self._said = []
        self.messages += [
            {"role": role, "content": self._blocks.content(parts)} for role, parts in spoken
        ]

    def finish(self) -> list[Message]:
        """The messages.

        Raises:
            ProviderError: a tool call has no result, or there is nothing to respond to.
        """
        self.end_turn()
        self._end_reply()
        self._check_results()
        if not self.messages:
            raise _refusal("No message has any content.", "messages")
        return self.messages

    def _say(self, role: str, parts: list[Part]) -> None:
        if parts:
            self._said.append((role, parts))

    def _hear(self, content: Sequence[Mapping[str, Any]], path: str) -> None:
        """A message of the user: the results in it are taken out of what is said."""
        if not any(block["type"] == "tool_result" for block in content):
            self._say("user", self._blocks.parts(content, path))
            return
        for index, block in enumerate(content):
            if block["type"] == "tool_result":
                self._answer(block, f"{path}[{index}]")
            else:
                self._say("user", self._blocks.block(block, f"{path}[{index}]"))

    def _answer(self, block: Mapping[str, Any], path: str) -> None:
        tool_call_id = block["tool_use_id"]
        if tool_call_id not in self._open or tool_call_id in self._results:
            raise _refusal(
                "The turn before it has no tool use of this id, or there is another result of it.",
                f"{path}.tool_use_id",
            )
        mark = self._blocks.mark(block)
        parts = self._blocks.parts(block.get("content"), f"{path}.content")
        text = BETWEEN.join([part["text"] for part in parts if part["type"] == "text"])
        media = [part for part in parts if part["type"] != "text"]
        if media:
            label = f"From the result of the tool call {tool_call_id}:"
            self._media += [{"type": "text", "text": label}, *media]
            text = text or _ELSEWHERE
        if block.get("is_error") and not text.startswith(_ERROR):
            text = f"{_ERROR}: {text}" if text else _ERROR
        for part in parts:
            mark = mark or part.get("cache_control")
        self._results[tool_call_id] = self._blocks.text(text, mark)

    def _reply(self, content: object, path: str) -> None:
        """A message of the assistant: its text in one piece, as citations cut it anywhere."""
        texts: list[str] = []
        uses: list[tuple[Mapping[str, Any], str]] = []
        mark: Any = None
        if isinstance(content, str):
            texts.append(content)
        else:
            for index, block in enumerate(content or ()):  # type: ignore[var-annotated,arg-type]
                kind = block["type"]
                if kind == "text":
                    texts.append(block["text"])
                    mark = self._blocks.mark(block) or mark
                elif kind == "tool_use":
                    uses.append((block, f"{path}[{index}]"))
                else:
                    self._leave_out(block, texts)
        text = "".join(texts).rstrip()
        if not text and not uses:
            return
        self.end_turn()
        last = self.messages[-1] if self.messages else {}
        if last.get("role") != "assistant":
            last = {"role": "assistant", "content": None}
            self.messages.append(last)
        if text:
            self._replied.append(text)
            self._mark = mark or self._mark
        if uses:
            calls = [self._call(block, path) for block, path in uses]
            last.setdefault("tool_calls", []).extend(calls)

    def _end_reply(self) -> None:
        """Writes what the assistant's turn has said, of however many messages."""
        if self._replied:
            text = BETWEEN.join(self._replied)
            self.messages[-1]["content"] = self._blocks.text(text, self._mark)
            self._replied, self._mark = [], None

    def _call(self, block: Mapping[str, Any], path: str) -> dict[str, Any]:
        if block["id"] in self._open:
            raise _refusal("Another tool use of the turn has this id.", f"{path}.id")
        self._open[block["id"]] = path
        if "cache_control" in block:
            self._blocks.tell("cache_control")
        given = block.get("input")
        arguments = write_json(given).decode() if given else "{}"
        name = self._names.safe(block["name"])
        function = {"name": name, "arguments": arguments}
        return {"id": block["id"], "type": "function", "function": function}

    def _leave_out(self, block: Mapping[str, Any], texts: list[str]) -> None:
        """Leaves out what no other vendor can read: thoughts, the use of Anthropic's own tools.

        What was said before it and behind it are two paragraphs.
        """
        kind = block["type"]
        if kind == "compaction" and block.get("content"):
            texts.append(block["content"])
        else:
            self._blocks.tell(f"messages.{kind}")
        if texts and not texts[-1].endswith("\n"):
            texts.append(BETWEEN)

    def _check_results(self) -> None:
        for tool_call_id, path in self._open.items():
            if tool_call_id not in self._results:
                raise _refusal(
                    "This tool use has no 'tool_result' in the user's turn behind it.", path
                )


def _refusal(message: str, param: str) -> ProviderError:
    return ProviderError(400, message, type="invalid_request_error", param=param)
