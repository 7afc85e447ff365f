"""Requests and answers that pass through: untouched, unless something has to differ."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.provider import Call, Event, ProviderError, Relayed, UpstreamResponse
from tornado_router_openai import OpenAI, OpenAIProvider

HELLO = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}
CHAT, EMBEDDINGS = "chat.completions", "embeddings"


def provider(**options):
    return OpenAIProvider("mine", {"api_key": "sk-1", **options})


def call(body, model=None, endpoint=CHAT):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    body = json.loads(raw)
    return Call("r1", endpoint, model or body["model"], body, raw, bool(body.get("stream")))


def request(body, model=None, endpoint=CHAT, **options):
    return provider(**options).endpoints[endpoint].build_request(call(body, model, endpoint))


def sent(*args, **options):
    return orjson.loads(request(*args, **options).body)


class TestRequest:
    def test_bytes_are_untouched_where_nothing_has_to_differ(self):
        raw = b'{ "model":"gpt",\n "messages":[], "unknown": 1.50, "x":"\\u00e9" }'
        made = request(raw)
        assert made.body == raw
        assert (made.method, made.url) == ("POST", "https://api.openai.com/v1/chat/completions")

    def test_another_model_is_all_that_changes(self):
        assert sent({**HELLO, "new_field": {"a": None}}, "gpt-5.2") == {
            **HELLO,
            "model": "gpt-5.2",
            "new_field": {"a": None},
        }

    def test_the_call_is_not_changed(self):
        asked = call({**HELLO, "stream": True, "stream_options": {"x": 1}}, "gpt-5.2")
        before = orjson.dumps(asked.body)
        provider().endpoints[CHAT].build_request(asked)
        assert orjson.dumps(asked.body) == before

    def test_embeddings_pass_through(self):
        body = {"model": "e", "input": [[1, 2], [3]], "encoding_format": "base64"}
        made = request(body, endpoint=EMBEDDINGS)
        assert made.url == "https://api.openai.com/v1/embeddings"
        assert orjson.loads(made.body) == body

    @pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, 10**40])
    def test_integers_beyond_64_bits_survive_a_change(self, number):
        made = request({**HELLO, "seed": number, "user": "é"}, "gpt-5.2").body
        assert json.loads(made)["seed"] == number
        assert json.loads(made)["user"] == "é"

    @given(
        st.dictionaries(
            # streams are another story, below
            st.text(min_size=1).filter(lambda name: name not in ("stream", "stream_options")),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
                lambda inner: st.lists(inner, max_size=3),
                max_leaves=5,
            ),
            max_size=4,
        )
    )
    def test_whatever_else_is_asked_reaches_the_vendor(self, fields):
        body = {**fields, **HELLO}
        raw = json.dumps(body).encode()
        made = request(raw, "other").body
        assert json.loads(made) == {**body, "model": "other"}


class TestUsageInStreams:
    STREAM = HELLO | {"stream": True}

    def test_is_asked_for(self):
        assert sent(self.STREAM) == {**self.STREAM, "stream_options": {"include_usage": True}}

    @pytest.mark.parametrize("options", [None, {}, {"include_usage": False}])
    def test_whatever_the_client_thinks_of_it(self, options):
        body = {**self.STREAM, "stream_options": options}
        assert sent(body)["stream_options"] == {"include_usage": True}

    def test_other_stream_options_are_kept(self):
        body = {**self.STREAM, "stream_options": {"include_obfuscation": False}}
        assert sent(body)["stream_options"] == {"include_obfuscation": False, "include_usage": True}

    def test_bytes_are_untouched_where_the_client_asks_itself(self):
        raw = b'{"model": "gpt",  "stream": true, "stream_options": {"include_usage": true}}'
        assert request(raw).body == raw

    def test_not_of_a_whole_answer(self):
        assert "stream_options" not in sent(HELLO, "other")

    def test_not_of_a_server_that_refuses_it(self):
        raw = b'{"model": "gpt",  "stream": true}'
        assert request(raw, stream_usage=False).body == raw
        body = {**self.STREAM, "stream_options": {"include_usage": True}}
        assert sent(body, stream_usage=False) == self.STREAM


def parse(body, endpoint=CHAT):
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    response = UpstreamResponse(200, {}, raw)
    return provider().endpoints[endpoint].parse_response(call(HELLO, endpoint=endpoint), response)


NONSENSE = [
    b"",
    b" ",
    b"<html>Bad Gateway</html>",
    b'{"choi',
    b"[]",
    b"null",
    b"5",
    b'"x"',
    b"\xff",
]


class TestResponse:
    @pytest.mark.parametrize(
        ("endpoint", "body"), [(CHAT, {"choices": [{}]}), ("moderations", {"results": [{}]})]
    )
    def test_bytes_are_relayed(self, endpoint, body):
        raw = orjson.dumps(body, option=orjson.OPT_INDENT_2)
        asked = call(HELLO, endpoint=endpoint)
        made = OpenAI("mine", {"api_key": "k"}).endpoints[endpoint]
        answer = made.parse_response(asked, UpstreamResponse(200, {}, raw))
        assert isinstance(answer, Relayed)
        assert (answer.raw, answer.body) == (raw, body)

    @pytest.mark.parametrize("raw", [*NONSENSE, b"{}", b'{"choices": []}', b'{"data": [1]}'])
    def test_what_is_no_answer_is_the_vendors_fault(self, raw):
        with pytest.raises(ProviderError, match="'mine'") as caught:
            parse(raw)
        assert (caught.value.status, caught.value.retryable) == (502, True)

    def test_an_error_behind_a_200(self):
        with pytest.raises(ProviderError, match="Overloaded") as caught:
            parse({"error": {"message": "Overloaded.", "code": "busy"}})
        assert (caught.value.status, caught.value.code) == (502, "busy")

    @pytest.mark.parametrize("error", [{"message": 5}, {"x": 1}, [1]])
    def test_an_error_without_words(self, error):
        with pytest.raises(ProviderError, match="'mine' reports an error") as caught:
            parse({"error": error})
        assert (caught.value.status, caught.value.code) == (502, None)

    @pytest.mark.parametrize(
        ("body", "status", "words"),
        [
            ({"error": {"message": "Too long.", "code": 400}}, 400, "Too long."),
            ({"error": {"message": "Slow down.", "code": "429"}}, 429, "Slow down."),
            ({"error": {"message": "Later.", "type": "overloaded_error"}}, 529, "Later."),
            ({"error": "no such thing", "code": "not_found"}, 404, "no such thing"),
            ({"object": "error", "message": "Bad stop.", "code": 422}, 422, "Bad stop."),
            ({"detail": "No GPU is free."}, 502, "No GPU is free."),
            (
                {"choices": None, "base_resp": {"status_code": 1004, "status_msg": "Oh."}},
                502,
                "Oh.",
            ),
        ],
    )
    def test_an_error_behind_a_200_keeps_its_status_and_words(self, body, status, words):
        with pytest.raises(ProviderError) as caught:
            parse(body)
        assert (caught.value.status, caught.value.message) == (status, words)

    @pytest.mark.parametrize(
        ("choice", "status"),
        [
            ({"finish_reason": "error", "error": {"code": 503, "message": "Provider died"}}, 503),
            ({"finish_reason": "stop", "error": {"code": "rate_limited", "message": "x"}}, 429),
            ({"finish_reason": "error", "message": {"content": "half"}}, 502),
        ],
    )
    def test_a_choice_that_failed(self, choice, status):
        with pytest.raises(ProviderError) as caught:
            parse({"choices": [{"finish_reason": "stop"}, choice]})
        assert caught.value.status == status

    def test_no_error_is_none(self):
        assert parse({"error": None, "choices": [{}]}).body["choices"] == [{}]


WORD = {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}]}
LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
DONE = b"[DONE]"


def stream(*events):
    """The bytes of the chunks, and whether the vendor said that it was over."""
    parser = provider().endpoints[CHAT].parse_stream(call(HELLO))
    chunks = []
    for item in events:
        data = item if isinstance(item, bytes) else orjson.dumps(item)
        chunks += parser.feed(Event(data))
    chunks += parser.finish()
    assert all(isinstance(chunk, Relayed) for chunk in chunks)
    return [chunk.raw for chunk in chunks], parser.done


class TestStream:
    def test_bytes_are_relayed_and_done_is_the_end(self):
        raw = b'{ "choices": [ {"delta": {"content":"\xe2\x80\xa8"}} ] }'
        assert stream(raw, LAST, USAGE, DONE) == (
            [raw, orjson.dumps(LAST), orjson.dumps(USAGE)],
            True,
        )

    def test_a_vendor_that_sends_no_done_may_end_with_a_finish_reason(self):
        chunks, done = stream(WORD, LAST, USAGE)
        assert len(chunks) == 3
        assert not done

    @pytest.mark.parametrize("events", [[], [WORD], [WORD, WORD], [USAGE]])
    def test_a_stream_that_is_cut_off(self, events):
        with pytest.raises(ProviderError, match="'mine' broke off its stream") as caught:
            stream(*events)
        assert caught.value.status == 502

    @pytest.mark.parametrize("event", NONSENSE)
    def test_an_event_that_is_no_chunk(self, event):
        with pytest.raises(ProviderError, match="'mine' sent something") as caught:
            stream(WORD, event, LAST, DONE)
        assert caught.value.status == 502

    @pytest.mark.parametrize("error", [{"message": "It broke."}, {"message": "It broke.", "x": 1}])
    def test_an_error_inside(self, error):
        with pytest.raises(ProviderError, match="It broke"):
            stream(WORD, {"error": error})

    @pytest.mark.parametrize(
        ("event", "status"),
        [
            ({"error": {"message": "It broke.", "code": 400}, "choices": []}, 400),
            ({"object": "error", "message": "It broke.", "code": 429}, 429),
            ({"choices": [{"delta": {}, "error": {"message": "It broke.", "code": 503}}]}, 503),
            ({"choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}, 502),
        ],
    )
    def test_a_failure_inside_has_its_status(self, event, status):
        with pytest.raises(ProviderError) as caught:
            stream(WORD, event, LAST, DONE)
        assert caught.value.status == status

    def test_an_event_that_is_named_an_error(self):
        parser = provider().endpoints[CHAT].parse_stream(call(HELLO))
        with pytest.raises(ProviderError, match="Out of memory"):
            list(parser.feed(Event(b'{"message": "Out of memory", "code": 500}', "error")))

    def test_it_knows_the_headers_of_the_response(self):
        head = UpstreamResponse(200, {"retry-after": "9"}, b"")
        parser = provider().endpoints[CHAT].open_stream(call(HELLO), head)
        with pytest.raises(ProviderError) as caught:
            list(parser.feed(Event(b'{"error": {"code": 429, "message": "Slow."}}')))
        assert caught.value.headers == {"Retry-After": "9"}

    @pytest.mark.parametrize("choices", [None, []])
    def test_chunks_without_choices(self, choices):
        assert len(stream({"choices": choices, "x": 1}, LAST, DONE)[0]) == 2

    def test_each_stream_has_a_parser_of_its_own(self):
        chat = provider().endpoints[CHAT]
        first, second = chat.parse_stream(call(HELLO)), chat.parse_stream(call(HELLO))
        list(first.feed(Event(DONE)))
        assert (first.done, second.done) == (True, False)


def test_embeddings_are_not_streamed():
    with pytest.raises(ProviderError) as caught:
        provider().endpoints[EMBEDDINGS].parse_stream(call(HELLO))
    assert (caught.value.status, caught.value.param) == (400, "stream")
