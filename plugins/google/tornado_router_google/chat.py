"""Chat completions by `generateContent` and `streamGenerateContent`.

https://ai.google.dev/api/generate-content.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tornado_router.provider import (
    Body,
    Call,
    Params,
    StreamParser,
    Translator,
    UnsupportedKind,
    UpstreamRequest,
    UpstreamResponse,
    dump_json,
    rename_tools,
)
from tornado_router_google.contents import conversation
from tornado_router_google.generation import generation_config, service_tier
from tornado_router_google.models import traits_of
from tornado_router_google.response import completion
from tornado_router_google.stream import ChatStreamParser
from tornado_router_google.tools import safe_names, tool_fields

if TYPE_CHECKING:
    from tornado_router_google.provider import GoogleProvider

UNSUPPORTED: Mapping[str, UnsupportedKind] = {
    "cache_control": "hint",
    "metadata": "hint",
    "prediction": "hint",
    "prompt_cache_key": "hint",
    "prompt_cache_options": "hint",
    "prompt_cache_retention": "hint",
    "safety_identifier": "hint",
    "store": "hint",
    "user": "hint",
    "verbosity": "hint",
    "messages.content.image_url.detail": "hint",
    "messages.name": "hint",
    "frequency_penalty": "approximation",
    "logprobs": "approximation",
    "parallel_tool_calls": "approximation",
    "presence_penalty": "approximation",
    "reasoning_effort": "approximation",
    "response_format": "approximation",
    "service_tier": "approximation",
    "top_logprobs": "approximation",
    "audio": "loss",
    "logit_bias": "loss",
    "modalities": "loss",
    "n": "loss",
    "web_search_options": "loss",
}
"""What the vendor, or one of its models, lacks of a chat completion."""


class ChatCompletions(Translator):
    """The endpoint."""

    unsupported_fields = UNSUPPORTED

    def __init__(self, provider: GoogleProvider) -> None:
        self._provider = provider

    def build_request(self, call: Call) -> UpstreamRequest:
        """Google's request for a call."""
        call = rename_tools(call, safe_names(call))
        params, traits = Params(call, fields=UNSUPPORTED), traits_of(call.model)
        system, contents = conversation(call, params, traits)
        body: dict[str, Any] = {"contents": contents}
        tools = tool_fields(params)
        config = generation_config(params, traits, system, has_tools=bool(tools))
        if system:
            body["systemInstruction"] = {"parts": system}
        body |= tools
        if config:
            body["generationConfig"] = config
        tier = service_tier(params, self._provider.on_vertex)
        if tier:
            body["serviceTier"] = tier
        params.finish()
        method = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        return UpstreamRequest(
            self._provider.url(call.model, method), dump_json(body), self._provider.headers
        )

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """OpenAI's chat completion."""
        return completion(call, self._provider.name, response)

    def parse_stream(self, call: Call) -> StreamParser:
        """A parser of one stream."""
        return ChatStreamParser(call, self._provider.name)

    def open_stream(self, call: Call, response: UpstreamResponse) -> StreamParser:
        """The same, which knows the `Retry-After` of the response."""
        return ChatStreamParser(call, self._provider.name, response.headers)
