"""The usage in a vendor's response of whatever form, which is passed on as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.endpoints import anthropic_usage, openai_usage
from tornado_router.endpoints.openai_usage import count
from tornado_router.endpoints.responses_usage import read_response_usage
from tornado_router.provider import load_json
from tornado_router.usage import Usage


def usage_in(body: Mapping[str, Any]) -> Usage | None:
    """The usage that a response reports, whole or an event of a stream; None if it reports none."""
    for place in (body, body.get("response"), body.get("message")):
        if isinstance(place, Mapping):
            found = _read(place.get("usage")) or _read_gemini(place.get("usageMetadata"))
            if found is not None:
                return found
    return None


class UsageMeter:
    """Reads the usage of a stream of events as they go by: the last word of each kind holds.

    Attributes:
        usage: so far; None if nothing was reported.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._known: dict[str, Any] = {}

    def read(self, data: bytes) -> None:
        """Reads the data of one event, which may be anything."""
        if b"sage" not in data:  # neither usage nor usageMetadata
            return
        try:
            event = load_json(data)
        except ValueError:
            return
        if not isinstance(event, Mapping):
            return
        message = event.get("message")
        inner = message if isinstance(message, Mapping) else event
        if str(event.get("type", "")).startswith("message_"):  # Anthropic's come in parts
            anthropic_usage.merge_usage(self._known, inner.get("usage"))
            self.usage = anthropic_usage.read_usage(self._known) or self.usage
        else:
            self.usage = usage_in(event) or self.usage


def _read(value: object) -> Usage | None:
    """OpenAI's of either API, or Anthropic's, which has no total."""
    if not isinstance(value, Mapping):
        return None
    if "input_tokens" not in value:
        return openai_usage.read_usage(value)
    if "total_tokens" in value:
        return read_response_usage(value)
    return anthropic_usage.read_usage(value)


def _read_gemini(value: object) -> Usage | None:
    """https://ai.google.dev/api/generate-content#UsageMetadata."""
    if not isinstance(value, Mapping):
        return None
    prompt = count(value.get("promptTokenCount"))
    if prompt is None:
        return None
    prompt += count(value.get("toolUsePromptTokenCount")) or 0
    thoughts = count(value.get("thoughtsTokenCount")) or 0
    output = (count(value.get("candidatesTokenCount")) or 0) + thoughts
    cached = min(count(value.get("cachedContentTokenCount")) or 0, prompt)
    return Usage(prompt, output, cached, reasoning_tokens=thoughts)
