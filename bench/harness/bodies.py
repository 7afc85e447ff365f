"""The request bodies of the bench, the same bytes on every machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MODELS = (
    "gpt-4o",
    "gpt-4o-n200-d0",
    "gpt-4o-n50-d20",
    "gpt-4o-n10-d100",
    "gpt-4o-n10-d1000",
)
"""`-nN-dD` asks the mock upstream for a stream of N chunks, D ms apart."""

MESSAGES_MODELS = ("claude", "claude-n50-d20")
"""Of a provider that has `/v1/messages` itself."""

RESPONSES_MODELS = ("gpt-5", "gpt-5-n50-d20")
"""Of a provider that has `/v1/responses` itself."""

_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Current weather of a place.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string"},
                    "unit": {"type": "string", "enum": ["c", "f"]},
                },
                "required": ["city"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "search_docs",
            "description": "Search the manual.",
            "parameters": {
                "type": "object",
                "properties": {"q": {"type": "string"}, "k": {"type": "integer"}},
                "required": ["q"],
            },
        },
    },
]
_SYSTEM = "You are a helpful assistant. Answer briefly, and cite the manual where you can."
_QUESTION = "What is the weather in Paris today, and which coat would you take for an evening walk?"
_WISH = 'Please answer in one paragraph \u2014 no lists, no "quotes".'
_PARAGRAPH = (
    'Line one of a long document, with "quotes", a tab\t, caf\u00e9 and \u4e2d\u6587, '
    "and numbers 12345.\nNext line. "
)
_HISTORY_MESSAGES = 10
_PARAGRAPHS_A_MESSAGE = 87


def small() -> bytes:
    """About 1 KB: three messages and two tools."""
    return _encode("gpt-4o")


def large() -> bytes:
    """About 100 KB: the same, behind a long history."""
    history = [
        {
            "role": "user" if i % 2 else "assistant",
            "content": _PARAGRAPH * _PARAGRAPHS_A_MESSAGE,
        }
        for i in range(_HISTORY_MESSAGES)
    ]
    return _encode("gpt-4o", history=history)


def stream(chunks: int, gap_ms: int) -> bytes:
    """As `small`, for a stream of so many chunks, so many ms apart."""
    options = {"stream": True, "stream_options": {"include_usage": True}}
    return _encode(f"gpt-4o-n{chunks}-d{gap_ms}", **options)


def message(model: str, *, stream: bool) -> bytes:
    """As `small`, for `/v1/messages`."""
    tools = [_flat(tool, "input_schema") for tool in _TOOLS]
    body = {
        "model": model,
        "system": _SYSTEM,
        "messages": [{"role": "user", "content": text} for text in (_QUESTION, _WISH)],
        "tools": tools,
        "temperature": 0.2,
        "max_tokens": 256,
        "stream": stream,
    }
    return json.dumps(body, ensure_ascii=False).encode()


def response(model: str, *, stream: bool, kept: bool = False) -> bytes:
    """As `small`, for `/v1/responses`; it may have to be kept, as it is by default."""
    tools = [{"type": "function", **_flat(tool, "parameters")} for tool in _TOOLS]
    body = {
        "model": model,
        "instructions": _SYSTEM,
        "input": [{"role": "user", "content": text} for text in (_QUESTION, _WISH)],
        "tools": tools,
        "temperature": 0.2,
        "max_output_tokens": 256,
        "store": kept,
        "stream": stream,
    }
    return json.dumps(body, ensure_ascii=False).encode()


def write_all(folder: Path) -> None:
    """Writes each body into `folder`, for the load generator to read, as NAME.json."""
    bodies = {
        "small": small(),
        "large": large(),
        "saturated": stream(200, 0),
        "paced": stream(50, 20),
        "slow": stream(10, 1000),
        "burst": stream(10, 100),
    }
    for name, make, native in (
        ("messages", message, MESSAGES_MODELS),
        ("responses", response, RESPONSES_MODELS),
    ):
        for suffix, models in (("", native), ("-by-chat", (MODELS[0], MODELS[2]))):
            bodies[f"{name}{suffix}"] = make(models[0], stream=False)
            bodies[f"{name}{suffix}-paced"] = make(models[1], stream=True)
    for name, models in (("", RESPONSES_MODELS), ("-by-chat", (MODELS[0], MODELS[2]))):
        bodies[f"responses-kept{name}"] = response(models[0], stream=False, kept=True)
        bodies[f"responses-kept{name}-paced"] = response(models[1], stream=True, kept=True)
    for name, body in bodies.items():
        (folder / f"{name}.json").write_bytes(body)


def _flat(tool: dict[str, Any], schema: str) -> dict[str, Any]:
    """A tool as APIs have it that came after chat completions; `schema` is its name there."""
    function = tool["function"]
    return {
        "name": function["name"],
        "description": function["description"],
        schema: function["parameters"],
    }


def _encode(model: str, history: list[dict[str, Any]] | None = None, **more: Any) -> bytes:
    messages = [
        {"role": "system", "content": _SYSTEM},
        *(history or []),
        {"role": "user", "content": _QUESTION},
        {"role": "user", "content": _WISH},
    ]
    body = {
        "model": model,
        "messages": messages,
        "tools": _TOOLS,
        "temperature": 0.2,
        "max_tokens": 256,
        "stream": False,
        **more,
    }
    return json.dumps(body, ensure_ascii=False).encode()
