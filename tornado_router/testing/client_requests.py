"""Requests as libraries send them by default, whichever model is behind the name they know.

Shapes as in `ChatOpenAI` of https://github.com/langchain-ai/langchain, `OpenAI` of
https://github.com/run-llama/llama_index, `_openai_base.py` of
https://github.com/guidance-ai/guidance, `zodResponseFormat` of
https://github.com/openai/openai-node, and `openai_chatcompletions.py` of
https://github.com/openai/openai-agents-python.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.testing.corpus import Sample, called, chat, result, says, text

_TOOL: Mapping[str, Any] = {
    "type": "function",
    "function": {
        "name": "book_table",
        "description": "Books a table.",
        "parameters": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "BookTable",
            "type": "object",
            "properties": {
                "guests": {"type": "integer", "minimum": 1, "maximum": 12, "default": 2},
                "phone": {"type": "string", "pattern": "^\\+?[0-9]{6,15}$"},
            },
            "required": ["guests", "phone"],
            "additionalProperties": False,
        },
    },
}
_STRICT: Mapping[str, Any] = {**_TOOL, "function": {**_TOOL["function"], "strict": True}}

_BOUNDED: Mapping[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "mail": {"type": "string", "format": "email", "pattern": "^[^@]+@[^@]+$"},
        "age": {"type": "number", "exclusiveMinimum": 0, "maximum": 150, "multipleOf": 1},
        "tags": {"type": "array", "items": {"$ref": "#/definitions/tag"}, "maxItems": 5},
        "note": {"anyOf": [{"type": "string", "format": "uri"}, {"type": "null"}]},
    },
    "required": ["name", "mail", "age", "tags", "note"],
    "additionalProperties": False,
    "definitions": {"tag": {"type": "string", "enum": ["a", "b"], "minLength": 1}},
}
_USER = says("user", "Book a table for two.")
_HISTORY = (
    _USER,
    called(("call_1", "book_table", '{"guests": 2, "phone": "123456"}')),
    result("call_1", "Booked."),
)


def _form(name: str) -> dict[str, Any]:
    schema = {"name": name, "schema": _BOUNDED, "strict": True}
    return {"type": "json_schema", "json_schema": schema}


_TOOLS = frozenset({"tools"})

CLIENTS = (
    Sample("LangChain", chat(_USER, n=1, stop=None, stream=False, temperature=0.7)),
    Sample(
        "LangChain with tools",
        chat(*_HISTORY, tools=[_TOOL], tool_choice="auto", parallel_tool_calls=True, n=1),
        _TOOLS,
    ),
    Sample(
        "LangChain, one tool at a time",
        chat(_USER, tools=[_STRICT], parallel_tool_calls=False, seed=42, logprobs=None),
        _TOOLS,
    ),
    Sample("LlamaIndex", chat(_USER, temperature=0.1, logprobs=False, stream=False)),
    Sample(
        "LlamaIndex with tools",
        chat(
            *_HISTORY,
            temperature=0.1,
            tools=[{**_TOOL, "function": {**_TOOL["function"], "strict": False}}],
            tool_choice="auto",
            parallel_tool_calls=False,
        ),
        _TOOLS,
    ),
    Sample(
        "LlamaIndex with log probabilities",
        chat(_USER, temperature=0.1, logprobs=True, top_logprobs=0),
    ),
    Sample(
        "guidance",
        chat(says("user", [text("Hello")]), logprobs=True, top_logprobs=5),
    ),
    Sample(
        "guidance with JSON",
        chat(
            says("user", [text("Hello")]),
            logprobs=True,
            response_format=_form("json_schema"),
        ),
        frozenset({"json_schema"}),
    ),
    Sample(
        "openai-node's structured outputs",
        chat(_USER, response_format=_form("person")),
        frozenset({"json_schema"}),
    ),
    Sample(
        "Agents SDK",
        chat(
            says("system", "Be brief."),
            *_HISTORY,
            tools=[_STRICT],
            tool_choice="auto",
            parallel_tool_calls=True,
            response_format=_form("final_output"),
            store=True,
            metadata={"trace": "1"},
            reasoning_effort="low",
            verbosity="low",
            prompt_cache_retention="24h",
            frequency_penalty=0,
            presence_penalty=0,
        ),
        frozenset({"tools", "json_schema", "reasoning"}),
    ),
)
