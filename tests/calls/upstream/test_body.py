"""Whole bodies of a vendor's: bounded each, bounded together, inflated in pieces."""

import asyncio
import contextvars
import gzip
import zlib

import pytest

from tornado_router.background.held_memory import UNCOUNTED, Hold, request_hold
from tornado_router.errors import ApiError, ProviderError

from .vendor import CHUNKED, END, Vendor, never, piece, post, room, serving

pytestmark = pytest.mark.usefixtures("each_client")

LIMIT = 65_536
LARGE = b"x" * (LIMIT + 1)
FITS = b"x" * LIMIT


def sized(body, status=200, encoding=None):
    """A whole response that announces its length."""
    coded = b"Content-Encoding: %s\r\n" % encoding.encode() if encoding else b""
    return b"HTTP/1.1 %d Whatever\r\n%sContent-Length: %d\r\n\r\n%s" % (
        status,
        coded,
        len(body),
        body,
    )


def ask(*scripts, streamed=False, memory=None, hold=None, **options):
    """What comes of a request for each script: its body, or the error; and whether it was cut."""
    options = {"max_response_bytes": LIMIT, "max_error_bytes": LIMIT, **options}

    async def one(client, url):
        try:
            if not streamed:
                return (await client.send(post(url))).body
            async with client.stream(post(url)) as response:
                return await response.read()
        except ApiError as error:
            return error

    async def main():
        request_hold.set(hold)
        vendor = Vendor(*scripts)
        async with serving(vendor, memory=memory, **options) as (client, url):
            outcomes = [await one(client, url) for _ in scripts]
        return outcomes, vendor

    outcomes, vendor = contextvars.copy_context().run(asyncio.run, main())
    return (*outcomes, vendor)


def is_too_large(outcome):
    assert isinstance(outcome, ProviderError)
    assert (outcome.status, outcome.code, outcome.retryable) == (502, "response_too_large", True)
    return True


def endless():
    yield CHUNKED
    while True:
        yield piece(b"x" * 16_384)


@pytest.mark.parametrize("streamed", [False, True])
class TestOne:
    def test_at_the_limit_it_is_read(self, streamed):
        assert ask([sized(FITS)], streamed=streamed)[0] == FITS

    def test_one_that_announces_more_is_not_even_begun(self, streamed):
        head, _, _ = sized(LARGE).partition(b"x")
        outcome, vendor = ask([head, never()], streamed=streamed)
        assert is_too_large(outcome)
        assert vendor.gone.is_set()

    def test_an_endless_one_is_cut(self, streamed):
        outcome, vendor = ask(endless(), streamed=streamed)
        assert is_too_large(outcome)
        assert vendor.gone.is_set()

    @pytest.mark.parametrize("status", [302, 400, 429, 500])
    def test_that_of_an_error_has_a_limit_of_its_own(self, status, streamed):
        options = {"max_response_bytes": 10 * LIMIT}
        fits, large, _ = ask(
            [sized(FITS, status)], [sized(LARGE, status)], streamed=streamed, **options
        )
        assert fits == FITS
        assert is_too_large(large)

    @pytest.mark.parametrize(
        ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
    )
    def test_a_compressed_one_counts_inflated(self, encoding, compress, streamed):
        fits, large, _ = ask(
            [sized(compress(FITS), 200, encoding)],
            [sized(compress(LARGE * 1000), 200, encoding)],
            streamed=streamed,
        )
        assert fits == FITS
        assert is_too_large(large)

    @pytest.mark.parametrize(
        ("value", "counts"), [(b"{}", 1.1), (b'"x"', 1.1), (b"[1,2]", 1.2), (b"[0,0,0,0,0]", 1.5)]
    )
    def test_one_of_too_many_values_is_not_parsed(self, value, counts, streamed):
        limit, padded = 10_000, value + b" " * 40
        fits, large, _ = ask(
            *(
                [sized(b" [%s]" % b",".join([padded] * int(limit * share / counts)))]
                for share in (0.97, 1.03)
            ),
            streamed=streamed,
            max_response_bytes=2**24,
            max_response_values=limit,
        )
        assert fits.startswith(b" [")
        assert is_too_large(large)

    def test_but_bytes_that_are_no_json_are_not_counted(self, streamed):
        sound = b"\x00" + b"{[" * 300_000
        options = {"max_response_bytes": 2**24, "max_response_values": 1000}
        assert ask([sized(sound)], streamed=streamed, **options)[0] == sound

    @pytest.mark.parametrize("encoding", ["br", "zstd", "gzip"])
    def test_one_that_cannot_be_inflated_is_refused(self, encoding, streamed):
        outcome, _ = ask([sized(b"\x00\x01\x02", 200, encoding)], streamed=streamed)
        assert (outcome.status, outcome.code) == (502, "bad_provider_answer")
        assert outcome.message == (
            "The provider 'acme' compressed its response in a way that cannot be read."
        )


@pytest.mark.parametrize("is_sized", [True, False])
def test_a_compressed_one_that_was_begun_as_a_stream_is_read_on(is_sized):
    body = bytes(range(256)) * 512
    coded = gzip.compress(body)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
    if is_sized:
        script = [head + b"Content-Length: %d\r\n\r\n" % len(coded) + coded]
    else:
        script = [head + b"Transfer-Encoding: chunked\r\n\r\n" + piece(coded) + END]

    async def main():
        async with serving(Vendor(script)) as (client, url), client.stream(post(url)) as response:
            first = await anext(aiter(response))
            return first, await response.read()

    first, rest = asyncio.run(main())
    assert 0 < len(first) < len(body)
    assert first + rest == body


class TestTogether:
    def test_one_for_which_there_is_no_room_is_refused(self):
        memory = room(3 * LIMIT)
        other = Hold(memory)
        other.grow(2 * LIMIT)
        outcome, vendor = ask([sized(LARGE)], memory=memory, max_response_bytes=2 * LIMIT)
        assert (outcome.status, outcome.code) == (503, "overloaded")
        assert not isinstance(outcome, ProviderError)
        assert outcome.headers == {"Retry-After": "1"}
        assert vendor.gone.is_set()
        assert memory.held == 2 * LIMIT

    def test_but_not_a_small_one(self):
        memory = room(0)
        assert ask([sized(b"x" * UNCOUNTED)], memory=memory)[0] == b"x" * UNCOUNTED

    def test_it_counts_until_its_request_is_over(self):
        memory = room()
        hold = Hold(memory)
        ask([sized(LARGE)], memory=memory, hold=hold, max_response_bytes=2 * LIMIT)
        assert memory.held == len(LARGE)
        hold.free()
        assert memory.held == 0

    def test_without_a_request_until_it_is_read(self):
        memory = room()
        over = Hold(memory)
        over.free()
        for hold in (None, over):
            ask([sized(LARGE)], memory=memory, hold=hold, max_response_bytes=2 * LIMIT)
            assert memory.held == 0

    def test_one_that_fails_does_not_count(self):
        memory = room()
        hold = Hold(memory)
        begun = sized(LARGE)[:-1]
        outcomes = ask(
            [begun, None], endless(), memory=memory, hold=hold, max_response_bytes=2 * LIMIT
        )
        assert [outcome.status for outcome in outcomes[:-1]] == [502, 502]
        assert memory.held == 0


class TestEvents:
    """What is held of an event of a stream whose end does not come."""

    def test_they_count(self):
        memory = room(3 * UNCOUNTED)

        async def main():
            script = [CHUNKED, piece(b"x"), END]
            async with serving(Vendor(script), memory=memory) as (client, url):
                async with client.stream(post(url)) as response:
                    held = []
                    for size in (UNCOUNTED, 2 * UNCOUNTED, 3 * UNCOUNTED, 0, 2 * UNCOUNTED):
                        response.hold(size)
                        held.append(memory.held)
                    with pytest.raises(ApiError) as caught:
                        response.hold(4 * UNCOUNTED)
                return held, caught.value

        held, error = asyncio.run(main())
        assert held == [0, 2 * UNCOUNTED, 3 * UNCOUNTED, 0, 2 * UNCOUNTED]
        assert (error.status, error.code) == (503, "overloaded")
        assert memory.held == 0
