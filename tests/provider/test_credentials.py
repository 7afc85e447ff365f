"""Credentials that expire: one fetch for all calls, ahead of time, and once more after a 401."""

import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest

from tornado_router.provider import (
    Credentials,
    Part,
    Parts,
    ProviderError,
    Token,
    TokenCredentials,
    UpstreamRequest,
    UpstreamResponse,
)
from tornado_router.provider.credentials import AuthorizedClient

from .connection import Answer, Connection, Vendor, call

REQUEST = UpstreamRequest("https://v/1", b"{}", {"X-Id": "1"})


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Issuer:
    """Issues t1, t2, ...; waits for `go` before each, and may fail."""

    def __init__(self, seconds=3600.0):
        self.seconds = seconds
        self.count = 0
        self.error = None
        self.go = asyncio.Event()
        self.go.set()
        self.asked = asyncio.Event()

    async def __call__(self, http):
        self.asked.set()
        await self.go.wait()
        if self.error:
            raise self.error
        self.count += 1
        return Token(f"t{self.count}", self.seconds)


class Case:
    def __init__(self, **how):
        self.issuer = Issuer(how.pop("seconds", 3600.0))
        self.clock = Clock()
        self.credentials = TokenCredentials(self.issuer, clock=self.clock, **how)

    async def token(self):
        headers = await self.credentials.headers(REQUEST, None)
        return headers["Authorization"].removeprefix("Bearer ")

    async def settle(self):
        """Lets a renewal in the background come to its end."""
        while self.credentials._fetching is not None:  # noqa: ASYNC110
            await asyncio.sleep(0)


def run(story, **how):
    async def main():
        return await story(Case(**how))

    return asyncio.run(main())


class TestTokenCredentials:
    def test_a_token_is_fetched_once(self):
        async def story(case):
            return [await case.token() for _ in range(3)], case.issuer.count

        assert run(story) == (["t1"] * 3, 1)

    def test_calls_that_come_together_wait_for_one_fetch(self):
        async def story(case):
            case.issuer.go.clear()
            waiting = asyncio.gather(*(case.token() for _ in range(20)))
            await case.issuer.asked.wait()
            case.issuer.go.set()
            return set(await waiting), case.issuer.count

        assert run(story) == ({"t1"}, 1)

    def test_it_is_renewed_before_it_expires_while_calls_use_the_old_one(self):
        async def story(case):
            await case.token()
            case.issuer.go.clear()
            case.clock.now += 3300  # five minutes before its end
            old = [await case.token() for _ in range(3)]
            case.issuer.go.set()
            await case.settle()
            return old, await case.token(), case.issuer.count

        assert run(story) == (["t1"] * 3, "t2", 2)

    def test_the_last_two_are_secrets(self):
        async def story(case):
            await case.token()
            for _ in range(2):
                case.clock.now += 3601
                await case.token()
            return list(case.credentials.secrets())

        assert run(story) == ["t3", "t2"]

    def test_a_short_life_is_renewed_in_its_last_third(self):
        async def story(case):
            await case.token()
            case.clock.now += 59
            assert await case.token() == "t1"
            await case.settle()
            assert case.issuer.count == 1
            case.clock.now += 2
            assert await case.token() == "t1"
            await case.settle()
            return await case.token()

        assert run(story, seconds=90.0) == "t2"

    def test_an_expired_token_is_not_sent(self):
        async def story(case):
            await case.token()
            case.clock.now += 3601
            return await case.token()

        assert run(story) == "t2"

    def test_a_token_without_an_end_is_kept(self):
        async def story(case):
            await case.token()
            case.clock.now += 10**9
            return await case.token()

        assert run(story, seconds=None) == "t1"

    def test_a_renewal_that_fails_leaves_the_old_token_and_is_tried_again_later(self):
        async def story(case):
            await case.token()
            case.clock.now += 3400
            case.issuer.error = ProviderError(503, "Away.")
            for _ in range(3):
                assert await case.token() == "t1"
                await case.settle()
            case.issuer.error = None
            assert await case.token() == "t1"
            assert case.credentials._fetching is None  # not at once
            case.clock.now += 10
            assert await case.token() == "t1"
            await case.settle()
            return await case.token()

        assert run(story) == "t2"

    def test_a_call_that_is_cancelled_takes_the_token_from_no_other(self):
        async def story(case):
            case.issuer.go.clear()
            loop = asyncio.get_running_loop()
            first, second = (loop.create_task(case.token()) for _ in range(2))
            await case.issuer.asked.wait()
            first.cancel()
            await asyncio.wait([first])
            case.issuer.go.set()
            return await second, case.issuer.count

        assert run(story) == ("t1", 1)

    def test_the_header_can_be_another(self):
        async def story(case):
            return await case.credentials.headers(REQUEST, None)

        assert run(story, header="X-Key", scheme="") == {"X-Key": "t1"}

    def test_blocking_code_runs_in_a_thread(self):
        async def main():
            credentials = TokenCredentials(lambda http: asyncio.to_thread(Token, "sdk", 60))
            return await credentials.headers(REQUEST, None)

        assert asyncio.run(main()) == {"Authorization": "Bearer sdk"}

    @pytest.mark.parametrize(
        ("status", "expected"), [(400, 401), (403, 401), (404, 401), (429, 429), (503, 503)]
    )
    def test_a_failed_fetch_is_never_the_clients_fault(self, status, expected):
        async def story(case):
            case.issuer.error = ProviderError(status, "No.", retryable=False, code="bad_client")
            results = await asyncio.gather(case.token(), case.token(), return_exceptions=True)
            assert results[0] is not results[1]  # each call changes its own
            case.issuer.error = None
            return results[0], await case.token()

        error, later = run(story)
        assert (error.status, error.retryable, error.code) == (expected, True, "bad_client")
        assert later == "t1"

    def test_a_token_is_in_no_repr(self):
        async def story(case):
            await case.token()
            return f"{Token('t1')!r} {case.credentials!r} {case.credentials._held!r}"

        assert "t1" not in run(story)


class Lenient(Connection):
    """A vendor that accepts some tokens and remembers what was sent."""

    def __init__(self, *accepted):
        super().__init__([b"HEY"])
        self.accepted = accepted

    @asynccontextmanager
    async def stream(self, request):
        self.sent.append(request)
        good = request.headers["Authorization"].removeprefix("Bearer ") in self.accepted
        pieces = [b"data: hey\n\ndata: END\n\n"] if good else [b"{}"]
        try:
            yield Answer(200 if good else 401, {}, pieces)
        finally:
            self.closed += 1

    @asynccontextmanager
    async def connect(self, request, protocols=()):
        self.sent.append(request)
        if request.headers["Authorization"].removeprefix("Bearer ") not in self.accepted:
            raise ProviderError(401, "No.")
        yield "socket"


async def _streamed(http):
    async with http.stream(REQUEST) as response:
        return UpstreamResponse(response.status, {}, await response.read())


async def _connected(http):
    try:
        async with http.connect(REQUEST) as socket:
            return UpstreamResponse(200 if socket == "socket" else 0, {}, b"")
    except ProviderError as error:
        return UpstreamResponse(error.status, {}, b"")


WAYS = {"send": lambda http: http.send(REQUEST), "stream": _streamed, "connect": _connected}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
class TestAuthorizedClient:
    def test_a_request_goes_out_with_its_credentials(self, way):
        async def story(case):
            vendor = Lenient("t1")
            response = await way(AuthorizedClient(vendor, case.credentials))
            return response.status, vendor.sent

        status, (sent,) = run(story)
        assert status == 200
        assert sent.headers == {"X-Id": "1", "Authorization": "Bearer t1"}
        assert (sent.url, sent.body, sent.method) == ("https://v/1", b"{}", "POST")
        assert REQUEST.headers == {"X-Id": "1"}

    def test_after_a_401_it_is_sent_once_more_with_new_ones(self, way):
        async def story(case):
            vendor = Lenient("t2")
            await case.token()
            case.clock.now += 60
            response = await way(AuthorizedClient(vendor, case.credentials))
            return response.status, [r.headers["Authorization"] for r in vendor.sent]

        assert run(story) == (200, ["Bearer t1", "Bearer t2"])

    def test_and_no_more_than_once(self, way):
        async def story(case):
            vendor = Lenient()
            await case.token()
            case.clock.now += 60
            response = await way(AuthorizedClient(vendor, case.credentials))
            return response.status, len(vendor.sent), case.issuer.count

        assert run(story) == (401, 2, 2)

    def test_a_token_that_is_new_is_not_fetched_again(self, way):
        """Else a key that is wrong would double each call, and each would fetch a token."""

        async def story(case):
            vendor = Lenient()
            response = await way(AuthorizedClient(vendor, case.credentials))
            return response.status, len(vendor.sent), case.issuer.count

        assert run(story) == (401, 1, 1)


def test_calls_refused_together_share_one_new_token():
    async def story(case):
        vendor = Lenient("t2")
        await case.token()
        case.clock.now += 60
        http = AuthorizedClient(vendor, case.credentials)
        responses = await asyncio.gather(*(http.send(REQUEST) for _ in range(10)))
        return {response.status for response in responses}, case.issuer.count

    assert run(story) == ({200}, 2)


def test_a_stream_that_was_refused_is_closed_before_the_next():
    async def story(case):
        vendor = Lenient("t2")
        await case.token()
        case.clock.now += 60
        async with AuthorizedClient(vendor, case.credentials).stream(REQUEST):
            open_now = len(vendor.sent) - vendor.closed
        return open_now, vendor.closed

    assert run(story) == (1, 2)


class Signature(Credentials):
    """Signs what is sent, as it is sent."""

    async def headers(self, request, http):
        body = request.body
        data = b"".join(body.pieces()) if isinstance(body, Parts) else body
        parts = (request.method, request.url, *sorted(request.headers.items()), len(data))
        return {"X-Signature": "|".join(map(str, parts))}


def sign(request):
    async def main():
        connection = Connection([b""], 401)
        await AuthorizedClient(connection, Signature()).send(request)
        return connection.sent

    return asyncio.run(main())


def test_a_signature_sees_the_final_request():
    (sent,) = sign(REQUEST)  # not sent again after its 401: nothing would be different
    assert sent.headers["X-Signature"] == "POST|https://v/1|('X-Id', '1')|2"


def test_a_signature_sees_the_content_type_of_a_form():
    parts = Parts((Part("a", "x"),))
    (sent,) = sign(UpstreamRequest("https://v/1", parts, {}))
    assert f"('Content-Type', '{parts.content_type}')|{parts.size}" in sent.headers["X-Signature"]
    assert sent.body is parts


def test_a_provider_uses_its_credentials_for_whole_and_streamed_calls():
    async def story(case):
        provider = Vendor("vendor", {})
        provider.credentials = case.credentials
        connection = Lenient("t1")
        assert await provider.send(call(), connection)
        async with aclosing(provider.stream(call(), connection)) as batches:
            assert [batch async for batch in batches]
        return [request.headers["Authorization"] for request in connection.sent]

    assert run(story) == ["Bearer t1"] * 2
