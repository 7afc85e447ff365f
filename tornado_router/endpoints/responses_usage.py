"""The `usage` object of `POST /v1/responses`: read from a vendor, or written for a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.endpoints.openai_usage import read_usage
from tornado_router.usage import Usage


def read_response_usage(value: object) -> Usage | None:
    """Reads a `usage` object; None if it is not one, or holds what cannot be true.

    It differs from that of chat completions in its names alone:
    https://platform.openai.com/docs/api-reference/responses/object.
    """
    if not isinstance(value, Mapping) or "input_tokens" not in value:
        return None
    return read_usage(
        {
            "prompt_tokens": value["input_tokens"],
            "completion_tokens": value.get("output_tokens"),
            "prompt_tokens_details": value.get("input_tokens_details"),
            "completion_tokens_details": value.get("output_tokens_details"),
        }
    )


def response_usage_body(usage: Usage) -> dict[str, Any]:
    """The object for a client; all details are there, as SDKs read them without looking."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
