"""The `usage` object of responses that are media: tokens by kind, or a length of audio."""

from __future__ import annotations

from collections.abc import Mapping

from tornado_router.endpoints.openai_usage import read_seconds, read_usage
from tornado_router.endpoints.responses_usage import read_response_usage
from tornado_router.usage import Usage


def read_media_usage(value: object) -> Usage | None:
    """Reads a `usage` object; None if it is not one, or holds what cannot be true.

    Speech, transcripts and images have the names of responses, or `{"type": "duration", "seconds":
    ...}`; plugins may give those of chat completions.
    """
    if not isinstance(value, Mapping):
        return None
    if value.get("type") == "duration":
        seconds = read_seconds(value.get("seconds"))
        return Usage(seconds=seconds) if seconds else None
    if "prompt_tokens" in value:
        return read_usage(value)
    if "input_token_details" in value:  # as transcripts call it
        value = {**value, "input_tokens_details": value["input_token_details"]}
    return read_response_usage(value)
