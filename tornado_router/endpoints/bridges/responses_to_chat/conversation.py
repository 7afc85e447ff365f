"""The conversation: the items of a request as messages.

What a model did in one turn is several items there, and one message here: its reasoning, what it
said, and its calls. The outputs of the calls follow it at once, wherever the client put them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from tornado_router.endpoints.bridges.responses_to_chat.parts import (
    Part,
    content_parts,
    converted,
    plain,
    text_parts,
)
from tornado_router.endpoints.bridges.responses_to_chat.state import unseal
from tornado_router.endpoints.bridges.responses_to_chat.tool_items import (
    CALLS,
    OUTPUTS,
    called,
    output_parts,
)
from tornado_router.endpoints.bridges.responses_to_chat.tools import Tools
from tornado_router.error_codes import Failure, Invalid
from tornado_router.provider import Call, Params

Message = dict[str, Any]

_BETWEEN = "\n\n"
_IN_USE = frozenset(("additional_tools", "configuration_update", "reasoning", "tool_search_output"))
"""Types of items that say something without being said: they are read elsewhere."""

_LOST = frozenset(("compaction", "compaction_trigger", "context_compaction"))
"""Types of items that stand for a part of the conversation, or ask for one."""

_SEE_BELOW = "(The result is in the next message.)"


class _Turn:
    """What a model did until it waited for its tools, or for the user."""

    __slots__ = ("calls", "is_over", "reasoning", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.reasoning: dict[str, list[str]] = {}  # by the fields that the vendor had it in
        self.calls: list[tuple[Mapping[str, Any], Message]] = []
        self.is_over = False


class Conversation:
    """Translates the items one by one.

    Args:
        call: whose they are.
        params: takes note of what a chat completion cannot have.
        tools: the client's.

    Attributes:
        messages: of the chat completion.
        memory: what the provider kept for the tool calls, as the client sent it back.
        updates: the newest values of `reasoning` and `text` in the items.

    Raises:
        ApiError: calls and outputs do not belong together.
    """

    def __init__(self, call: Call, params: Params, tools: Tools) -> None:
        self.messages: list[Message] = []
        self.memory: dict[str, Any] = {}
        self.updates: dict[str, Any] = {}
        self._call = call
        self._params = params
        self._tools = tools
        self._turn: _Turn | None = None
        self._system: list[Part] = []
        self._call_ids: set[str] = set()
        self._repeated: set[str] = set()  # those that several calls have
        self._outputs: dict[Any, deque[tuple[int, Mapping[str, Any]]]] = {}
        instructions, given = params.take("instructions"), params.take("input")
        if instructions:
            self._system.append({"type": "text", "text": instructions})
        if isinstance(given, str):
            self._add_user(given)
        else:
            self._add_items(given or ())
        self._end_turn()
        for call_id in self._repeated:  # or a short request becomes a huge one
            self.memory.pop(call_id, None)
        self._check_outputs()
        self._add_system()
        if not self.messages:
            raise Invalid.invalid_request(
                "There is nothing in 'input' to respond to.", param="input"
            )

    def _add_items(self, items: Any) -> None:
        for index, item in enumerate(items):
            if item.get("type") in OUTPUTS:
                self._outputs.setdefault(_call_id(item), deque()).append((index, item))
        for index, item in enumerate(items):
            kind = item.get("type") or ("message" if "role" in item else "item_reference")
            if kind == "message":
                self._add_message(item, f"input[{index}]")
            elif kind in CALLS:
                self._add_call(item)
            elif kind in OUTPUTS:
                if self._turn:
                    self._turn.is_over = True
            elif kind == "reasoning":
                self._add_reasoning(item)
            else:
                self._add_other(kind, item, f"input[{index}]")

    def _add_message(self, item: Mapping[str, Any], path: str) -> None:
        role, content = item.get("role"), item.get("content")
        if role == "assistant":
            parts = text_parts(content, self._params, f"{path}.content")
            self._model_turn().texts += [part["text"] for part in parts]
        elif role == "user":
            self._add_user(content, f"{path}.content")
        elif role in ("system", "developer"):
            self._instruct(text_parts(content, self._params, f"{path}.content"))
        else:
            self._params.unsupported(f"{path}.role")

    def _add_user(self, content: object, path: str = "input") -> None:
        self._end_turn()
        parts = content_parts(content, self._params, path)
        if parts:
            self._say("user", plain(parts))

    def _instruct(self, parts: list[Part]) -> None:
        """Gathers what comes first, as many vendors take one message of the system alone.

        What comes later stays in its place: hoisted, it would speak too early, and spoil the
        prefix that the vendor has in its cache.
        """
        if not self.messages and not self._turn:
            self._system += parts
        elif parts:
            self._end_turn()
            self._say("system", plain(parts, _BETWEEN))

    def _add_reasoning(self, item: Mapping[str, Any]) -> None:
        """Takes back what was given to the client; what another model thought is no one's here."""
        state = unseal(item.get("encrypted_content"))
        if state is None or state.model != self._call.model:
            return
        self.memory |= state.kept
        texts = [part["text"] for part in item.get("summary") or () if part.get("text")]
        if texts and state.field:
            self._model_turn().reasoning.setdefault(state.field, []).extend(texts)

    def _add_call(self, item: Mapping[str, Any]) -> None:
        call_id = item.get("call_id")
        if not isinstance(call_id, str):
            return  # a search that the vendor made: the tools that it found are here all the same
        (self._repeated if call_id in self._call_ids else self._call_ids).add(call_id)
        tool, arguments = called(item)
        function = {"name": self._tools.name(tool), "arguments": arguments}
        tool_call = {"id": call_id, "type": "function", "function": function}
        self._model_turn().calls.append((item, tool_call))

    def _add_other(self, kind: str, item: Mapping[str, Any], path: str) -> None:
        if kind == "item_reference":
            raise Failure.not_bridged(
                model=self._call.model, param=path, reason="the item is not kept here"
            )
        if kind == "configuration_update":
            for name in ("reasoning", "text"):
                if item.get(name):
                    self.updates[name] = {**self.updates.get(name, {}), **item[name]}
        elif kind == "agent_message":
            self._add_agent(item, path)
        elif kind in _LOST:
            self._params.unsupported(path)
        elif kind not in _IN_USE:
            self._call.dropped.append(path)

    def _add_agent(self, item: Mapping[str, Any], path: str) -> None:
        """What another agent says, as far as it can be read: the item is Codex's own."""
        content = item.get("content")
        parts = content if isinstance(content, list) else ()
        texts = [
            part["text"]
            for part in parts
            if isinstance(part, Mapping) and isinstance(part.get("text"), str)
        ]
        if not parts or len(texts) < len(parts):
            self._call.dropped.append(path)
        if texts:
            self._end_turn()
            self._say("user", _BETWEEN.join(texts))

    def _model_turn(self) -> _Turn:
        if self._turn is None or self._turn.is_over:
            self._end_turn()
            self._turn = _Turn()
        return self._turn

    def _end_turn(self) -> None:
        """Writes down what the model did, and the outputs of its calls."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        text = "".join(turn.texts)
        if not turn.calls:
            if text:
                self._say("assistant", text)
            return
        message: Message = {"role": "assistant", "content": text or None}
        message |= {field: _BETWEEN.join(texts) for field, texts in turn.reasoning.items()}
        message["tool_calls"] = [tool_call for _, tool_call in turn.calls]
        self._say_all(message)
        media: list[Part] = []
        for item, tool_call in turn.calls:
            media += self._add_output(item, tool_call["id"])
        if media:
            self._say("user", media)

    def _add_output(self, item: Mapping[str, Any], call_id: str) -> list[Part]:
        """The message of a call's output; returns the parts that may only be a user's."""
        waiting = self._outputs.get(call_id)
        if not waiting:
            kind = item["type"].replace("_", " ")
            raise Invalid.invalid_request(
                f"No tool output found for {kind} {call_id}.", param="input"
            )
        index, output = waiting.popleft()
        text, others = output_parts(output)
        media = converted(others, self._params, f"input[{index}].output")
        content = text or (_SEE_BELOW if media else "")
        self._say_all({"role": "tool", "tool_call_id": call_id, "content": content})
        return media

    def _check_outputs(self) -> None:
        for call_id, waiting in self._outputs.items():
            for _, item in waiting:
                if item["type"] == "tool_search_output" and call_id is None:
                    continue  # of a search that the vendor made
                kind = item["type"].replace("_", " ")
                raise Invalid.invalid_request(
                    f"No tool call found for {kind} with call_id {call_id}.", param="input"
                )

    def _say(self, role: str, content: str | list[Part]) -> None:
        self._say_all({"role": role, "content": content})

    def _say_all(self, message: Message) -> None:
        self._add_system()
        self.messages.append(message)

    def _add_system(self) -> None:
        """The instructions before all else, once it is known that they are all there."""
        if self._system:
            parts, self._system = self._system, []
            self.messages.append({"role": "system", "content": plain(parts, _BETWEEN)})


def _call_id(item: Mapping[str, Any]) -> Any:
    """Of an output: the one of a local shell has the call's id as its own."""
    call_id = item.get("call_id")
    return item.get("id") if call_id is None and item["type"].startswith("local_shell") else call_id
