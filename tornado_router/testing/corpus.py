"""Requests that OpenAI's clients send, by what a provider has to be able to do to serve them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CAPABILITIES = (
    "stream",
    "tools",
    "parallel_tools",
    "images",
    "audio",
    "files",
    "json_object",
    "json_schema",
    "logprobs",
    "n",
    "reasoning",
)
"""The words for `chat.completions`, as `Provider.capabilities` has them."""

# A white pixel; enough for every vendor that looks into it.
PNG = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQ"
    "DwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
PDF = "data:application/pdf;base64,JVBERi0xLjQKJSVFT0YK"
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="

USER = {"role": "user", "content": "What is the weather in Paris?"}

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
TIME = {
    "type": "function",
    "function": {
        "name": "get_time",
        "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "number"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Sample:
    """One request.

    Attributes:
        label: what is special about it.
        body: the client's JSON object.
        needs: what a provider has to declare to serve it; empty for what every provider serves.
    """

    label: str
    body: Mapping[str, Any]
    needs: frozenset[str] = frozenset()


def chat(*messages: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """The body of a chat completion; without messages, `USER` alone."""
    return {"model": "m", "messages": [dict(message) for message in messages or (USER,)], **fields}


def called(*calls: tuple[str, str, str], **fields: Any) -> dict[str, Any]:
    """An assistant's message that calls tools, each by id, name and arguments."""
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": ref, "type": "function", "function": {"name": name, "arguments": arguments}}
            for ref, name, arguments in calls
        ],
        **fields,
    }


def result(tool_call_id: str, content: Any = "15 degrees") -> dict[str, Any]:
    """The result of a tool call."""
    return {"role": "tool", "tool_call_id": tool_call_id, "content": content}


def says(role: str, content: Any, **fields: Any) -> dict[str, Any]:
    """A message."""
    return {"role": role, "content": content, **fields}


def text(content: str) -> dict[str, Any]:
    """A part of a message that is text."""
    return {"type": "text", "text": content}


IMAGE = {"type": "image_url", "image_url": {"url": PNG}}
AUDIO = {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}
FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}}

NULLS = dict.fromkeys(
    (
        *("audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs"),
        *("max_completion_tokens", "max_tokens", "metadata", "modalities", "n"),
        *("parallel_tool_calls", "prediction", "presence_penalty", "reasoning_effort"),
        *("response_format", "seed", "service_tier", "stop", "store", "stream_options"),
        *("temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity"),
    )
)

_REPLAYED = says(
    "assistant",
    "15 degrees.",
    refusal=None,
    annotations=[],
    audio=None,
    function_call=None,
    tool_calls=None,
)

_PARIS = '{"city": "Paris"}'
_TOOLS = frozenset({"tools"})
_PARALLEL = frozenset({"tools", "parallel_tools"})

PLAIN = (
    Sample("a question", chat()),
    Sample("a system message", chat(says("system", "Be brief."), USER)),
    Sample("a developer message", chat(says("developer", "Be brief."), USER)),
    Sample("text in parts", chat(says("user", [text("What is the weather"), text("in Paris?")]))),
    Sample("several turns", chat(USER, says("assistant", "15 degrees."), USER)),
    Sample("two user messages in a row", chat(USER, says("user", "And in Rome?"))),
    Sample("a replayed response", chat(USER, _REPLAYED, USER)),
    Sample("null for every option", chat(**NULLS)),
    Sample("stream: false", chat(stream=False)),
    Sample("a body in many scripts", chat(says("user", "Привет, 世界! \u2028 🎉"))),
)
"""What every provider of chat serves."""

CAPABLE = (
    Sample("a tool", chat(tools=[WEATHER]), _TOOLS),
    Sample("a tool that may be called", chat(tools=[WEATHER], tool_choice="auto"), _TOOLS),
    Sample("a tool that must be called", chat(tools=[WEATHER], tool_choice="required"), _TOOLS),
    Sample(
        "a tool without parameters",
        chat(tools=[{"type": "function", "function": {"name": "now"}}]),
        _TOOLS,
    ),
    Sample(
        "the result of a tool",
        chat(USER, called(("call_1", "get_weather", _PARIS)), result("call_1"), tools=[WEATHER]),
        _TOOLS,
    ),
    Sample(
        "the result of a tool, in parts",
        chat(
            USER,
            called(("call_1", "get_weather", _PARIS)),
            result("call_1", [text("15 degrees")]),
            tools=[WEATHER],
        ),
        _TOOLS,
    ),
    Sample(
        "a tool call beside text, and arguments that are empty",
        chat(
            USER,
            called(("call_1", "get_time", ""), content="Let me see."),
            result("call_1", ""),
            tools=[TIME],
        ),
        _TOOLS,
    ),
    Sample(
        "the results of two calls, the other way round",
        chat(
            USER,
            called(("call_1", "get_weather", _PARIS), ("call_2", "get_weather", _PARIS)),
            result("call_2", "16 degrees"),
            result("call_1"),
            tools=[WEATHER, TIME],
        ),
        _PARALLEL,
    ),
    Sample("an image", chat(says("user", [text("What is this?"), IMAGE])), frozenset({"images"})),
    Sample("sound", chat(says("user", [text("What is this?"), AUDIO])), frozenset({"audio"})),
    Sample("a file", chat(says("user", [text("What is this?"), FILE])), frozenset({"files"})),
    Sample(
        "any JSON",
        chat(says("user", "Say it as JSON."), response_format={"type": "json_object"}),
        frozenset({"json_object"}),
    ),
    Sample(
        "JSON of a schema",
        chat(
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "weather", "schema": SCHEMA, "strict": True},
            }
        ),
        frozenset({"json_schema"}),
    ),
    Sample("log probabilities", chat(logprobs=True, top_logprobs=2), frozenset({"logprobs"})),
    Sample("two choices", chat(n=2), frozenset({"n"})),
    Sample("an effort of reasoning", chat(reasoning_effort="low"), frozenset({"reasoning"})),
)
"""What a provider serves that declares the capability."""

ODD = (
    Sample("everything at once", chat(temperature=0.7, top_p=0.9, n=2, stop=["a", "b"], seed=5)),
    Sample(
        "a named tool",
        chat(
            tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "get_weather"}}
        ),
    ),
    Sample(
        "one of some tools",
        chat(
            tools=[WEATHER, TIME],
            tool_choice={
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": "get_time"}}],
                },
            },
        ),
    ),
    Sample("no tools", chat(tools=[], tool_choice="none")),
    Sample("one call at a time", chat(tools=[WEATHER], parallel_tool_calls=False)),
    Sample("a custom tool", chat(tools=[{"type": "custom", "custom": {"name": "sh"}}])),
    Sample("a vendor's tool", chat(tools=[{"type": "web_search"}])),
    Sample(
        "a legacy function",
        chat(functions=[{"name": "f", "parameters": {}}], function_call={"name": "f"}),
    ),
    Sample("a legacy result", chat(USER, {"role": "function", "name": "f", "content": "1"})),
    Sample(
        "an image by URL",
        chat(
            says(
                "user",
                [
                    {
                        "type": "image_url",
                        "image_url": {"url": "https://example.org/a.png", "detail": "low"},
                    }
                ],
            )
        ),
    ),
    Sample(
        "an image without a URL",
        chat(says("user", [{"type": "image_url", "image_url": {"url": "x"}}])),
    ),
    Sample("a file by id", chat(says("user", [{"type": "file", "file": {"file_id": "file-1"}}]))),
    Sample("a file without content", chat(says("user", [{"type": "file", "file": {}}]))),
    Sample(
        "a part of a new type",
        chat(says("user", [{"type": "video_url", "video_url": {"url": "x"}}])),
    ),
    Sample(
        "an image in a tool's result", chat(USER, called(("c", "f", "{}")), result("c", [IMAGE]))
    ),
    Sample("an image in a response", chat(USER, says("assistant", [IMAGE]), USER)),
    Sample(
        "a refusal in a response",
        chat(USER, says("assistant", [{"type": "refusal", "refusal": "No."}]), USER),
    ),
    Sample("a response without content", chat(USER, {"role": "assistant"}, USER)),
    Sample("a response last", chat(USER, says("assistant", "15"))),
    Sample("a system message in the middle", chat(USER, says("system", "Be brief."), USER)),
    Sample("nothing but a system message", chat(says("system", "Be brief."))),
    Sample("a result without its call", chat(USER, result("call_9"))),
    Sample("a call without its result", chat(USER, called(("c", "f", "{}")), USER)),
    Sample("arguments that are not JSON", chat(USER, called(("c", "f", '{"a"')), result("c"))),
    Sample("arguments that are not an object", chat(USER, called(("c", "f", "[1]")), result("c"))),
    Sample(
        "a custom tool's call",
        chat(
            USER,
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
                ],
            },
            result("c"),
        ),
    ),
    Sample("empty content", chat(says("user", ""))),
    Sample("no parts", chat(says("user", []))),
    Sample("an unknown response format", chat(response_format={"type": "grammar"})),
    Sample(
        "a schema with references",
        chat(
            response_format={
                "type": "json_schema",
                "json_schema": {
                    "name": "t",
                    "schema": {
                        "$ref": "#/$defs/t",
                        "$defs": {
                            "t": {
                                "type": "object",
                                "properties": {
                                    "t": {"anyOf": [{"$ref": "#/$defs/t"}, {"type": "null"}]}
                                },
                            }
                        },
                    },
                },
            }
        ),
    ),
    Sample(
        "a schema that is missing",
        chat(response_format={"type": "json_schema", "json_schema": {"name": "t"}}),
    ),
    Sample("a new effort of reasoning", chat(reasoning_effort="ultra")),
    Sample(
        "others' parameters",
        chat(top_k=40, min_p=0.05, reasoning={"effort": "high"}, enable_thinking=True),
    ),
    Sample(
        "cache marks",
        chat(says("system", [{**text("x"), "cache_control": {"type": "ephemeral"}}]), USER),
    ),
    Sample(
        "replayed thoughts",
        chat(USER, says("assistant", "x", reasoning_content="y", parsed=None), USER),
    ),
    Sample(
        "replayed thoughts in parts",
        chat(
            USER,
            says("assistant", [{"type": "thinking", "thinking": "x", "signature": "s"}, text("y")]),
            USER,
        ),
    ),
)
"""What may be refused, but by the name of the parameter and never by a crash."""
