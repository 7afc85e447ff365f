"""What a `[providers.NAME]` table of this type may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FACTS: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "like": {
            "type": "string",
            "description": "A model that this one is like, apart from what is said here.",
        },
        "max_output": {
            "type": "integer",
            "minimum": 1,
            "description": "The most tokens that it can be asked for.",
        },
        "sampling": {
            "enum": ["both", "one", "none"],
            "description": "Whether it takes `temperature` and `top_p`, one of them, or none.",
        },
        "thinking": {
            "enum": ["none", "budget", "adaptive", "default", "always"],
            "description": "How it thinks: never, with a budget if asked, adaptively if asked, "
            "adaptively unless switched off, or always.",
        },
        "thinking_off": {
            "enum": ["disabled", "between_tools"],
            "description": "The type of `thinking` that switches it off.",
        },
        "efforts": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The levels of `output_config.effort` that it takes, rising.",
        },
        "forced_tools": {
            "type": "boolean",
            "description": "Whether `tool_choice` may force a tool call.",
        },
        "json_schema": {
            "type": "boolean",
            "description": "Whether it has structured outputs.",
        },
        "system_messages": {
            "type": "boolean",
            "description": "Whether system messages may stand between the others.",
        },
        "prefill": {
            "type": "boolean",
            "description": "Whether the last message may be the assistant's.",
        },
        "bound_thinking": {
            "type": "boolean",
            "description": "Whether a thought is valid only behind what it was made behind.",
        },
    },
}

OPTIONS_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "api_key": {
            "type": "string",
            "writeOnly": True,
            "description": "Sent as `x-api-key`; left out for a server without.",
        },
        "auth": {
            "enum": ["x-api-key", "bearer"],
            "default": "x-api-key",
            "description": "Which header carries the key; `bearer` for `Authorization: Bearer`.",
        },
        "base_url": {
            "type": "string",
            "pattern": "^https?://[^/]",
            "examples": ["https://api.anthropic.com"],
            "default": "https://api.anthropic.com",
            "description": "Where the API is, up to its `/v1/messages`.",
        },
        "version": {
            "type": "string",
            "pattern": r"^\d{4}-\d{2}-\d{2}$",
            "examples": ["2023-06-01"],
            "default": "2023-06-01",
            "description": "Sent as `anthropic-version`, unless the client sends one.",
        },
        "beta": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "description": "Beta features, sent as `anthropic-beta`; with those of a client of the "
            "Messages API.",
        },
        "headers": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "writeOnly": True,
            "description": "More headers for every request.",
        },
        "max_tokens": {
            "type": "integer",
            "minimum": 1,
            "description": "Sent when the client sets no limit, because the API requires one; "
            "default: the model's maximum, up to 32000.",
        },
        "reasoning_content": {
            "type": "boolean",
            "default": False,
            "description": "Whether clients are shown summaries of thoughts, in the field "
            "`reasoning_content`, which OpenAI's API does not have.",
        },
        "facts": {
            "type": "object",
            "additionalProperties": _FACTS,
            "description": "What a model takes, by the beginning of its name, where this package "
            "does not know it yet.",
        },
    },
}
