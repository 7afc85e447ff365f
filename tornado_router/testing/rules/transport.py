"""Rules about uploads, bytes, framings and credentials, for providers that use them."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tornado_router.errors import ProviderError
from tornado_router.provider import (
    Binary,
    Credentials,
    RawBytes,
    UpstreamRequest,
    UpstreamResponse,
)
from tornado_router.sse import MAX_EVENT_BYTES
from tornado_router.testing.json_paths import thinned
from tornado_router.testing.recordings import CHAT, DEFAULT_REQUESTS, Recording
from tornado_router.testing.replay import Player, sent_body
from tornado_router.testing.replay_client import ReplayClient, cut
from tornado_router.testing.rules.base import Rules, declares, needs_vendor, no_faults
from tornado_router.testing.rules.failures import HTML, STATUSES, UNREADABLE, _response
from tornado_router.testing.rules.requests import header_faults
from tornado_router.testing.rules.secrecy import _leaks, _texts_of
from tornado_router.testing.shapes import describe

_MEBIBYTE = 1024 * 1024
_CLIENTS_FAULT = (400, 404, 413, 422)


class TransportRules(Rules):
    """What goes over the wire beside JSON and server-sent events."""

    def test_endless_event_is_an_error(self, player: Player) -> None:
        """An event that never ends is a ProviderError before it fills the memory.

        The framings of `tornado_router.provider` see to it. One of your own has to raise an error
        once it holds more than `tornado_router.framing.MAX_EVENT_BYTES`.
        """
        needs_vendor(player)
        declares(player.provider, "stream")
        translator = player.provider.endpoints.get(CHAT)
        if translator is not None and translator.framing is RawBytes:
            pytest.skip("raw bytes have no events")
        pieces = _Endless()
        client = ReplayClient(_response(200, b""), pieces)
        outcome = player.stream(self.call(DEFAULT_REQUESTS[CHAT], stream=True), client=client)
        assert isinstance(outcome.error, ProviderError), f"it is {describe(outcome.error)}"
        assert pieces.taken <= MAX_EVENT_BYTES + _MEBIBYTE, (
            f"{pieces.taken // _MEBIBYTE} MiB of one event were read"
        )

    def test_file_is_sent(self, player: Player, upload: Recording) -> None:
        """What the client uploads reaches the vendor, byte by byte.

        Send it as a part of `Parts`, which reads large files from disk, or in base64.
        """
        needs_vendor(player)
        request = player.request(self.recorded_call(upload))
        assert request is not None
        body = sent_body(request)
        no_faults(
            f"`{name}` is not in the request"
            for name, data in upload.files
            if data not in body and base64.b64encode(data) not in body
        )

    def test_bytes_are_passed_on(self, player: Player, binary: Recording) -> None:
        """A response that is not JSON becomes a `Binary`: every byte, and its content type.

        Streamed, it is the same wherever the network cuts it: declare `framing = RawBytes`, and
        give the content type in `open_stream`, which sees the vendor's headers.
        """
        needs_vendor(player)
        assert binary.response is not None
        call, response = self.recorded_call(binary), binary.response
        if not binary.streamed:
            fault = _binary_fault([player.send(call, response)], response)
            assert fault is None, fault
            return
        body = response.body
        for positions in [(), *([at] for at in thinned(range(1, len(body)), self.variants))]:
            fault = _binary_fault(player.batches(call, response, cut(body, positions)), response)
            assert fault is None, f"cut at {list(positions)}: {fault}"

    def test_page_is_refused(self, player: Player, binary: Recording) -> None:
        """An HTML page or a JSON object with status 200 does not pass for the requested bytes.

        Clients would play it. Look at the vendor's content type, in `open_stream` and in
        `parse_response`, and raise `bad_answer(...)`.
        """
        needs_vendor(player)
        call = self.recorded_call(binary)
        for content_type, body in (("text/html", HTML), ("application/json", b'{"error": "No."}')):
            found = player.failure(call, _response(200, body, {"content-type": content_type}))
            assert isinstance(found, ProviderError), f"{content_type}: it is {describe(found)}"

    def test_credentials_are_shared(self, player: Player) -> None:
        """Calls that come together cause one request for a token, and later ones none.

        An issuer limits how often it is asked. Keep the token, and let all calls wait for the same
        request: `TokenCredentials` does.
        """
        credentials = _credentials(player)

        async def ask() -> None:
            await asyncio.gather(
                *(credentials.headers(_request(), player.issuer) for _ in range(10))
            )
            await credentials.headers(_request(), player.issuer)

        player.run(ask())
        _needs_issuer(player)
        asked = Counter((request.url, sent_body(request)) for request in player.issuer.requests)
        most = max(asked.values())
        assert most == 1, f"one request for a token was sent {most} times for 11 calls"

    def test_credentials_are_headers(self, player: Player) -> None:
        """Credentials add proper headers, and leave the request as it is.

        The request that they see is what will be sent: a signature over it holds.
        """
        credentials, request = _credentials(player), _request()
        headers = player.run(credentials.headers(request, player.issuer))
        assert request == _request(), "the request is not what it was"
        assert isinstance(headers, Mapping), f"it is a {type(headers).__name__}, not a mapping"
        no_faults(header_faults(headers))

    def test_failed_credentials_are_reported(self, player: Player) -> None:
        """A missing token is a ProviderError, and the call may go on to another target.

        It is never the client's fault, and holds no secret: an issuer's error may quote what it was
        sent. `fetch` raises a ProviderError with the issuer's status, or `bad_answer(...)`.
        """
        credentials = _credentials(player)
        failures = [(str(status), _response(status, b"{}")) for status in STATUSES]
        failures += [(label, _response(200, body)) for label, body in UNREADABLE.items()]
        no_faults(
            f"the issuer responds with {label}: {fault}"
            for label, response in failures
            if (fault := _failure_fault(player, credentials, response))
        )
        _needs_issuer(player)


class _Endless(Sequence[bytes]):
    """The pieces of an event that does not end; so many bytes were taken."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        piece = b"x" * _MEBIBYTE
        for _ in range(len(self)):
            self.taken += len(piece)
            yield piece

    def __len__(self) -> int:
        return 2 * MAX_EVENT_BYTES // _MEBIBYTE

    def __getitem__(self, index: Any) -> Any:
        return b"x" * _MEBIBYTE


def _binary_fault(bodies: Sequence[Any], response: UpstreamResponse) -> str | None:
    for body in bodies:
        if not isinstance(body, Binary):
            return f"the provider made a {type(body).__name__}, not a Binary"
        data: Any = body.data
        usage: Any = body.usage
        if not isinstance(data, bytes) or not isinstance(usage, Mapping | None):
            return f"it holds a {type(data).__name__} and the usage {usage!r}"
    if b"".join(body.data for body in bodies) != response.body:
        return "the bytes are not the vendor's"
    wanted = response.headers["content-type"]
    if not bodies or bodies[0].content_type != wanted:
        return f"the content type is not the vendor's ({wanted})"
    return None


def _request() -> UpstreamRequest:
    headers = {"Content-Type": "application/json"}
    return UpstreamRequest("https://vendor.example/v1", b"{}", headers)


def _credentials(player: Player) -> Credentials:
    if player.provider.credentials is None:
        pytest.skip("the provider has no `credentials`")
    return player.provider.credentials


def _needs_issuer(player: Player) -> None:
    """Skips a rule about requests for tokens, where none are sent: an SDK fetches them."""
    if not player.issuer.requests:
        pytest.skip("no token is fetched over HTTP")


def _failure_fault(
    player: Player, credentials: Credentials, response: UpstreamResponse
) -> str | None:
    player.issuer.failure = response
    try:
        player.run(credentials.headers(_request(), player.issuer))
    except ProviderError as error:
        if error.status in _CLIENTS_FAULT or not error.retryable:
            return f"it passes for the client's fault: {describe(error)}"
        shown = [where for where, text in _texts_of(error) if _leaks(player.provider, text)]
        return f"a secret is in {shown[0]}" if shown else None
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"it is {describe(error)}"
    return "it passes for a token" if player.issuer.requests else None
