"""Chat completions by `generateContent` and `streamGenerateContent`.

https://ai.google.dev/api/generate-content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tornado_router.provider import (
    Body,
    Call,
    Params,
    StreamParser,
    Translator,
    UpstreamRequest,
    UpstreamResponse,
    dump_json,
    rename_tools,
)
from tornado_router_google.contents import conversation
from tornado_router_google.generation import generation_config, service_tier, take_defaults
from tornado_router_google.models import traits_of
from tornado_router_google.response import completion
from tornado_router_google.stream import ChatStreamParser
from tornado_router_google.tools import safe_names, tool_fields

if TYPE_CHECKING:
    from tornado_router_google.provider import GoogleProvider

HINTS = frozenset(
    {
        "metadata",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "user",
    }
)


class ChatCompletions(Translator):
    """The endpoint."""

    def __init__(self, provider: GoogleProvider) -> None:
        self._provider = provider

    def build_request(self, call: Call) -> UpstreamRequest:
        """Google's request for a call."""
        call = rename_tools(call, safe_names(call))
        params, traits = Params(call, HINTS), traits_of(call.model)
        system, contents = conversation(call, params, traits)
        body: dict[str, Any] = {"contents": contents}
        if system:
            body["systemInstruction"] = {"parts": system}
        tools = tool_fields(params)
        body |= tools
        config = generation_config(call, params, traits, has_tools=bool(tools))
        if config:
            body["generationConfig"] = config
        tier = service_tier(params, self._provider.on_vertex)
        if tier:
            body["serviceTier"] = tier
        take_defaults(params)
        params.finish()
        method = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        return UpstreamRequest(
            self._provider.url(call.model, method), dump_json(body), self._provider.headers
        )

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """OpenAI's chat completion."""
        return completion(call, self._provider.name, response.body)

    def parse_stream(self, call: Call) -> StreamParser:
        """A parser of one stream."""
        return ChatStreamParser(call, self._provider.name)
