"""Realtime sessions: events pass through, and only names of models are changed, by the router."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from tornado_router.provider import (
    Body,
    Call,
    ProviderError,
    StreamParser,
    Translator,
    UpstreamRequest,
    UpstreamResponse,
)

if TYPE_CHECKING:
    from tornado_router_openai.provider import OpenAIProvider

_FORWARDED = ("openai-beta", "openai-safety-identifier")


class Realtime(Translator):
    """https://platform.openai.com/docs/api-reference/realtime.

    Args:
        provider: whose base URL and headers are used.
    """

    def __init__(self, provider: OpenAIProvider) -> None:
        self._url = provider.base_url.replace("http", "ws", 1) + "/realtime"
        self._headers = {
            name: value for name, value in provider.headers.items() if name != "Content-Type"
        }

    def build_request(self, call: Call) -> UpstreamRequest:
        """The websocket of a session: a conversation by its model, a transcription by its kind."""
        is_transcription = call.body.get("type") == "transcription"
        query = {"intent": "transcription"} if is_transcription else {"model": call.model}
        headers = self._headers | {
            name: call.headers[name] for name in _FORWARDED if name in call.headers
        }
        return UpstreamRequest(f"{self._url}?{urlencode(query)}", b"", headers, "GET")

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """None: a session has events."""
        raise ProviderError(400, "This endpoint is a websocket.")

    def parse_stream(self, call: Call) -> StreamParser:
        """The same."""
        raise ProviderError(400, "This endpoint is a websocket.")
