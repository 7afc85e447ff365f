"""What the echo says to a request. Pure, and always the same for the same request.

It says the last message back. With `call NAME` in it, and a tool of that name, it calls the tool;
`tool_choice` works as with any model; the result of a tool is said back. Asked for JSON, it makes
the smallest value that fits the schema. A word is a token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tornado_router.provider import output_bounds

# The look-behind keeps the search linear in text that is nothing but spaces.
_WORD = re.compile(r"(?<!\s)\s*\S+(?:\s+\Z)?")
MAX_EXAMPLE = 100_000
"""Characters and values of an example, more or less."""

_CALL = re.compile(r"\bcall ([A-Za-z0-9_.-]+)")


@dataclass(frozen=True)
class Response:
    """A response, before it is put into a body or into chunks.

    Attributes:
        words: of the text; joined, they are the text.
        tool_calls: OpenAI's objects.
        finish_reason: `stop`, `length` or `tool_calls`.
        prompt_tokens: words of the request.
        with_logprobs: whether the client asked for them.
    """

    words: Sequence[str]
    tool_calls: Sequence[Mapping[str, Any]]
    finish_reason: str
    prompt_tokens: int
    with_logprobs: bool

    def message(self) -> dict[str, Any]:
        """The assistant's message of a whole response."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if self.tool_calls else "".join(self.words),
            "refusal": None,
        }
        if self.tool_calls:
            message["tool_calls"] = list(self.tool_calls)
        return message

    def deltas(self) -> Iterator[dict[str, Any]]:
        """The same message in pieces: who speaks, then words, or tool calls with arguments."""
        yield {"role": "assistant", "content": None if self.tool_calls else "", "refusal": None}
        for word in () if self.tool_calls else self.words:
            yield {"content": word}
        for index, call in enumerate(self.tool_calls):
            function = call["function"]
            begun = {**call, "function": {"name": function["name"], "arguments": ""}}
            yield {"tool_calls": [{"index": index, **begun}]}
            for piece in _words(function["arguments"]):
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

    def logprobs(self, words: Sequence[str]) -> dict[str, Any] | None:
        """OpenAI's `logprobs` of some words, each of which was certain."""
        if not self.with_logprobs:
            return None
        tokens = [
            {"token": word, "logprob": 0.0, "bytes": list(word.encode()), "top_logprobs": []}
            for word in words
        ]
        return {"content": tokens, "refusal": None}

    def usage(self, count: int) -> dict[str, Any]:
        """OpenAI's `usage` of so many choices."""
        arguments = (call["function"]["arguments"] for call in self.tool_calls)
        words = sum(len(_words(text)) for text in arguments) if self.tool_calls else len(self.words)
        completion = words * count
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }


def compose(body: Mapping[str, Any]) -> Response:
    """The response to a valid `chat.completions` request."""
    messages = body["messages"]
    prompt_tokens = sum(len(_words(_text(message))) for message in messages)
    tool_calls = _tool_calls(body)
    words = [] if tool_calls else _words(_cut_at_stop(_content(body), body.get("stop")))
    limit = min(output_bounds(body), default=0)
    finish_reason = "tool_calls" if tool_calls else "stop"
    if limit and len(words) > limit:
        words, finish_reason = words[:limit], "length"
    return Response(words, tool_calls, finish_reason, prompt_tokens, bool(body.get("logprobs")))


def example(schema: object, text: str = "") -> Any:
    """The smallest value that fits a JSON Schema; strings in it are `text`.

    The client wrote the schema, so it may not be a schema at all, or one whose smallest value is
    larger than any memory: then what comes back does not fit it.
    """
    return _Example(text).value(schema)


class _Example:
    def __init__(self, text: str) -> None:
        self._text = text
        self._room = MAX_EXAMPLE

    def value(self, schema: object) -> Any:
        self._room -= 1
        if self._room < 0 or not isinstance(schema, Mapping):
            return None
        if _list(schema, "enum"):
            return schema["enum"][0]
        if "const" in schema:
            return schema["const"]
        for union in ("anyOf", "oneOf"):
            if _list(schema, union):
                return self.value(schema[union][0])
        return self._typed(schema)

    def _typed(self, schema: Mapping[str, Any]) -> Any:
        kinds = _list(schema, "type") or [schema.get("type")]
        match kinds[0]:
            case "string":
                self._room -= len(self._text)
                return self._text
            case "integer" | "number":
                return schema.get("minimum", 0)
            case "boolean":
                return False
            case "array":
                count, values = schema.get("minItems"), list[Any]()
                while isinstance(count, int) and len(values) < count and self._room > 0:
                    values.append(self.value(schema.get("items")))
                return values
            case "null":
                return None
            case _:
                properties = schema.get("properties")
                properties = properties if isinstance(properties, Mapping) else {}
                names = {str(name): None for name in _list(schema, "required")}
                return {name: self.value(properties.get(name, {})) for name in names}


def _list(schema: Mapping[str, Any], keyword: str) -> list[Any]:
    value = schema.get(keyword)
    return value if isinstance(value, list) else []


def _tool_calls(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    tools = {
        tool["function"]["name"]: tool["function"]
        for tool in body.get("tools") or ()
        if tool.get("type") == "function"
    }
    names = _called(body, list(tools))
    if body.get("parallel_tool_calls") is False:
        names = names[:1]
    text = _text(body["messages"][-1])
    return [
        {
            "id": f"call_{index}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": json.dumps(example(tools[name].get("parameters") or {}, text)),
            },
        }
        for index, name in enumerate(names)
    ]


def _called(body: Mapping[str, Any], names: list[str]) -> list[str]:
    """Which tools the request wants called now."""
    choice, last = body.get("tool_choice"), body["messages"][-1]
    if isinstance(choice, Mapping):
        wanted = (choice.get("function") or {}).get("name")
        return [wanted] if wanted in names else []
    if not names or choice == "none":
        return []
    asked = [] if last["role"] == "tool" else _CALL.findall(_text(last))
    called = [name for name in asked if name in names]
    return called or (names[:1] if choice == "required" else [])


def _content(body: Mapping[str, Any]) -> str:
    text = _text(body["messages"][-1])
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return json.dumps(example(wanted["json_schema"].get("schema"), text), ensure_ascii=False)
    if wanted.get("type") == "json_object":
        return json.dumps({"echo": text}, ensure_ascii=False)
    return text


def _text(message: Mapping[str, Any]) -> str:
    """The text of a message; of a part that is none, its type in brackets."""
    content = message.get("content")
    if isinstance(content, list):
        parts = (part.get("text") or f"[{part.get('type')}]" for part in content)
        return " ".join(parts)
    return content or ""


def _cut_at_stop(text: str, stop: str | Sequence[str] | None) -> str:
    for sequence in [stop] if isinstance(stop, str) else stop or ():
        text = text.partition(sequence)[0] if sequence else text
    return text


def _words(text: str) -> list[str]:
    return _WORD.findall(text)
