"""OpenAI's messages as Anthropic's turns.

Turns alternate here. What belongs to one turn is gathered into it: all results of the tool calls
before it come first, in any order, then what the user says. An instruction in the middle
stays in the middle, so that the prefix before it is still found in the vendor's cache: as a
system message where the model takes one, which must stand behind a user's turn, else in the
user's turn, marked as an instruction. From
https://platform.claude.com/docs/en/build-with-claude/working-with-messages and
https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.provider import Call, Params, ProviderError, load_arguments
from tornado_router_anthropic.content import (
    Block,
    add_cache_control,
    content_blocks,
    plain,
    text_blocks,
)
from tornado_router_anthropic.models import Model
from tornado_router_anthropic.thinking import lay_out, recall_layout
from tornado_router_anthropic.tool_schemas import rename_keys, renamed_keys
from tornado_router_anthropic.tools import safe_id


class Conversation:
    """Translates messages one by one.

    Args:
        call: whose they are.
        params: takes note of what the vendor cannot do.
        model: which is to read them.
        with_thoughts: whether to put remembered thoughts back.

    Attributes:
        system: blocks of the instructions before the first turn.
        messages: the turns.
        tool_names: of every tool that was called, in order.
        has_thoughts: whether thoughts were put back.
    """

    def __init__(self, call: Call, params: Params, model: Model, with_thoughts: bool) -> None:
        self.system: list[Block] = []
        self.messages: list[dict[str, Any]] = []
        self.tool_names: dict[str, None] = {}
        self.has_thoughts = False
        self._call = call
        self._params = params
        self._model = model
        self._with_thoughts = with_thoughts
        self._results: list[Block] = []  # of the turn that is being gathered, as the next two
        self._said: list[Block] = []
        self._instructions: list[Block] = []
        self._open_calls: dict[str, list[str]] = {}  # without a result: by the client's id
        self._open_path = ""  # of the message that made them
        self._used_ids: dict[str, int] = {}
        self._keys = renamed_keys(call.body)
        self._functions: list[tuple[str, str]] = []  # calls without ids: name, and the id it got
        for index, message in enumerate(params.take("messages")):
            self._add(message, f"messages[{index}]")
        self._end()

    def _add(self, message: Mapping[str, Any], path: str) -> None:
        role = message["role"]
        if message.get("name") and role in ("user", "assistant", "system", "developer"):
            _note(self._call, "messages.name")
        match role:
            case "system" | "developer":
                self._instruct(self._content(message, path))
            case "user":
                self._said += self._content(message, path)
            case "tool":
                self._answer(message["tool_call_id"], message, path)
            case "function":
                self._answer(self._function_id(message["name"], path), message, path)
            case "assistant":
                self._reply(message, path)

    def _content(self, message: Mapping[str, Any], path: str) -> list[Block]:
        blocks = content_blocks(message.get("content"), self._params, f"{path}.content")
        if blocks:
            add_cache_control(blocks[-1], message)
        return blocks

    def _instruct(self, blocks: list[Block]) -> None:
        if not (self.messages or self._said or self._results):
            self.system += blocks
        elif self._model.system_messages:
            self._instructions += blocks
        else:
            self._said += _marked(blocks)

    def _answer(self, tool_call_id: str, message: Mapping[str, Any], path: str) -> None:
        waiting = self._open_calls.get(tool_call_id)
        if not waiting:
            raise _refusal(
                f"'{path}' is the result of no tool call in the turn before it.",
                f"{path}.tool_call_id" if message["role"] == "tool" else f"{path}.name",
            )
        result: Block = {"type": "tool_result", "tool_use_id": waiting.pop(0)}
        if not waiting:
            del self._open_calls[tool_call_id]
        blocks = content_blocks(message.get("content"), self._params, f"{path}.content")
        if blocks:
            result["content"] = plain(blocks)
        add_cache_control(result, message)
        self._results.append(result)

    def _reply(self, message: Mapping[str, Any], path: str) -> None:
        calls = self._tool_uses(message, path)
        texts = self._content(message, path)
        if message.get("refusal"):
            texts += text_blocks(message["refusal"])
        if message.get("audio"):
            self._params.unsupported(f"{path}.audio")
        if not texts and not calls:
            return
        ids = [identifier for identifier, _ in calls]
        layout = recall_layout(self._call, ids) if self._with_thoughts else None
        if layout:
            self.has_thoughts = True
            blocks = lay_out(layout, _whole_text(message, texts), texts, calls)
        else:
            blocks = [*texts, *(block for _, block in calls)]
        self._end_user_turn()
        for identifier, block in calls:
            self._open_calls.setdefault(identifier, []).append(block["id"])
            self._open_path = path
        if self.messages and self.messages[-1]["role"] == "assistant":
            self.messages[-1]["content"] += blocks
        else:
            self.messages.append({"role": "assistant", "content": blocks})

    def _tool_uses(self, message: Mapping[str, Any], path: str) -> list[tuple[str, Block]]:
        """The tool calls of a message, each with the id that the client knows it by."""
        blocks: list[tuple[str, Block]] = []
        for index, call in enumerate(message.get("tool_calls") or ()):
            where = f"{path}.tool_calls[{index}]"
            if call["type"] == "custom":
                # A tool of another vendor's, called earlier: its input is text, not an object.
                name, arguments = call["custom"]["name"], {"input": call["custom"]["input"]}
            elif call["type"] != "function":  # nothing else is known of it, be it an id
                self._params.unsupported(where)
                continue
            else:
                name = call["function"]["name"]
                arguments = self._arguments(call["function"], f"{where}.function")
            block = self._tool_use(call["id"], name, arguments)
            add_cache_control(block, call)
            blocks.append((call["id"], block))
        function = message.get("function_call")
        if function:
            tool_call_id = f"function_{len(self.messages)}"
            self._functions.append((function["name"], tool_call_id))
            arguments = self._arguments(function, f"{path}.function_call")
            block = self._tool_use(tool_call_id, function["name"], arguments)
            blocks.append((tool_call_id, block))
        return blocks

    def _tool_use(self, tool_call_id: str, name: str, arguments: dict[str, Any]) -> Block:
        self.tool_names[name] = None
        return {
            "type": "tool_use",
            "id": self._unique(safe_id(tool_call_id)),
            "name": name,
            "input": arguments,
        }

    def _unique(self, identifier: str) -> str:
        """An id that no call before has: some vendors number theirs anew in each response."""
        count = self._used_ids.get(identifier, 0)
        self._used_ids[identifier] = count + 1
        return self._unique(f"{identifier}_{count}") if count else identifier

    def _arguments(self, function: Mapping[str, Any], path: str) -> dict[str, Any]:
        """A tool call's arguments, which the vendor takes as an object only."""
        text: str = function["arguments"]
        arguments = load_arguments(text)
        if arguments is not None:
            keys = self._keys.get(function["name"])
            renamed: dict[str, Any] = rename_keys(arguments, keys.safe) if keys else arguments
            return renamed
        # Models do write such; to refuse it would end the conversation for good.
        self._call.dropped.append(f"{path}.arguments")
        return {"arguments": text}

    def _function_id(self, name: str, path: str) -> str:
        for index, (called, tool_call_id) in enumerate(self._functions):
            if called == name:
                del self._functions[index]
                return tool_call_id
        raise _refusal(f"'{path}' is the result of no function call before it.", f"{path}.name")

    def _end_user_turn(self) -> None:
        blocks = self._results + self._said
        if not blocks and self._instructions:
            # No message follows the assistant's, so there is no place for a system message.
            blocks, self._instructions = _marked(self._instructions), []
        if self._open_calls and blocks:
            raise self._unanswered()
        if blocks:
            self.messages.append({"role": "user", "content": plain(blocks)})
        if self._instructions:
            self.messages.append({"role": "system", "content": plain(self._instructions)})
        self._results, self._said, self._instructions = [], [], []

    def _end(self) -> None:
        self._end_user_turn()
        if not self.messages:
            if not self.system:
                raise _refusal("No message has any content.", "messages")
            # The vendor wants a user's turn, so what the only messages say becomes one.
            self.messages.append({"role": "user", "content": plain(self.system)})
            self.system = []
        last = len(self._call.body["messages"]) - 1
        if self._open_calls:
            raise self._unanswered()
        if self.messages[-1]["role"] == "assistant":
            self._prefill(f"messages[{last}]")

    def _unanswered(self) -> ProviderError:
        path = self._open_path
        return _refusal(
            f"A tool call of '{path}' has no result in the messages behind it.",
            f"{path}.tool_calls",
        )

    def _prefill(self, path: str) -> None:
        """Lets the response begin as the last message says, where the model can."""
        if not self._model.prefill:
            self._params.unsupported(path)
            self.messages.pop()
            if not self.messages:
                raise _refusal("No message is left for the provider to answer.", path)
            return
        block = self.messages[-1]["content"][-1]
        if block["type"] == "text":  # the API refuses blanks at its end
            block["text"] = block["text"].rstrip()


def _marked(blocks: list[Block]) -> list[Block]:
    """Instructions among what the user says, for a model that takes them nowhere else."""
    return [{**block, "text": f"<system>\n{block['text']}\n</system>"} for block in blocks]


def _whole_text(message: Mapping[str, Any], texts: list[Block]) -> str | None:
    """A message's text as it was generated, or None if it has become more than that."""
    content = message.get("content")
    if isinstance(content, str) and not message.get("cache_control"):
        return content
    return None if texts else ""


def _note(call: Call, name: str) -> None:
    if name not in call.dropped:
        call.dropped.append(name)


def _refusal(message: str, param: str) -> ProviderError:
    return ProviderError(400, message, type="invalid_request_error", param=param)
