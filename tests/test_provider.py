"""The provider contract: what the base class does for a plugin, over a connection of the core's."""

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import orjson
import pytest

from tornado_router import provider as public
from tornado_router.errors import ApiError
from tornado_router.provider import (
    Call,
    Params,
    Provider,
    ProviderError,
    Translator,
    UpstreamRequest,
    UpstreamResponse,
    bad_answer,
)


@dataclass
class Answer:
    """An answer as it comes from a socket (`UpstreamStream`)."""

    status: int
    headers: dict
    pieces: list

    async def __aiter__(self):
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            await asyncio.sleep(0)
            yield piece

    async def read(self):
        return b"".join([piece async for piece in self])


@dataclass
class Connection:
    """The core's side (`HTTPClient`): gives one answer, and remembers what was sent."""

    pieces: list
    status: int = 200
    headers: dict = field(default_factory=dict)
    sent: list = field(default_factory=list)
    closed: int = 0

    async def send(self, request):
        async with self.stream(request) as answer:
            return UpstreamResponse(answer.status, answer.headers, await answer.read())

    @asynccontextmanager
    async def stream(self, request):
        self.sent.append(request)
        try:
            yield Answer(self.status, self.headers, self.pieces)
        finally:
            self.closed += 1


class Shout(Translator):
    """A vendor that takes a word and shouts it."""

    def build_request(self, call):
        return UpstreamRequest("https://shout/v1", call.body["word"].encode(), {"X-Id": call.id})

    def parse_response(self, call, response):
        return {"shouted": response.body.decode()}

    def parse_stream(self, call):
        return ShoutParser()


class ShoutParser:
    def __init__(self):
        self.done = False
        self.seen = 0

    def feed(self, event):
        if event.data == b"END":
            self.done = True
            return ()
        if event.data == b"OUCH":
            raise ProviderError(502, "It hurts.")
        self.seen += 1
        return [{"shouted": event.data.decode(), "as": event.name}]

    def finish(self):
        if not self.done:
            raise bad_answer("It was cut off.")
        return [{"shouted": f"{self.seen} words"}]


class Vendor(Provider):
    def __init__(self, name, options):
        super().__init__(name, options)
        self.endpoints = {"shout": Shout()}


VENDOR = Vendor("vendor", {})


def call(**fields):
    body = {"word": "hey", **fields}
    return Call("r1", "shout", "m", body, orjson.dumps(body), stream=False)


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

    def test_what_came_with_an_error_and_before_it_is_not_lost(self):
        batches = []

        async def main():
            pieces = [b"data: a\n\n", b"data: b\n\ndata: OUCH\n\ndata: c\n\n"]
            async for batch in VENDOR.stream(call(), Connection(pieces)):
                batches.append([chunk["shouted"] for chunk in batch])

        with pytest.raises(ProviderError, match="It hurts"):
            asyncio.run(main())
        assert batches == [["a"], ["b"]]

    def test_an_error_in_the_first_piece_gives_nothing_so_another_target_can_serve(self):
        with pytest.raises(ProviderError, match="It hurts"):
            stream(Connection([b"data: a\n\ndata: OUCH\n\n"]), count=1)

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
            b"<html><h1>Bad Gateway</h1></html>",
            b"{",
            b"\xff\xfe",
            b"null",
            b"[]",
            b"5",
            b'"error"',
            b"{}",
            b'{"detail": "Unauthorized"}',
            b'{"error": null}',
            b'{"error": "no such model"}',
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


class TestParams:
    def params(self, unsupported="reject", hints=(), **fields):
        self.call = call(**fields)
        self.call.unsupported = unsupported
        return Params(self.call, hints)

    def test_what_is_taken_is_served(self):
        params = self.params(seed=5)
        assert (params.take("word"), params.take("seed"), params.take("n", 1)) == ("hey", 5, 1)
        params.finish()
        assert self.call.dropped == []

    def test_what_is_not_taken_is_refused_by_name(self):
        params = self.params(seed=5)
        params.take("word")
        with pytest.raises(ProviderError, match="does not support 'seed'") as caught:
            params.finish()
        error = caught.value
        assert (error.status, error.param, error.code) == (400, "seed", "unsupported_parameter")
        assert error.retryable

    def test_or_dropped_and_told_as_the_operator_wishes(self):
        params = self.params("drop", seed=5, logit_bias={})
        params.take("word")
        params.unsupported("messages[0].content[1]")
        params.finish()
        assert self.call.dropped == ["messages[0].content[1]", "seed", "logit_bias"]

    def test_hints_are_never_refused_but_told(self):
        params = self.params(hints={"user"}, user="me")
        params.take("word")
        params.finish()
        assert self.call.dropped == ["user"]

    def test_null_is_absent_and_the_cores_own_fields_are_not_asked_for(self):
        params = self.params(seed=None, model="m", stream=True, stream_options={})
        params.take("word")
        assert params.take("seed", 7) == 7
        params.finish()
        assert self.call.dropped == []


def test_what_is_kept_for_a_tool_call_is_handed_to_the_core():
    item = call()
    item.keep("call_1", {"signature": "x"})
    assert item.kept == {"call_1": {"signature": "x"}}


def test_a_provider_serves_what_it_says_it_can():
    class Chat(Provider):
        capabilities: ClassVar = {"chat.completions": ("stream",)}

    assert Chat("c", {}).supports("chat.completions")
    assert not Chat("c", {}).supports("embeddings")
    assert not Provider("p", {}).supports("chat.completions")


@pytest.mark.parametrize("name", public.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    value = getattr(public, name)
    if callable(value) or isinstance(value, type):
        assert value.__doc__


def test_secrets_and_bodies_are_not_in_a_repr():
    response = UpstreamResponse(200, {}, b"prompt")
    assert "prompt" not in repr(response)


def test_json_with_what_orjson_cannot_write_is_written_all_the_same():
    assert public.dump_json({"a": 2**70}) == b'{"a":%d}' % 2**70
    assert orjson.loads(public.dump_json({"a": "é", "b": 2**70}).replace(b"%d" % 2**70, b"0")) == {
        "a": "é",
        "b": 0,
    }


def test_json_nested_without_end_is_refused():
    body = {}
    for _ in range(200_000):
        body = {"a": body}
    with pytest.raises(ApiError) as caught:
        public.dump_json(body)
    assert (caught.value.status, caught.value.param) == (400, "messages")
    while body:  # or its end recurses, too
        body = body.pop("a")


@pytest.mark.parametrize("data", [b"", b"x", b"[1]", b"null", b'"x"', b"\xff"])
def test_an_answer_that_is_no_object_is_a_502(data):
    with pytest.raises(ApiError, match="'mine'") as caught:
        public.load_json_object(data, "mine")
    assert caught.value.status == 502
