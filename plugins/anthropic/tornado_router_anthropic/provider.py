"""The provider: what its table may hold, and the headers that every request carries."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from tornado_router.provider import (
    ApiError,
    OptionError,
    PassThrough,
    Provider,
    UpstreamRequest,
    UpstreamResponse,
    header_value,
    header_values,
)
from tornado_router_anthropic.chat import ChatCompletions
from tornado_router_anthropic.errors import parse_error
from tornado_router_anthropic.native import CountTokens, Messages
from tornado_router_anthropic.options import OPTIONS_SCHEMA
from tornado_router_anthropic.settings import Settings

DEFAULT_BASE_URL = "https://api.anthropic.com"
DEFAULT_VERSION = "2023-06-01"


class AnthropicProvider(Provider):
    """Anthropic's own API, or any that copies it, by `base_url`."""

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {
        "chat.completions": (
            "stream",
            "tools",
            "parallel_tools",
            "images",
            "files",
            "json_object",
            "json_schema",
            "reasoning",
        ),
        "messages": (),
        "messages.count_tokens": (),
    }
    remembers: ClassVar[bool] = True
    options_schema: ClassVar[Mapping[str, Any]] = OPTIONS_SCHEMA

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name, options)
        if "api_key" not in options and "base_url" not in options:
            raise OptionError("api_key", "is needed for Anthropic's own API")
        base_url: str = options.get("base_url", DEFAULT_BASE_URL)
        self.base_url = base_url.rstrip("/").removesuffix("/v1")
        self.betas: tuple[str, ...] = tuple(
            header_value("beta", beta) for beta in options.get("beta", ())
        )
        self.headers = _headers(options)
        self.settings = Settings(
            name=name,
            version=options.get("version", DEFAULT_VERSION),
            max_tokens=options.get("max_tokens"),
            reasoning_content=options.get("reasoning_content", False),
            facts=options.get("facts", {}),
        )
        self.endpoints = {
            "chat.completions": ChatCompletions(self),
            "messages": Messages(self),
            "messages.count_tokens": CountTokens(self),
        }

    def probe(self) -> UpstreamRequest:
        """https://platform.claude.com/docs/en/api/models/list."""
        return UpstreamRequest(f"{self.base_url}/v1/models?limit=1", b"", self.headers, "GET")

    def pass_through(self, request: PassThrough) -> UpstreamRequest:
        """The same path, with the client's version and betas beside those of the table."""
        headers = dict(self.headers)
        if version := request.headers.get("anthropic-version"):
            headers["anthropic-version"] = version
        betas = [*self.betas, request.headers.get("anthropic-beta", "")]
        if any(betas):
            headers["anthropic-beta"] = ",".join(filter(None, betas))
        return request.to(self.base_url, headers)

    def parse_error(self, response: UpstreamResponse) -> ApiError:
        """The error behind a response whose status is not a success."""
        return parse_error(self.name, response)


def _headers(options: Mapping[str, Any]) -> dict[str, str]:
    """https://platform.claude.com/docs/en/api/overview, "Authentication"."""
    headers = {
        "Content-Type": "application/json",
        "anthropic-version": options.get("version", DEFAULT_VERSION),
    }
    key = header_value("api_key", options.get("api_key", ""), key=True)
    if key and options.get("auth") == "bearer":
        headers["Authorization"] = f"Bearer {key}"
    elif key:
        headers["x-api-key"] = key
    if options.get("beta"):
        headers["anthropic-beta"] = ",".join(header_value("beta", beta) for beta in options["beta"])
    return headers | header_values("headers", options.get("headers", {}))
