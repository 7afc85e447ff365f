"""The translator of `chat.completions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tornado_router.provider import (
    Body,
    Call,
    ProviderError,
    StreamParser,
    Translator,
    UpstreamRequest,
    UpstreamResponse,
    dump_json,
    rename_tools,
)
from tornado_router_anthropic.request import UNSUPPORTED, build_body
from tornado_router_anthropic.response import parse_message
from tornado_router_anthropic.stream import MessageStream
from tornado_router_anthropic.tools import safe_names

if TYPE_CHECKING:
    from tornado_router_anthropic.provider import AnthropicProvider


class ChatCompletions(Translator):
    """Chat completions by way of the Messages API.

    Args:
        provider: whose base URL, headers and settings are used.
    """

    unsupported_fields = UNSUPPORTED

    def __init__(self, provider: AnthropicProvider) -> None:
        self._url = provider.base_url + "/v1/messages"
        self._headers = provider.headers
        self._betas = provider.betas
        self._settings = provider.settings

    def build_request(self, call: Call) -> UpstreamRequest:
        """The vendor's request for a call."""
        try:
            call = rename_tools(call, safe_names(call))
            body, betas = build_body(call, self._settings)
            data = dump_json(body)
        except RecursionError:
            raise ProviderError(
                400,
                "The request is nested too deeply.",
                type="invalid_request_error",
                param="messages",
            ) from None
        headers = self._headers
        if betas:
            headers = {**headers, "anthropic-beta": ",".join([*self._betas, *betas])}
        return UpstreamRequest(self._url, data, headers)

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """OpenAI's body of a whole response."""
        return parse_message(call, response, self._settings)

    def parse_stream(self, call: Call) -> StreamParser:
        """A parser for one stream."""
        return MessageStream(call, self._settings)

    def open_stream(self, call: Call, response: UpstreamResponse) -> StreamParser:
        """The same, which knows the `Retry-After` of the response."""
        return MessageStream(call, self._settings, response.headers)
