"""The translator of `messages`: the vendor's own format, whose bytes pass through.

https://platform.claude.com/docs/en/api/messages. Blocks, betas and fields of tomorrow arrive as
they were sent: a feature is a header and a field, and a thought is signed, byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tornado_router.provider import (
    ROUTER_SIGNATURE,
    Body,
    Call,
    Event,
    Relayed,
    StreamParser,
    Translator,
    UpstreamRequest,
    UpstreamResponse,
    is_error,
    load_json_object,
    replace_fields,
)
from tornado_router_anthropic.errors import reported_error
from tornado_router_anthropic.vendor_response import VendorResponse

if TYPE_CHECKING:
    from tornado_router_anthropic.provider import AnthropicProvider

_BETA = "anthropic-beta"
_MARK = ROUTER_SIGNATURE.encode()


class Messages(Translator):
    """Messages as they are.

    Args:
        provider: whose base URL and headers are used.
    """

    def __init__(self, provider: AnthropicProvider) -> None:
        self._name = provider.name
        self._url = provider.base_url + "/v1/messages"
        self._headers = provider.headers
        self._betas = provider.betas

    def build_request(self, call: Call) -> UpstreamRequest:
        """The client's own bytes, with the vendor's name of the model."""
        changes: dict[str, Any] = {}
        if call.model != call.body["model"]:
            changes["model"] = call.model
        if _MARK in call.raw:
            changes["messages"] = without_own_thoughts(call.body["messages"])
        body = replace_fields(call.raw, changes) if changes else call.raw
        return UpstreamRequest(self._url, body, self.headers(call))

    def headers(self, call: Call) -> Mapping[str, str]:
        """The provider's, and those of the client's that are part of the API; betas of both."""
        if not call.headers:
            return self._headers
        headers = {**self._headers, **call.headers}
        asked = call.headers.get(_BETA)
        if asked and self._betas:
            names = [*self._betas, *(name.strip() for name in asked.split(","))]
            headers[_BETA] = ",".join(dict.fromkeys(filter(None, names)))
        return headers

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The vendor's bytes, once they are known to be a message.

        Raises:
            ProviderError: they are not, or report an error.
        """
        body = load_json_object(response.body, self._name)
        if is_error(body):
            raise reported_error(self._name, body, response.headers)
        if not isinstance(body.get("content"), list):
            raise VendorResponse(self._name, call).wrong("content")
        return Relayed(body, response.body)

    def parse_stream(self, call: Call) -> NativeStream:
        """A parser that passes events through."""
        return NativeStream(VendorResponse(self._name, call))

    def open_stream(self, call: Call, response: UpstreamResponse) -> StreamParser:
        """The same, which knows the `Retry-After` of the response."""
        parser = self.parse_stream(call)
        parser.headers = response.headers
        return parser


class CountTokens(Messages):
    """https://platform.claude.com/docs/en/api/messages/count_tokens."""

    def __init__(self, provider: AnthropicProvider) -> None:
        super().__init__(provider)
        self._url += "/count_tokens"

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The count.

        Raises:
            ProviderError: there is none.
        """
        body = load_json_object(response.body, self._name)
        if not isinstance(body.get("input_tokens"), int):
            raise VendorResponse(self._name, call).wrong("input_tokens")
        return body


def without_own_thoughts(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Messages without the thoughts of other vendors' models, which the router has signed.

    The vendor would refuse their signatures. A message of nothing else is left out: turns of one
    role may follow each other.
    """
    kept = []
    for message in messages:
        content = message.get("content")
        if not isinstance(content, list):
            kept.append(message)
            continue
        blocks = [block for block in content if not _is_own(block)]
        if blocks or not content:
            kept.append(message if len(blocks) == len(content) else {**message, "content": blocks})
    return kept


def _is_own(block: object) -> bool:
    """Whether a block is a thought that the router has signed."""
    if not isinstance(block, Mapping) or block.get("type") != "thinking":
        return False
    signature = block.get("signature")
    return isinstance(signature, str) and signature.startswith(ROUTER_SIGNATURE)


class NativeStream:
    """Passes the events of one stream through, and knows whether it came to its end.

    Args:
        response: that is read.

    Attributes:
        passes: that events may pass unread which differ from one before in their text alone.
        done: whether the vendor has said that it is over.
        headers: of the response, as far as they are known.
    """

    passes = True

    def __init__(self, response: VendorResponse) -> None:
        self.done = False
        self.headers: Mapping[str, str] = {}
        self._response = response

    def feed(self, event: Event) -> Iterable[Body]:
        """The event as a chunk.

        Raises:
            ProviderError: it reports a failure, or is not a JSON object.
        """
        chunk: dict[str, Any] = self._response.load(event.data)
        if chunk.get("type") == "message_stop":
            self.done = True
        elif is_error(chunk):
            raise reported_error(self._response.provider, chunk, self.headers)
        return (Relayed(chunk, event.data),)

    def finish(self) -> Iterable[Body]:
        """Nothing is held back; only checks that the stream is whole.

        Raises:
            ProviderError: it is not.
        """
        if not self.done:
            raise self._response.fault("a stream that breaks off")
        return ()
