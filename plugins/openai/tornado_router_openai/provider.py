"""The provider: what its table may hold, and the headers that every request carries."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from tornado_router.provider import OptionError, Provider
from tornado_router_openai.relay import ChatCompletions, Embeddings

DEFAULT_BASE_URL = "https://api.openai.com/v1"


class OpenAIProvider(Provider):
    """OpenAI's own API, or any that copies it, by `base_url`."""

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        "chat.completions": (
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
        ),
        "embeddings": (),
    }
    options_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "api_key": {
                "type": "string",
                "writeOnly": True,
                "description": "Sent as `Authorization: Bearer`; left out for a server without.",
            },
            "base_url": {
                "type": "string",
                "pattern": "^https?://[^/]",
                "default": DEFAULT_BASE_URL,
                "description": "Where the API is, with its `/v1`.",
            },
            "organization": {
                "type": "string",
                "description": "Sent as `OpenAI-Organization`; empty for none.",
            },
            "project": {
                "type": "string",
                "description": "Sent as `OpenAI-Project`; empty for none.",
            },
            "headers": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "More headers for every request.",
            },
            "stream_usage": {
                "type": "boolean",
                "default": True,
                "description": "Whether to ask for usage in streams; false for a server that "
                "refuses `stream_options`.",
            },
        },
    }

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name, options)
        if "api_key" not in options and "base_url" not in options:
            raise OptionError("api_key", "is needed for OpenAI's own API")
        self.base_url: str = options.get("base_url", DEFAULT_BASE_URL).rstrip("/")
        self.headers = _headers(options)
        self.stream_usage: bool = options.get("stream_usage", True)
        self.endpoints = {
            "chat.completions": ChatCompletions(self),
            "embeddings": Embeddings(self),
        }


def _headers(options: Mapping[str, Any]) -> dict[str, str]:
    """https://platform.openai.com/docs/api-reference/authentication."""
    headers = {"Content-Type": "application/json"}
    if options.get("api_key"):
        headers["Authorization"] = f"Bearer {options['api_key']}"
    if options.get("organization"):
        headers["OpenAI-Organization"] = options["organization"]
    if options.get("project"):
        headers["OpenAI-Project"] = options["project"]
    return headers | dict(options.get("headers", {}))
