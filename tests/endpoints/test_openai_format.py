"""Answers on their way out: bytes for the client, and usage for the books."""

from typing import ClassVar

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.endpoints import CHAT_COMPLETIONS
from tornado_router.endpoints.openai_format import JSON
from tornado_router.endpoints.openai_usage import usage_body
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Call, Relayed
from tornado_router.sse import Decoder
from tornado_router.usage import Usage

IDENTITY = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "cost": 0.5}


def request(**fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 40}], **fields}
    return Call("r1", "chat.completions", "m", body, orjson.dumps(body), stream=True)


ASKS = request(stream_options={"include_usage": True})
SILENT = request()


def chunk(content="", finish_reason=None, **fields):
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}
    return {**IDENTITY, "choices": [choice], **fields}


def relayed(body):
    return Relayed(body, orjson.dumps(body))


def sent(call, *chunks):
    """What a client gets of a stream that goes well, and what is accounted for."""
    encoder = CHAT_COMPLETIONS.encoder(call)
    raw = b"".join(encoder.encode(item) for item in chunks) + encoder.finish()
    events = [event.data for event in Decoder().feed(raw)]
    assert events.pop() == b"[DONE]"
    return [orjson.loads(event) for event in events], encoder.usage()


WORDS = [chunk("Hello "), chunk("world"), chunk(finish_reason="stop")]
LAST = {**IDENTITY, "choices": [], "usage": USAGE}
FORMS = pytest.mark.parametrize("form", [dict, relayed], ids=["made", "relayed"])


@FORMS
class TestUsage:
    def test_is_hidden_from_a_client_that_did_not_ask(self, form):
        chunks, usage = sent(SILENT, *map(form, [*WORDS, LAST]))
        assert chunks == WORDS
        assert usage == Usage(11, 7)

    def test_is_shown_once_and_last_to_one_that_did(self, form):
        chunks, usage = sent(ASKS, *map(form, [*WORDS, LAST]))
        assert chunks == [*WORDS, LAST]
        assert usage == Usage(11, 7)

    def test_keeps_details_that_only_the_vendor_knows(self, form):
        details = {**USAGE, "prompt_tokens_details": {"cached_tokens": 4}}
        chunks, usage = sent(ASKS, *map(form, [*WORDS, {**LAST, "usage": details}]))
        assert chunks[-1]["usage"] == details
        assert usage == Usage(11, 7, cached_tokens=4)

    def test_in_the_chunk_that_finishes_is_moved_behind_it(self, form):
        finish = chunk(finish_reason="stop", usage=USAGE)
        chunks, usage = sent(ASKS, *map(form, [*WORDS[:2], finish]))
        assert chunks == [*WORDS[:2], {**finish, "usage": None}, LAST]
        assert usage == Usage(11, 7)

    def test_in_the_chunk_that_finishes_is_hidden_too(self, form):
        finish = chunk(finish_reason="stop", usage=USAGE)
        chunks, usage = sent(SILENT, *map(form, [*WORDS[:2], finish]))
        assert [item.get("usage") for item in chunks] == [None, None, None]
        assert usage == Usage(11, 7)

    def test_that_grows_from_chunk_to_chunk_counts_once(self, form):
        growing = [
            {**item, "usage": {**USAGE, "completion_tokens": count}}
            for count, item in enumerate(WORDS, 5)
        ]
        for call, shown in ((ASKS, 1), (SILENT, 0)):
            chunks, usage = sent(call, *map(form, growing))
            assert usage == Usage(11, 7)
            assert sum(bool(item.get("usage")) for item in chunks) == shown
            assert [item["choices"] for item in chunks[:3]] == [item["choices"] for item in WORDS]

    def test_that_comes_twice_is_shown_once(self, form):
        chunks, usage = sent(ASKS, *map(form, [*WORDS, LAST, LAST]))
        assert chunks == [*WORDS, LAST]
        assert usage == Usage(11, 7)

    def test_that_never_comes_is_guessed_and_shown(self, form):
        chunks, usage = sent(ASKS, *map(form, WORDS))
        assert usage.estimated
        assert usage.prompt_tokens >= 10
        assert usage.completion_tokens == 3  # eleven bytes
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"] == usage_body(usage)
        assert {key: chunks[-1][key] for key in IDENTITY} == IDENTITY

    @pytest.mark.parametrize(
        "wrong", [{}, "many", {"prompt_tokens": -5, "completion_tokens": 1}, {"total_tokens": 3}]
    )
    def test_that_cannot_be_true_is_guessed(self, form, wrong):
        chunks, usage = sent(ASKS, *map(form, [*WORDS, {**LAST, "usage": wrong}]))
        assert usage.estimated
        assert chunks[-1]["usage"] == usage_body(usage)

    def test_of_zero_is_believed(self, form):
        zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        chunks, usage = sent(ASKS, *map(form, [*WORDS, {**LAST, "usage": zero}]))
        assert usage == Usage(0, 0)
        assert chunks[-1]["usage"] == zero

    def test_of_a_stream_that_breaks_is_a_guess_of_what_came(self, form):
        encoder = CHAT_COMPLETIONS.encoder(SILENT)
        assert encoder.usage().completion_tokens == 0
        encoder.encode(form(chunk("x" * 20)))
        encoder.encode(form(chunk("y" * 20)))
        assert encoder.usage().estimated
        assert encoder.usage().completion_tokens == 10


class TestChunks:
    def test_relayed_bytes_are_untouched(self):
        raw = b'{ "choices":[{"delta":{"content":"\\u00e9 \xe2\x80\xa8"}}],  "x": 1e400, "x": 2}'
        chunk = Relayed({"choices": [{"delta": {"content": "é"}}]}, raw)
        assert CHAT_COMPLETIONS.encoder(SILENT).encode(chunk) == b"data: " + raw + b"\n\n"

    @given(st.binary().map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b"")))
    def test_any_relayed_bytes_are_untouched(self, raw):
        encoder = CHAT_COMPLETIONS.encoder(SILENT)
        assert encoder.encode(Relayed({}, raw)) == b"data: " + raw + b"\n\n"

    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    def test_raw_text_of_several_lines_is_put_on_one(self, end):
        body = chunk("hi")
        raw = orjson.dumps(body, option=orjson.OPT_INDENT_2).replace(b"\n", end)
        (event,) = Decoder().feed(CHAT_COMPLETIONS.encoder(SILENT).encode(Relayed(body, raw)))
        assert orjson.loads(event.data) == body

    def test_chunks_without_choices_that_are_not_usage_pass(self):
        filtered = {**IDENTITY, "choices": [], "prompt_filter_results": [{"x": 1}]}
        chunks, _ = sent(SILENT, filtered, *WORDS)
        assert chunks == [filtered, *WORDS]

    def test_text_of_every_kind_counts_for_a_guess(self):
        deltas = [
            {"role": "assistant", "content": None, "refusal": None},
            {"refusal": "x" * 8},
            {"reasoning_content": "x" * 8},
            {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": "x" * 8}}, {"index": 1}]},
            {"tool_calls": None},
        ]
        encoder = CHAT_COMPLETIONS.encoder(SILENT)
        for delta in deltas:
            encoder.encode({**IDENTITY, "choices": [{"index": 0, "delta": delta}, {"index": 1}]})
        assert encoder.usage().completion_tokens == 6

    @pytest.mark.parametrize("options", [None, {}, {"include_usage": False}])
    def test_options_that_do_not_ask(self, options):
        chunks, _ = sent(request(stream_options=options), *WORDS, LAST)
        assert chunks == WORDS

    @pytest.mark.parametrize(
        "nonsense",
        [
            None,
            "text",
            5,
            [chunk("x")],
            {"choices": 5},
            {"choices": "text"},
            {"choices": ["text"]},
            {"choices": [{"delta": "text"}]},
            {"choices": [{"delta": {"content": 5}}]},
            {"choices": [{"delta": {"tool_calls": ["x"]}}]},
            {"choices": [], "made": {5}},
        ],
        ids=repr,
    )
    def test_nonsense_is_the_providers_fault(self, nonsense):
        with pytest.raises(ProviderError, match="cannot be read") as caught:
            CHAT_COMPLETIONS.encoder(SILENT).encode(nonsense)
        assert (caught.value.status, caught.value.code) == (502, "provider_fault")


class TestWhole:
    BODY: ClassVar = {
        "id": "c1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "x" * 40}}],
    }

    def test_relayed_bytes_are_untouched(self):
        body = {**self.BODY, "usage": USAGE}
        raw = orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n"
        assert CHAT_COMPLETIONS.whole(SILENT, Relayed(body, raw)) == (raw, JSON, Usage(11, 7))

    def test_a_made_body_is_serialised(self):
        body = {**self.BODY, "usage": USAGE}
        raw, _, usage = CHAT_COMPLETIONS.whole(SILENT, body)
        assert orjson.loads(raw) == body
        assert usage == Usage(11, 7)

    @pytest.mark.parametrize("wrong", [None, {}, "x", {"prompt_tokens": -1}])
    def test_without_usage_that_can_be_true_it_is_guessed(self, wrong):
        *_, usage = CHAT_COMPLETIONS.whole(SILENT, {**self.BODY, "usage": wrong})
        assert usage.estimated
        assert usage.prompt_tokens >= 10
        assert usage.completion_tokens == 10

    def test_a_guess_is_told_to_the_client_unless_bytes_are_relayed(self):
        raw, _, usage = CHAT_COMPLETIONS.whole(SILENT, self.BODY)
        assert orjson.loads(raw) == {**self.BODY, "usage": usage_body(usage)}
        raw, _, usage = CHAT_COMPLETIONS.whole(SILENT, relayed(self.BODY))
        assert orjson.loads(raw) == self.BODY
        assert usage.estimated

    def test_zero_is_believed(self):
        zero = {"prompt_tokens": 0, "completion_tokens": 0}
        assert CHAT_COMPLETIONS.whole(SILENT, {**self.BODY, "usage": zero}).usage == Usage(0, 0)

    @pytest.mark.parametrize(
        "nonsense",
        [
            None,
            "text",
            [],
            {"choices": 5},
            {"choices": [{"message": "text"}]},
            {"choices": [{"message": {"content": 5}}]},
            {"choices": [], "made": {5}},
        ],
        ids=repr,
    )
    def test_nonsense_is_the_providers_fault(self, nonsense):
        with pytest.raises(ProviderError, match="cannot be read") as caught:
            CHAT_COMPLETIONS.whole(SILENT, nonsense)
        assert (caught.value.status, caught.value.code) == (502, "provider_fault")


@pytest.mark.parametrize("n", [2, 2.0])
def test_a_stream_is_cut_in_each_of_its_choices(n):
    encoder = CHAT_COMPLETIONS.encoder(request(n=n))
    encoder.encode(chunk("x"))
    end, _ = Decoder().feed(encoder.cut(ApiError(429, "no money left")))
    choices = orjson.loads(end.data)["choices"]
    assert [(it["index"], it["finish_reason"]) for it in choices] == [(0, "length"), (1, "length")]


CALL = Call("id", "chat.completions", "m", {"model": "m", "messages": []}, b"{}", False)


@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"data": [{}]}, {"usage": {}}])
def test_an_answer_without_content_is_none(answer):
    with pytest.raises(ProviderError) as caught:
        CHAT_COMPLETIONS.whole(CALL, answer)
    assert caught.value.status == 502


def test_a_guess_counts_bytes_and_not_characters():
    answer = {"choices": [{"message": {"content": "模型" * 20}}]}
    *_, usage = CHAT_COMPLETIONS.whole(CALL, answer)
    assert usage.completion_tokens == 30


class TestNameOfTheModel:
    @FORMS
    def test_is_the_vendors_unless_said_otherwise(self, form):
        encoder = CHAT_COMPLETIONS.encoder(SILENT)
        assert (
            orjson.loads(encoder.encode(form(chunk("x", model="m-2024")))[6:])["model"] == "m-2024"
        )

    @FORMS
    def test_may_be_as_asked_in_every_chunk(self, form):
        encoder = CHAT_COMPLETIONS.encoder(ASKS, "mine")
        raw = b"".join(encoder.encode(form(item)) for item in [*WORDS, LAST]) + encoder.finish()
        events = [event.data for event in Decoder().feed(raw)]
        assert {orjson.loads(event)["model"] for event in events[:-1]} == {"mine"}

    @FORMS
    def test_may_be_as_asked_in_a_whole_answer(self, form):
        answer = {"model": "m-2024", "choices": [{"message": {"content": "x"}}], "usage": USAGE}
        for asked, shown in (("mine", "mine"), (None, "m-2024")):
            data = CHAT_COMPLETIONS.whole(SILENT, form(answer), asked).data
            assert orjson.loads(data)["model"] == shown
