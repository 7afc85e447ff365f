"""Requests to the endpoints that call a model, as one would send them first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MODEL = "gpt-4o-mini"

CHAT: Mapping[str, Any] = {
    "A question": {
        "model": _MODEL,
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
    },
    "A streamed answer": {
        "model": _MODEL,
        "messages": [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "Why is the sky blue?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "A tool": {
        "model": _MODEL,
        "messages": [{"role": "user", "content": "How warm is it in Oslo?"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "get_temperature",
                    "description": "The current temperature in a city, in degrees Celsius.",
                    "parameters": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    },
                },
            }
        ],
    },
    "An image": {
        "model": _MODEL,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is in this picture?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
                ],
            }
        ],
    },
    "A JSON answer": {
        "model": _MODEL,
        "messages": [{"role": "user", "content": "Name the largest city of Japan."}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "city",
                "strict": True,
                "schema": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                    "additionalProperties": False,
                },
            },
        },
    },
}

EMBEDDINGS: Mapping[str, Any] = {
    "One text": {"model": "text-embedding-3-small", "input": "The quick brown fox"},
    "Several texts": {
        "model": "text-embedding-3-small",
        "input": ["The quick brown fox", "The lazy dog"],
        "dimensions": 256,
    },
}
