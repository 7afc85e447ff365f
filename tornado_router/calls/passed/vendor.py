"""The vendor's side of a request that is passed on: sent, and read back without secrets."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol, cast

from tornado_router.calls.passed import resumable
from tornado_router.calls.upstream.interface import ByteStream
from tornado_router.calls.vendor_errors import judge
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.plugins.registry import FAULTS, ConfiguredProvider
from tornado_router.provider import (
    HTTPClient,
    PassThrough,
    Provider,
    UpstreamResponse,
    UpstreamStream,
)

PIECE_BYTES = 256 * 1024
"""The most of a response that is passed on at once."""

RETURNED = (
    *("accept-ranges", "content-disposition", "content-range", "etag", "last-modified"),
    *(resumable.URL_HEADER, *resumable.RETURNED),
)
"""Headers of a response that reach the client, beside its type and length."""

_ASTERISK = b"*"


class Source(Protocol):
    """Where requests go: a vendor, or what the router keeps itself.

    Attributes:
        name: of the provider.
        waited: seconds for which it was waited for.
    """

    name: str
    waited: float

    def opened(self, request: PassThrough) -> AbstractAsyncContextManager[Any]:
        """Sends a request; the response, which is a success, is read inside of it.

        Raises:
            ApiError: it was refused, or failed.
        """
        ...

    async def read(self, response: Any) -> bytes:
        """The whole body of a response, without secrets.

        Raises:
            ApiError: it broke off, or is too large.
        """
        ...

    def pieces(self, response: Any) -> AsyncIterator[bytes]:
        """The body of a response as it comes, without secrets.

        Raises:
            ApiError: it broke off.
        """
        ...

    def headers(self, response: Any) -> dict[str, str]:
        """The headers of a response that reach the client."""
        ...

    def content_type(self, response: Any) -> str:
        """The type of a response."""
        ...


class Vendor:
    """One provider, for requests that are passed on.

    Args:
        configured: the provider, which is on.
        client: its connections.
    """

    def __init__(self, configured: ConfiguredProvider, client: HTTPClient) -> None:
        assert configured.provider is not None, "it is on"
        self.name = configured.name
        self._configured = configured
        self._provider: Provider = configured.provider
        self._client = client
        self.waited = 0.0

    @asynccontextmanager
    async def opened(self, request: PassThrough) -> AsyncIterator[UpstreamStream]:
        """Sends a request; the response, which is a success, is read inside of it.

        Raises:
            ApiError: the vendor refused it, or failed.
        """
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            try:
                made = self._provider.pass_through(request)
                if made is None:
                    raise Invalid.passed_to_none(provider=self.name)
                http = self._provider.authorized(self._client)
                response = await stack.enter_async_context(http.stream(made))
                if not 200 <= response.status < 300:
                    body = await response.read()
                    head = UpstreamResponse(response.status, response.headers, body)
                    raise self._provider.parse_error(head)
            except FAULTS as error:
                raise self._judged(error) from None
            finally:
                self.waited += time.monotonic() - began
            yield response

    async def read(self, response: UpstreamStream) -> bytes:
        """The whole body of a response, without secrets.

        Raises:
            ApiError: it broke off, or is too large.
        """
        try:
            body = await response.read()
        except FAULTS as error:
            raise self._judged(error) from None
        scrubber = self.scrubber()
        return scrubber.feed(body) + scrubber.rest()

    async def pieces(self, response: UpstreamStream) -> AsyncIterator[bytes]:
        """The body of a response as it comes, without secrets.

        Raises:
            ApiError: it broke off.
        """
        cast(ByteStream, response).widen(PIECE_BYTES)
        scrubber, pieces = self.scrubber(), aiter(response)
        while True:
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                break
            except FAULTS as error:
                raise self._judged(error) from None
            if clean := scrubber.feed(piece):
                yield clean
        if rest := scrubber.rest():
            yield rest

    def headers(self, response: UpstreamStream) -> dict[str, str]:
        """The headers of a response that reach the client."""
        found = {name: response.headers.get(name) for name in RETURNED}
        return {name: self._clean(value) for name, value in found.items() if value}

    def content_type(self, response: UpstreamStream) -> str:
        """The type of a response; bytes of an unknown kind if it says none."""
        return self._clean(response.headers.get("content-type") or "application/octet-stream")

    def scrubber(self) -> Scrubber:
        """What takes the provider's secrets out of a body."""
        credentials = self._provider.credentials
        fetched = credentials.secrets() if credentials else ()
        return Scrubber([*self._configured.secrets, *fetched])

    def _clean(self, text: str) -> str:
        scrubber = self.scrubber()
        clean = scrubber.feed(text.encode("utf-8", "replace")) + scrubber.rest()
        return "".join(it for it in clean.decode("utf-8", "replace") if " " <= it < "\x7f")

    def _judged(self, error: BaseException) -> ApiError:
        return judge(error, self._configured).error


class Scrubber:
    """Takes secrets out of bytes, whatever the pieces they come in; their number stays the same.

    Args:
        secrets: what is to be taken out, in every form.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = [secret.encode() for secret in secrets if secret]
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Takes the next bytes, and gives those that hold no secret, nor the beginning of one."""
        data = self._held + piece if self._held else piece
        for secret in self._secrets:
            if secret in data:
                data = data.replace(secret, _ASTERISK * len(secret))
        kept = self._beginning(data)
        self._held = data[len(data) - kept :] if kept else b""
        return data[: len(data) - kept] if kept else data

    def rest(self) -> bytes:
        """What is left at the end, which begins as a secret does and is none."""
        held, self._held = self._held, b""
        return held

    def _beginning(self, data: bytes) -> int:
        """How many bytes at the end may begin a secret."""
        longest = 0
        for secret in self._secrets:
            first = secret[:1]
            at = data.find(first, max(0, len(data) - len(secret) + 1))
            while at >= 0 and not secret.startswith(data[at:]):
                at = data.find(first, at + 1)
            if at >= 0:
                longest = max(longest, len(data) - at)
        return longest


def is_json(content_type: str) -> bool:
    """Whether a response is JSON."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def length_of(headers: Mapping[str, str]) -> str:
    """The length of a body that goes on as it came; empty if it is not known."""
    length = headers.get("content-length") or ""
    encoding = (headers.get("content-encoding") or "identity").lower()
    return length if length.isdecimal() and encoding == "identity" else ""
