"""Responses in their own format: bytes pass through, and only the model's name is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tornado_router.provider import (
    ROUTER_SIGNATURE,
    Body,
    Call,
    Event,
    ProviderError,
    Relayed,
    StreamParser,
    Translator,
    UpstreamRequest,
    UpstreamResponse,
    bad_answer,
    is_error,
    load_json_object,
    replace_fields,
    reported_error,
)
from tornado_router_openai.streams import PassingParser, PassingStreams

if TYPE_CHECKING:
    from tornado_router_openai.provider import OpenAIProvider

_ENDED = ("response.completed", "response.incomplete")
_FAILED = "failed"
_MARK = ROUTER_SIGNATURE.encode()


class Responses(PassingStreams):
    """https://platform.openai.com/docs/api-reference/responses.

    Args:
        provider: whose base URL and headers are used.
        path: of the endpoint, behind the base URL.
    """

    def __init__(self, provider: OpenAIProvider, path: str = "/responses") -> None:
        self._provider = provider
        self._url = provider.base_url + path

    def build_request(self, call: Call) -> UpstreamRequest:
        """The client's own bytes, with the vendor's name of the model."""
        changes: dict[str, Any] = {}
        if call.model != call.body["model"]:
            changes["model"] = call.model
        if _MARK in call.raw:
            changes["input"] = without_own_state(call.body.get("input"))
        body = replace_fields(call.raw, changes) if changes else call.raw
        headers = self._provider.headers
        if call.headers:
            headers = {**call.headers, **headers}
        return UpstreamRequest(self._url, body, headers)

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The vendor's bytes, once they are known to be a response that did not fail."""
        name = self._provider.name
        body = load_json_object(response.body, name)
        if is_error(body) or body.get("status") == _FAILED:
            raise reported_error(name, body, response.headers)
        if not isinstance(body.get("output"), list):
            raise bad_answer(f"The response of the provider '{name}' has no output.")
        return Relayed(body, response.body)

    def parse_stream(self, call: Call) -> ResponsesParser:
        """A parser that passes events through."""
        return ResponsesParser(self._provider.name)


def without_own_state(items: Any) -> Any:
    """Items without the reasoning of other vendors' models, whose state the router has made.

    The vendor would refuse what it has not encrypted itself, in every turn from then on.
    """
    if not isinstance(items, list):
        return items
    return [item for item in items if not _is_own(item)]


def _is_own(item: object) -> bool:
    if not isinstance(item, Mapping) or item.get("type") != "reasoning":
        return False
    state = item.get("encrypted_content")
    return isinstance(state, str) and state.startswith(ROUTER_SIGNATURE)


class ResponsesCompact(Responses):
    """https://platform.openai.com/docs/api-reference/responses/compact."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/responses/compact")


class InputTokens(Responses):
    """https://platform.openai.com/docs/api-reference/responses/input-tokens."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/responses/input_tokens")

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The count."""
        name = self._provider.name
        body = load_json_object(response.body, name)
        if not isinstance(body.get("input_tokens"), int):
            raise bad_answer(f"The provider '{name}' counted no tokens.")
        return Relayed(body, response.body)


class StoredResponses(Translator):
    """What the vendor does with a response that it keeps, by its id.

    The body of a call is `{"id": ..., "action": "retrieve" | "delete" | "cancel" | "input_items",
    "query": {...}}`.

    Args:
        provider: whose base URL and headers are used.
    """

    def __init__(self, provider: OpenAIProvider) -> None:
        self._provider = provider
        self._url = provider.base_url + "/responses/"

    def build_request(self, call: Call) -> UpstreamRequest:
        """https://platform.openai.com/docs/api-reference/responses/get, and those beside it."""
        action = call.body["action"]
        url = self._url + quote(call.body["id"], safe="")
        if action in ("cancel", "input_items"):
            url += f"/{action}"
        if call.body["query"]:
            url += f"?{urlencode(call.body['query'], doseq=True)}"
        method = {"delete": "DELETE", "cancel": "POST"}.get(action, "GET")
        return UpstreamRequest(url, b"", self._provider.headers, method)

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The vendor's bytes; a deletion may come without any."""
        if not response.body and call.body["action"] == "delete":
            return {"id": call.body["id"], "object": "response", "deleted": True}
        return Relayed(load_json_object(response.body, self._provider.name), response.body)

    def parse_stream(self, call: Call) -> StreamParser:
        """None: nothing here is streamed."""
        raise ProviderError(400, "This endpoint cannot be streamed.", param="stream")


class ResponsesParser(PassingParser):
    """Passes the events of one stream through, and knows whether it came to its end.

    Attributes:
        passes: that events may pass unread which differ from one before in their text alone.
    """

    passes = True

    def feed(self, event: Event) -> Iterable[Body]:
        """The event as a chunk."""
        if event.data == b"[DONE]":  # some copies of the API send one
            return ()
        chunk: dict[str, Any] = load_json_object(event.data, self._provider)
        kind = chunk.get("type")
        if kind in _ENDED:
            self.done = True
        elif kind == "response.failed":
            raise reported_error(self._provider, chunk.get("response") or chunk, self.headers)
        elif is_error(chunk):
            raise reported_error(self._provider, chunk, self.headers)
        return (Relayed(chunk, event.data),)
