"""Rules about errors of the vendor, and responses that break the promises of its API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from tornado_router.errors import RETRY_AFTER_STATUSES, ApiError, ProviderError
from tornado_router.provider import Call, Relayed, UpstreamResponse
from tornado_router.testing import shapes
from tornado_router.testing.json_paths import spoilt, texts, thinned
from tornado_router.testing.recordings import CHAT, DEFAULT_REQUESTS, Recording
from tornado_router.testing.replay import Player
from tornado_router.testing.replay_client import cut, lines
from tornado_router.testing.rules.base import (
    Rules,
    declares,
    needs_vendor,
    no_faults,
    serves,
)
from tornado_router.testing.shapes import describe
from tornado_router.testing.stream_units import Unit, units

HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
UNREADABLE = {
    "nothing": b"",
    "a blank": b" \n",
    "an HTML page": HTML,
    "half of an object": b'{"id": "1", "choi',
    "no UTF-8": b'{"id": "\xff\xfe"}',
    "null": b"null",
    "a list": b"[]",
    "a text": b'"Hello"',
    "a number": b"7",
    "an empty object": b"{}",
}
STATUSES = (400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529)
RETRY = {401, 403, 404, 408, 409, 429}
ERROR_BODIES = {
    "an error object": b'{"error": {"message": "It is wrong.", "type": "t", "code": "c"}}',
    "nothing": b"",
    "an HTML page": HTML,
    "no object": b"[]",
    "an error that is a text": b'{"error": "It is wrong."}',
    "an error of odd types": b'{"error": {"message": 5, "type": [], "param": {}, "code": 7}}',
    "an error in other words": b'{"detail": [{"loc": ["body"], "msg": "It is wrong."}]}',
    "no UTF-8": b"\xff\xfe",
}
_CUTS = 120


class FailureRules(Rules):
    """A failure becomes an error: never a crash, and never an incomplete response."""

    def test_unreadable_response_is_an_error(self, player: Player) -> None:
        """An unreadable body is a ProviderError with status 502 that names the provider.

        The page of a proxy, half a response, or an object of another kind can have status 200,
        too. Raise `bad_answer(...)`, with the name of the provider.
        """
        needs_vendor(player)
        no_faults(
            f"{label}, {endpoint}: {fault}"
            for endpoint in player.provider.capabilities
            for label, body in UNREADABLE.items()
            if (fault := self._bad_response_fault(player, endpoint, body))
        )

    def test_cut_off_response_is_an_error(self, player: Player, whole: Recording) -> None:
        """A recorded response without its end is a ProviderError with status 502."""
        needs_vendor(player)
        self.response(player, whole)
        assert whole.response is not None
        call, found = self.recorded_call(whole), whole.response
        body = found.body.rstrip()
        for size in thinned(range(1, len(body)), 40):
            response = UpstreamResponse(found.status, found.headers, body[:size])
            fault = _bad_response(player.failure(call, response), player)
            assert fault is None, f"cut behind byte {size}: {fault}"

    def test_odd_response_does_not_crash(self, player: Player, whole: Recording) -> None:
        """A response with one odd or missing value is a ProviderError, or still valid.

        Each value of a recorded response is replaced, by null, a number, a list and so on. Check
        what you read before you use it, and raise `bad_answer(...)` with the name of the
        provider and of the field.
        """
        needs_vendor(player)
        self.response(player, whole)
        no_faults(self._odd_responses(player, whole))

    def test_empty_stream_is_an_error(self, player: Player) -> None:
        """A stream without any event, or with something else than events, is a ProviderError."""
        needs_vendor(player)
        declares(player.provider, "stream")
        bodies = {
            "nothing": b"",
            "a comment": b": ping\n\n",
            "an HTML page": HTML,
            "an event that is not JSON": b"data: {\n\n",
            "an event that is not an object": b"data: [1]\n\n",
            "an event that is null": b"data: null\n\n",
            "the end alone": b"data: [DONE]\n\n",
        }
        call = self.call(DEFAULT_REQUESTS[CHAT], stream=True)
        no_faults(
            f"{label}: {fault}"
            for label, body in bodies.items()
            if (fault := _bad_response(player.failure(call, _ok(body)), player))
        )

    def test_cut_off_stream_is_an_error(self, player: Player, stream: Recording) -> None:
        """A stream that ends too early is a ProviderError, wherever it ends.

        Half a response must not pass for a whole one: the client would act on it. The vendor's
        last event marks the end; if it is missing, raise `bad_answer(...)` in `finish`.
        """
        needs_vendor(player)
        everything = shapes.substance(shapes.joined(self.played(player, stream).chunks))
        call, body = self.recorded_call(stream), stream.body.rstrip()
        faults = []
        for size in thinned(_ends(body), _CUTS):
            outcome = player.stream(call, stream.response, cut(body[:size], ()))
            if isinstance(outcome.error, ProviderError):
                continue
            if outcome.error is not None:
                faults.append(f"cut behind byte {size}: {describe(outcome.error)}")
            elif shapes.substance(shapes.joined(outcome.chunks)) != everything:
                faults.append(f"cut behind byte {size}: it passes for a whole response")
        no_faults(faults)

    def test_odd_event_does_not_crash(self, player: Player, stream: Recording) -> None:
        """A stream with one odd or missing value is a ProviderError, or has valid chunks only.

        As for whole responses. An event of a type that you do not know is to be passed over:
        vendors add some.
        """
        needs_vendor(player)
        self.played(player, stream)
        no_faults(self._odd_events(player, stream))

    @pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
    def test_error_status_is_reported(self, player: Player, streamed: bool) -> None:
        """An error's status reaches the core, with `retryable`.

        The core falls back to another provider on what is `retryable`: a bad key, a limit, a
        failure of the vendor's; and not on a request that every provider refuses. Leave the
        status as it is in `parse_error`: the core makes it fit for clients.
        """
        call = self._call_for_errors(player, streamed)
        no_faults(
            f"{status} with {label}: {fault}"
            for status in STATUSES
            for label, body in ERROR_BODIES.items()
            if (fault := _status_fault(player.failure(call, _response(status, body)), status))
        )

    @pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
    def test_retry_after_is_reported(self, player: Player, streamed: bool) -> None:
        """`Retry-After` of a 429, 503 or 529 is among the error's `headers`.

        Clients wait as long as it says. `Provider.parse_error` does this.
        """
        call = self._call_for_errors(player, streamed)
        for status in sorted(RETRY_AFTER_STATUSES):
            error = player.failure(call, _response(status, b"{}", {"retry-after": "7"}))
            headers = CIMultiDict(getattr(error, "headers", {}))
            assert headers.get("Retry-After") == "7", f"it is lost from a {status}"

    def test_recorded_error_is_reported(self, player: Player, failure: Recording) -> None:
        """A recorded error becomes a ProviderError of its kind, with the vendor's explanation.

        A 4xx stays one and says why, in the vendor's words: the client can mend its request.
        An error in a stream that began with status 200 is a failure like any other.
        """
        serves(player.provider, failure.endpoint)
        error = player.failure(self.recorded_call(failure), failure.response)
        assert isinstance(error, ProviderError), f"it is {describe(error)}, not a ProviderError"
        assert failure.response is not None
        status = failure.response.status
        if status < 400:
            assert error.status >= 400, f"its status is {error.status}"
            return
        assert error.status // 100 == status // 100, f"a {status} became a {error.status}"
        if status in (400, 404, 413, 422):
            words = [text for text in _texts(failure.body) if len(text) > 10 and " " in text]
            explained = not words or any(text in error.message for text in words)
            assert explained, f"the vendor's explanation is lost: {error.message!r}"

    def _call_for_errors(self, player: Player, streamed: bool) -> Call:
        needs_vendor(player)
        serves(player.provider)
        if streamed:
            declares(player.provider, "stream")
        return self.call(DEFAULT_REQUESTS[CHAT], stream=streamed)

    def _bad_response_fault(self, player: Player, endpoint: str, body: bytes) -> str | None:
        if endpoint not in DEFAULT_REQUESTS:
            return None
        call = self.call(DEFAULT_REQUESTS[endpoint], endpoint)
        return _bad_response(player.failure(call, _ok(body)), player)

    def _odd_responses(self, player: Player, whole: Recording) -> Iterator[str]:
        try:
            body = orjson.loads(whole.body)
        except orjson.JSONDecodeError:
            pytest.skip("the vendor does not respond in JSON")
        call, found = self.recorded_call(whole), whole.response
        assert found is not None
        for done, other in spoilt(body, self.variants):
            response = UpstreamResponse(found.status, found.headers, orjson.dumps(other))
            fault = _crash(lambda: player.send(call, response), _response_fault)  # noqa: B023
            if fault:
                yield f"{done}: {fault}"

    def _odd_events(self, player: Player, stream: Recording) -> Iterator[str]:
        call, found = self.recorded_call(stream), stream.response
        assert found is not None
        for done, body in thinned(
            list(_odd_streams(units(player.provider, stream))), self.variants
        ):
            pieces = cut(body, ())
            fault = _crash(lambda: player.batches(call, found, pieces), _chunks_fault)  # noqa: B023
            if fault:
                yield f"{done}: {fault}"


def _ok(body: bytes) -> UpstreamResponse:
    return _response(200, body)


def _response(
    status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> UpstreamResponse:
    return UpstreamResponse(status, CIMultiDict(headers or {}), body)


def _bad_response(error: Exception | None, player: Player) -> str | None:
    """What is wrong with the error for an unreadable response."""
    if error is None:
        return "it passes for a response"
    if not isinstance(error, ProviderError):
        return f"it is {describe(error)}, not a ProviderError"
    if error.status != 502:
        return f"its status is {error.status}, not 502"
    if player.provider.name not in error.message:
        return f"the message does not name the provider: {error.message!r}"
    return None


def _status_fault(error: Exception | None, status: int) -> str | None:
    if not isinstance(error, ProviderError):
        return f"it is {describe(error)}, not a ProviderError"
    if error.status != status and not (status >= 500 and error.status in (502, 503, 504, 529)):
        return f"its status is {error.status}"
    if error.retryable != (status >= 500 or status in RETRY):
        return f"`retryable` is {error.retryable}"
    for name in ("message", "type"):
        if not isinstance(getattr(error, name), str) or not getattr(error, name):
            return f"its `{name}` is {getattr(error, name)!r}"
    for name in ("param", "code"):
        if not isinstance(getattr(error, name), str | None):
            return f"its `{name}` is {getattr(error, name)!r}"
    return None


def _texts(body: bytes) -> list[str]:
    try:
        return [text for _, text in texts(orjson.loads(body))]
    except orjson.JSONDecodeError:
        return []


def _ends(body: bytes) -> list[int]:
    """Where a stream may break: behind each line, and in the middle of each."""
    ends, start = [], 0
    for line in lines(body):
        ends += [start + len(line) // 2, start + len(line)]
        start += len(line)
    return [end for end in dict.fromkeys(ends) if 0 < end < len(body)]


def _odd_streams(all_units: Sequence[Unit]) -> Iterator[tuple[str, bytes]]:
    raw = [unit.raw for unit in all_units]
    for number, unit in enumerate(all_units):
        if unit.value is None:
            continue
        for done, other in spoilt(unit.value, 60):
            whole = b"".join((*raw[:number], unit.dumped(other), *raw[number + 1 :]))
            yield f"line {number + 1}: {done}", whole


def _crash(play: Callable[[], Any], judge: Callable[[Any], str | None]) -> str | None:
    """What is wrong with the outcome of an odd response."""
    try:
        return judge(play())
    except ApiError as error:
        return None if isinstance(error, ProviderError) else f"it is {describe(error)}"
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"it crashes: {describe(error)}"


def _response_fault(response: Any) -> str | None:
    if isinstance(response, Relayed):  # its bytes are the vendor's own, and are not all read
        return None
    return shapes.misfit(f"{CHAT}.response", response)


def _chunks_fault(batches: Sequence[Any]) -> str | None:
    for chunk in batches:
        fault = None if isinstance(chunk, Relayed) else shapes.misfit(f"{CHAT}.chunk", chunk)
        if fault:
            return fault
    return None
