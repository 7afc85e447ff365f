"""The conversation: OpenAI's messages as Google's turns of `user` and `model`.

https://ai.google.dev/api/caching#Content. Leading system and developer messages become the
`systemInstruction`. One that comes later stays where it is, as a part of the user's turn between
`<system>` tags: hoisted, it would speak too early, and spoil the cached prefix.

The results of a turn's function calls follow it at once, all in one turn, as many as there are
calls and in their order; a message that a client put among them comes behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tornado_router.provider import ApiError, Call, Params, load_arguments
from tornado_router_google.models import Traits
from tornado_router_google.parts import Part, PartReader
from tornado_router_google.signatures import PLACEHOLDER, signature_of
from tornado_router_google.wire import cannot

Content = dict[str, Any]
_SYSTEM = ("system", "developer")
_Key = tuple[str, str]


def conversation(call: Call, params: Params, traits: Traits) -> tuple[list[Part], list[Content]]:
    """The parts of the system instruction, and the turns.

    Raises:
        ApiError: the messages cannot be said to Google; names `param`.
    """
    messages = params.take("messages")
    reader = PartReader(call, params, traits)
    leading = 0
    system: list[Part] = []
    for message in messages:
        if message["role"] not in _SYSTEM:
            break
        system += reader.read_text(message["content"], f"messages[{leading}].content")
        leading += 1
    turns = _Turns(call, params, traits, reader)
    for index in range(leading, len(messages)):
        turns.add(index, messages[index])
    contents = turns.finish(len(messages) - 1)
    if not contents and system:
        return [], [{"role": "user", "parts": system}]  # Google wants a turn at least
    if not contents:
        raise cannot("The model needs a message with some content.", "messages")
    return system, contents


class _Turns:
    """Builds the turns, one message after the other."""

    def __init__(self, call: Call, params: Params, traits: Traits, reader: PartReader) -> None:
        self._call = call
        self._params = params
        self._traits = traits
        self._reader = reader
        self._contents: list[Content] = []
        self._role = ""  # of the last turn, if more may be added to it
        self._calls: dict[_Key, Part] = {}  # open calls, with the frame of the result
        self._results: dict[_Key, Part] = {}
        self._held: list[tuple[int, Mapping[str, Any]]] = []

    def add(self, index: int, message: Mapping[str, Any]) -> None:
        role = message["role"]
        if role == "tool":
            self._add_result(("tool", message["tool_call_id"]), index, message)
        elif role == "function":
            self._add_result(("function", message["name"]), index, message)
        elif self._calls and role == "assistant":
            raise self._unanswered(index)
        elif self._calls:
            self._held.append((index, message))
        else:
            self._add_message(index, message)

    def finish(self, last: int) -> list[Content]:
        """The turns; `last` is the index of the last message."""
        if self._calls:
            raise self._unanswered(last)
        if self._role == "model" and not self._traits.continues:
            self._params.unsupported(f"messages[{last}]")
            self._contents.pop()
        return self._contents

    def _add_message(self, index: int, message: Mapping[str, Any]) -> None:
        role, path = message["role"], f"messages[{index}]"
        if message.get("name"):
            self._call.dropped.append(f"{path}.name")
        if role in _SYSTEM:
            parts = self._reader.read_text(message["content"], f"{path}.content")
            self._say("user", [{"text": f"<system>\n{part['text']}\n</system>"} for part in parts])
        elif role == "assistant":
            self._add_answer(message, path)
        else:
            self._say("user", self._reader.read(message["content"], f"{path}.content"))

    def _add_answer(self, message: Mapping[str, Any], path: str) -> None:
        parts = self._reader.read(message.get("content"), f"{path}.content")
        if not parts and message.get("refusal"):
            parts = [{"text": message["refusal"]}]
        if message.get("audio") and not parts:
            self._params.unsupported(f"{path}.audio")  # it names a sound in OpenAI's store
        calls = self._read_calls(message, path)
        self._say("model", parts + calls)
        if calls:
            self._role = ""

    def _read_calls(self, message: Mapping[str, Any], path: str) -> list[Part]:
        parts: list[Part] = []
        for index, tool_call in enumerate(message.get("tool_calls") or ()):
            where = f"{path}.tool_calls[{index}]"
            if tool_call["type"] != "function":
                raise cannot("The model knows no tool calls but those of functions.", where)
            key = ("tool", tool_call["id"])
            if key in self._calls:
                raise ApiError(400, "Two tool calls have the same id.", param=f"{where}.id")
            signature = signature_of(tool_call, self._call.memory)
            part = self._read_call(key, tool_call["function"], signature, f"{where}.function")
            parts.append(part)
        legacy = message.get("function_call")
        if legacy and not parts:
            key = ("function", legacy["name"])
            parts.append(self._read_call(key, legacy, None, f"{path}.function_call"))
        if parts and self._traits.wants_signatures and "thoughtSignature" not in parts[0]:
            parts[0]["thoughtSignature"] = PLACEHOLDER  # of parallel calls, only the first has one
        return parts

    def _read_call(
        self, key: _Key, function: Mapping[str, Any], signature: str | None, path: str
    ) -> Part:
        call = {"name": function["name"]}
        if key[0] == "tool":
            call["id"] = key[1]  # from Gemini 3.5 on, call and result must agree in it
        self._calls[key] = call
        part: Part = {"functionCall": {**call, "args": self._arguments(function, path)}}
        if signature:
            part["thoughtSignature"] = signature
        return part

    def _arguments(self, function: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Arguments are text to OpenAI and an object to Google."""
        text = function["arguments"]
        arguments = load_arguments(text)
        if arguments is None:
            # Models do write such; to refuse it would end the conversation for good.
            self._call.dropped.append(f"{path}.arguments")
            return {"arguments": text}
        return arguments

    def _add_result(self, key: _Key, index: int, message: Mapping[str, Any]) -> None:
        if key not in self._calls or key in self._results:
            raise ApiError(
                400,
                "A tool's result must follow a message of the assistant that calls it, once.",
                param=f"messages[{index}].{'tool_call_id' if key[0] == 'tool' else 'name'}",
            )
        parts = self._reader.read_text(message.get("content"), f"messages[{index}].content")
        # As text, never as the JSON it may hold: Google reads a `$ref` in that as its own
        # (https://github.com/vercel/ai/issues/14369).
        output = "".join(part["text"] for part in parts)
        response = {**self._calls[key], "response": {"output": output}}
        self._results[key] = {"functionResponse": response}
        if len(self._results) == len(self._calls):
            self._close()

    def _close(self) -> None:
        """All results are here: they make one turn, and what waited for it comes behind."""
        parts = [self._results[key] for key in self._calls]
        self._contents.append({"role": "user", "parts": parts})
        held, self._held = self._held, []
        self._calls, self._results = {}, {}
        for index, message in held:
            self._add_message(index, message)

    def _unanswered(self, index: int) -> ApiError:
        return ApiError(
            400,
            "An assistant message with tool calls must be followed by a tool message for each.",
            param=f"messages[{index}]",
        )

    def _say(self, role: str, parts: Sequence[Part]) -> None:
        """Adds to the turn of a role, or begins one; nothing makes no turn."""
        if not parts:
            return
        if role == self._role:
            self._contents[-1]["parts"].extend(parts)
        else:
            self._contents.append({"role": role, "parts": list(parts)})
            self._role = role
