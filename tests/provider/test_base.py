"""A provider over HTTP: what the base class does for a plugin, over a connection of the core's."""

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import ClassVar

import orjson
import pytest

from tornado_router.errors import ApiError
from tornado_router.provider import (
    AWSEventStream,
    Call,
    JSONLines,
    Provider,
    ProviderError,
    UpstreamRequest,
    UpstreamResponse,
    is_error,
    load_json_object,
    reported_error,
)

from .connection import VENDOR, Connection, Shout, Vendor, call


def send(connection):
    return asyncio.run(VENDOR.send(call(), connection))


def stream(connection, count=None):
    """The batches of chunks of a stream, all of them or so many."""

    async def main():
        batches = []
        async with aclosing(VENDOR.stream(call(), connection)) as chunks:
            async for batch in chunks:
                batches.append([chunk["shouted"] for chunk in batch])
                if len(batches) == count:
                    break
        return batches

    return asyncio.run(main())


class Whole(Shout):
    """A vendor that may respond whole to what should be a stream."""

    def parse_response(self, call, response):
        body = load_json_object(response.body, "whole")
        if is_error(body):
            raise reported_error("whole", body, response.headers)
        return {"choices": [{"message": {"content": body["word"].upper()}}]}

    def parse_stream(self, call):
        return WholeParser()


class WholeParser:
    done = False

    def feed(self, event):
        self.done = True
        return [{"ended": True}]

    def finish(self):
        return []


def streamed(translator, pieces):
    """The chunks that a translator makes of a stream."""

    async def main():
        vendor = Provider("whole", {})
        vendor.endpoints = {"chat.completions": translator()}
        asked = Call("r1", "chat.completions", "m", {"word": "a"}, b"{}", stream=True)
        return [it async for batch in vendor.stream(asked, Connection(pieces)) for it in batch]

    return asyncio.run(main())


class Counting(Connection):
    """Notes what is held of an event whose end has not come."""

    def __init__(self, pieces):
        super().__init__(pieces)
        self.held = []

    @asynccontextmanager
    async def stream(self, request):
        async with super().stream(request) as answer:
            answer.hold = self.held.append
            yield answer


class TestSend:
    def test_builds_a_request_and_parses_the_answer(self):
        connection = Connection([b"HEY", b"!"])
        assert send(connection) == {"shouted": "HEY!"}
        assert connection.sent == [UpstreamRequest("https://shout/v1", b"hey", {"X-Id": "r1"})]
        assert connection.sent[0].method == "POST"

    @pytest.mark.parametrize("status", [200, 201, 299])
    def test_success(self, status):
        assert send(Connection([b"HEY"], status)) == {"shouted": "HEY"}

    @pytest.mark.parametrize("status", [199, 302, 400, 500])
    def test_anything_else_is_an_error(self, status):
        with pytest.raises(ProviderError) as caught:
            send(Connection([b"HEY"], status))
        assert caught.value.status == status


class TestStream:
    def test_what_is_held_of_an_event_is_counted_until_it_is_complete(self):
        connection = Counting([b"data:", b" a", b"\n\n", b"data: b\n\n", b"da", b"ta: END\n\n"])
        assert stream(connection) == [["a"], ["b"], ["2 words"]]
        assert connection.held == [5, 7, 0, 2, 11]

    def test_of_comments_nothing_is_held(self):
        pieces = [
            b"data: a\n\n",
            b": ping\n\n",
            b": pi",
            b"ng\n\n",
            b"data: END\n\n",
            b": ping\n\n",
        ]
        connection = Counting(pieces)
        assert stream(connection) == [["a"], ["1 words"]]
        assert connection.held == [4, 0, 11]

    def test_chunks_that_arrive_together_are_given_together(self):
        pieces = [b"data: a\n\ndata: b\n\n", b": ping\n\n", b"data: c\n", b"\n", b"data: END\n\n"]
        assert stream(Connection(pieces)) == [["a", "b"], ["c"], ["3 words"]]

    def test_it_ends_when_the_vendor_says_so_whatever_follows(self):
        connection = Connection([b"data: a\n\n", b"data: END\n\n", AssertionError("read on")])
        assert stream(connection) == [["a"], ["1 words"]]
        assert connection.closed == 1

    def test_an_event_may_lack_its_blank_line_at_the_end(self):
        assert stream(Connection([b"data: a\n\n", b"data: END"])) == [["a"], ["1 words"]]

    def test_a_stream_that_is_cut_off_is_an_error_behind_what_came(self):
        batches = []

        async def main(connection):
            async for batch in VENDOR.stream(call(), connection):
                batches.append(batch)

        connection = Connection([b"data: a\n\n"])
        with pytest.raises(ProviderError, match="cut off"):
            asyncio.run(main(connection))
        assert len(batches) == 1
        assert connection.closed == 1

    def test_an_empty_stream_is_an_error(self):
        with pytest.raises(ProviderError, match="cut off"):
            stream(Connection([]))

    def test_an_error_inside(self):
        with pytest.raises(ProviderError, match="It hurts"):
            stream(Connection([b"data: a\n\n", b"data: OUCH\n\n"]))

    @pytest.mark.parametrize(
        "pieces",
        [
            [b"data: a\n\n", b"data: b\n\ndata: OUCH\n\ndata: c\n\n"],
            [b"data: a\n\ndata: b\n\ndata: OUCH\n\n"],
            [b"data: a\n\ndata: b\n\n", b"data: OUCH\n\n"],
        ],
    )
    def test_what_came_before_an_error_is_not_lost_whatever_the_pieces(self, pieces):
        """Whether it counts as content is for the core to judge."""
        shouted = []

        async def main():
            async for batch in VENDOR.stream(call(), Connection(pieces)):
                shouted.extend(chunk["shouted"] for chunk in batch)

        with pytest.raises(ProviderError, match="It hurts"):
            asyncio.run(main())
        assert shouted == ["a", "b"]

    def test_what_stands_behind_the_end_is_not_read(self):
        pieces = [b"data: a\n\ndata: END\n\ndata: OUCH\n\n"]
        assert stream(Connection(pieces)) == [["a"], ["1 words"]]

    def test_an_error_before_is_read_whole(self):
        body = [b'{"error": {"mess', b'age": "Too much."}}']
        with pytest.raises(ProviderError, match="Too much") as caught:
            stream(Connection(body, 429, {"retry-after": "7"}))
        assert caught.value.status == 429
        assert caught.value.headers == {"Retry-After": "7"}

    def test_a_client_that_stops_reading_closes_the_connection(self):
        connection = Connection([b"data: a\n\n", b"data: b\n\n", AssertionError("read on")])
        assert stream(connection, count=1) == [["a"]]
        assert connection.closed == 1

    @pytest.mark.parametrize("pieces", [[b'{"word": "a"}'], [b"\n", b" \n{", b'"word":', b' "a"}']])
    def test_a_whole_response_is_given_as_chunks(self, pieces):
        made = streamed(Whole, pieces)
        assert [chunk["choices"][0]["delta"] for chunk in made] == [{"content": "A"}, {}]

    def test_an_error_behind_a_200_is_one(self):
        with pytest.raises(ProviderError, match="Too long") as caught:
            streamed(Whole, [b'{"error": {"message": "Too long.", "code": 400}}'])
        assert caught.value.status == 400

    def test_what_only_looks_like_a_whole_response_in_another_framing_is_not(self):
        class WholeLines(Whole):
            framing = JSONLines

            def parse_response(self, call, response):
                raise AssertionError("it is a stream")

        assert streamed(WholeLines, [b'{"END": 1}\n']) == [{"ended": True}]

    def test_events_keep_their_names(self):
        async def main():
            connection = Connection([b"event: word\ndata: a\n\ndata: END\n\n"])
            return [chunk async for batch in VENDOR.stream(call(), connection) for chunk in batch]

        assert asyncio.run(main())[0] == {"shouted": "a", "as": "word"}


def parse_error(status, body, **headers):
    error = VENDOR.parse_error(UpstreamResponse(status, headers, body))
    assert isinstance(error, ApiError)
    return error


class TestParseError:
    def test_openais_object(self):
        error = {"message": "No.", "type": "rate_limit", "param": "n", "code": "slow", "x": 1}
        found = parse_error(429, orjson.dumps({"error": error}))
        assert found.status == 429
        assert found.body()["error"] == {
            "message": "No.",
            "type": "rate_limit",
            "param": "n",
            "code": "slow",
        }

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"\xff\xfe",
            b"null",
            b"[]",
            b"5",
            b"{}",
            b'{"error": null}',
            b'{"error": {}}',
            b'{"error": {"message": ""}}',
            b'{"error": {"message": {"deep": 1}, "type": 5, "param": [], "code": 404}}',
            b"[" * 100_000,
        ],
        ids=lambda body: repr(body[:30]),
    )
    def test_anything_else_is_told_by_its_status(self, body):
        assert parse_error(400, body).body()["error"] == {
            "message": "The provider 'vendor' responded with status 400.",
            "type": "api_error",
            "param": None,
            "code": None,
        }

    def test_a_traceback_of_the_vendors_is_not_passed_on(self):
        body = orjson.dumps({"error": {"message": "Traceback (most recent call last)..."}})
        assert "Traceback" not in parse_error(500, body).message

    @pytest.mark.parametrize(
        ("status", "retryable"),
        [
            *((status, True) for status in (401, 403, 404, 408, 409, 429, 500, 502, 503, 529)),
            *((status, False) for status in (400, 413, 415, 422)),
        ],
    )
    def test_whether_another_target_may_do_better(self, status, retryable):
        assert parse_error(status, b"").retryable is retryable

    def test_how_long_to_wait_is_passed_on(self):
        assert parse_error(503, b"", **{"retry-after": "30"}).headers == {"Retry-After": "30"}
        assert parse_error(503, b"").headers == {}


def test_a_provider_serves_what_it_says_it_can():
    class Chat(Provider):
        capabilities: ClassVar = {"chat.completions": ("stream",)}

    assert Chat("c", {}).supports("chat.completions")
    assert not Chat("c", {}).supports("embeddings")
    assert not Provider("p", {}).supports("chat.completions")


class Lines(Shout):
    framing = JSONLines

    def open_stream(self, call, response):
        self.content_type = response.headers["content-type"]
        return self.parse_stream(call)


class TestFraming:
    @pytest.fixture
    def vendor(self):
        vendor = Vendor("vendor", {})
        vendor.endpoints = {"shout": Lines()}
        return vendor

    def words(self, vendor, connection):
        async def main():
            async with aclosing(vendor.stream(call(), connection)) as batches:
                return [chunk["shouted"] async for batch in batches for chunk in batch]

        return asyncio.run(main())

    def test_events_are_cut_as_the_translator_declares(self, vendor):
        connection = Connection([b"a\nb", b"\n", b"END"], headers={"content-type": "x/ndjson"})
        assert self.words(vendor, connection) == ["a", "b", "2 words"]

    def test_a_parser_may_know_the_headers_of_the_response(self, vendor):
        self.words(vendor, Connection([b"END"], headers={"content-type": "x/ndjson"}))
        assert vendor.endpoints["shout"].content_type == "x/ndjson"

    def test_bytes_that_are_no_events_are_a_fault_of_the_provider_by_its_name(self, vendor):
        vendor.endpoints["shout"].framing = AWSEventStream
        for pieces in ([b"x" * 100], [b"\0\0"]):
            with pytest.raises(ProviderError, match="The provider 'vendor' ") as caught:
                self.words(vendor, Connection(pieces, headers={"content-type": "x"}))
            assert (caught.value.status, caught.value.code) == (502, "bad_provider_answer")
