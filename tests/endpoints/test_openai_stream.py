"""Streams on their way out: bytes for the client, and usage for the books."""

from typing import ClassVar

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.endpoints import AUDIO_SPEECH, CHAT_COMPLETIONS, COMPLETIONS
from tornado_router.endpoints.openai_usage import usage_body
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Binary, Call, Relayed, load_json
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
        assert encoder.usage().completion_tokens == 7  # with the name of the tool

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
            {"choices": {"0": {"delta": {"content": "x"}}}},
            {"choices": [], "made": {5}},
        ],
        ids=repr,
    )
    def test_nonsense_is_the_providers_fault(self, nonsense):
        with pytest.raises(ProviderError, match="cannot be read") as caught:
            CHAT_COMPLETIONS.encoder(SILENT).encode(nonsense)
        assert (caught.value.status, caught.value.code) == (502, "provider_fault")


@pytest.mark.parametrize("n", [2, 2.0])
def test_a_stream_is_cut_in_each_of_its_choices(n):
    encoder = CHAT_COMPLETIONS.encoder(request(n=n))
    encoder.encode(chunk("x"))
    end, _ = Decoder().feed(encoder.cut(ApiError(429, "no money left")))
    choices = orjson.loads(end.data)["choices"]
    assert [(it["index"], it["finish_reason"]) for it in choices] == [(0, "length"), (1, "length")]


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


def vendors(text):
    """A chunk as a vendor sent it."""
    raw = text if isinstance(text, bytes) else orjson.dumps(text)
    return Relayed(load_json(raw), raw)


def of_delta(delta, **fields):
    return vendors({**IDENTITY, "choices": [{"index": 0, "delta": delta, **fields}]})


THINKING = [{"type": "thinking", "thinking": [{"type": "text", "text": "x" * 40}]}]
ODD_DELTAS = [
    ({"content": THINKING}, 10),
    ({"content": [{"type": "text", "text": "x" * 40}]}, 10),
    ({"content": {"text": "x" * 40}}, 10),
    ({"refusal": {"text": ["x" * 20, "x" * 20]}}, 10),
    ({"reasoning_content": ["x" * 40]}, 10),
    ({"reasoning": {"summary": "x" * 40}}, 10),
    ({"a_text_of_tomorrow": "x" * 40}, 10),
    ({"reasoning_details": [{"type": "reasoning.text", "text": "x" * 40, "index": 0}]}, 10),
    ({"reasoning": "x" * 40, "reasoning_details": [{"text": "x" * 40}]}, 10),
    ({"function_call": {"name": "abcd", "arguments": "x" * 36}}, 10),
    ({"tool_calls": {"function": {"arguments": "x" * 40}}}, 10),
    ({"tool_calls": ["x" * 40]}, 10),
    ({"tool_calls": [{"id": "call", "function": {"arguments": {"city": "x" * 36}}}]}, 10),
    ({"tool_calls": [{"type": "custom", "custom": {"name": "abcd", "input": "x" * 36}}]}, 10),
    ({"audio": {"id": "a", "transcript": "x" * 40, "expires_at": 1760000000}}, 10),
    ({"audio": {"data": "A" * 64_000}}, 20),
    ({"audio": "x" * 40}, 10),
    ({"content": 5}, 1),
    ({"images": [{"image_url": {"url": "data:image/png;base64," + "A" * 99_999}}]}, 765),
    ("x" * 40, 10),
    (["x" * 40], 10),
]


class TestOddShapes:
    """What is counted is an estimate, and never a reason to refuse what a vendor sent."""

    def test_reasoning_that_nobody_can_read_is_no_text(self):
        encoder = CHAT_COMPLETIONS.encoder(SILENT)
        encoder.encode(of_delta({"reasoning_details": [{"data": "A" * 4000}]}))
        assert encoder.generated == 0

    @pytest.mark.parametrize(("delta", "tokens"), ODD_DELTAS, ids=str)
    def test_all_text_of_a_delta_counts_whatever_its_shape(self, delta, tokens):
        encoder, chunk = CHAT_COMPLETIONS.encoder(SILENT), of_delta(delta)
        assert CHAT_COMPLETIONS.has_content(chunk)
        assert encoder.encode(chunk) == b"data: " + chunk.raw + b"\n\n"
        assert encoder.usage().completion_tokens == tokens

    @pytest.mark.parametrize(
        "choices", [5, "x", {"0": {"delta": {"content": "x"}}}, ["x"], [[]], [None], [5]], ids=str
    )
    @pytest.mark.parametrize("endpoint", [CHAT_COMPLETIONS, COMPLETIONS], ids=lambda it: it.name)
    def test_so_do_odd_choices(self, endpoint, choices):
        chunk = vendors({**IDENTITY, "choices": choices})
        encoder = endpoint.encoder(SILENT)
        assert encoder.encode(chunk) == b"data: " + chunk.raw + b"\n\n"
        assert encoder.generated <= 4
        assert endpoint.has_content(chunk) == bool(encoder.generated)

    _json: ClassVar = st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )

    @given(
        st.dictionaries(
            st.sampled_from(["content", "tool_calls", "audio", "refusal", "role", "x"]), _json
        )
        | _json,
        _json,
    )
    def test_whatever_a_vendor_sends_passes(self, delta, reason):
        encoder, chunk = (
            CHAT_COMPLETIONS.encoder(ASKS, "mine"),
            of_delta(delta, finish_reason=reason),
        )
        assert orjson.loads(encoder.encode(chunk)[6:]) == {**chunk.body, "model": "mine"}
        assert encoder.usage().completion_tokens >= 0
        CHAT_COMPLETIONS.has_content(chunk)
        events = CHAT_COMPLETIONS.encoder(SILENT).encode(chunk)
        joined = CHAT_COMPLETIONS.join(events + events)
        CHAT_COMPLETIONS.trim(joined, lambda text: text)

    @pytest.mark.parametrize(
        ("raw", "shown"),
        [
            (b'{"choices":[{"delta":{"content":"\\ud83d"}}]}', b"\\ud83d"),
            (b'{"choices":[],"big":1e400}', b"null"),
            (b'{"choices":[],"logprob":-Infinity}', b"null"),
            (b'{"choices":[],"logprob":NaN}', b"null"),
            (b'{"choices":[],"id":1,"id":2}', b'"id":2'),
            (b'\xef\xbb\xbf{"choices":[]}', b'"choices":[]'),
        ],
    )
    def test_json_that_only_strict_parsers_refuse_passes(self, raw, shown):
        assert CHAT_COMPLETIONS.encoder(SILENT).encode(vendors(raw)) == b"data: " + raw + b"\n\n"
        renamed = CHAT_COMPLETIONS.encoder(SILENT, "mine").encode(vendors(raw))
        assert shown in renamed
        assert load_json(renamed[6:])["model"] == "mine"

    def test_halves_of_a_character_stay_halves_where_a_chunk_is_written_anew(self):
        encoder = CHAT_COMPLETIONS.encoder(SILENT, "mine")
        halves = [
            load_json(encoder.encode(of_raw)[6:])["choices"][0]["delta"]["content"]
            for half in (rb"\ud83d", rb"\ude00")
            for of_raw in [vendors(b'{"choices":[{"delta":{"content":"%s"}}]}' % half)]
        ]
        assert halves == ["\ud83d", "\ude00"]

    def test_they_are_one_character_in_the_log(self):
        events = b"".join(
            b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % half
            for half in (rb"a\ud83d", rb"\ude00b", rb"\ud83d", b"c")
        )
        message = CHAT_COMPLETIONS.join(events)["choices"][0]["message"]
        assert message["content"] == "a\U0001f600b\ud83dc"


class TestContent:
    @pytest.mark.parametrize(
        "delta",
        [
            {"role": "assistant"},
            {"role": "assistant", "content": "", "refusal": None},
            {"content": [], "tool_calls": [], "reasoning_details": []},
            {"content": [{"type": "text", "text": ""}]},
            {"reasoning_content": None, "reasoning": ""},
            {"audio": {"id": "audio_1", "transcript": ""}},
            {"function_call": None},
            {},
            None,
        ],
        ids=str,
    )
    @FORMS
    def test_who_speaks_is_none_yet(self, form, delta):
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        assert not CHAT_COMPLETIONS.has_content(form({**IDENTITY, "choices": [choice]}))

    @pytest.mark.parametrize("choices", [[], None])
    @FORMS
    def test_so_is_a_chunk_without_choices(self, form, choices):
        filtered = {"id": "", "choices": choices, "prompt_filter_results": [{"prompt_index": 0}]}
        assert not CHAT_COMPLETIONS.has_content(form(filtered))
        assert not CHAT_COMPLETIONS.has_content(form({**filtered, "usage": USAGE}))

    def test_so_is_an_end(self):
        assert not CHAT_COMPLETIONS.has_content(chunk(finish_reason="stop"))
        filtered = {"content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
        assert not CHAT_COMPLETIONS.has_content(of_delta({}, **filtered))

    @pytest.mark.parametrize(
        "delta",
        [
            {"role": "assistant", "content": "a"},
            {"content": " "},
            {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]},
            {"audio": {"data": "AA=="}},
        ],
        ids=str,
    )
    @FORMS
    def test_the_least_of_it_is(self, form, delta):
        assert CHAT_COMPLETIONS.has_content(form({"choices": [{"delta": {}}, {"delta": delta}]}))

    def test_of_completions_it_is_the_text(self):
        assert not COMPLETIONS.has_content({"choices": [{"text": "", "finish_reason": None}]})
        assert not COMPLETIONS.has_content({"choices": [{"text": None}]})
        assert COMPLETIONS.has_content({"choices": [{"text": "a"}]})

    def test_of_bytes_it_is_any(self):
        assert AUDIO_SPEECH.has_content(Binary("audio/wav", b"a"))
        assert not AUDIO_SPEECH.has_content(Binary("audio/wav", b"", USAGE))

    @pytest.mark.parametrize("nonsense", ["x", 5, [5], {"choices": "x"}])
    def test_nonsense_is_left_to_the_encoder(self, nonsense):
        assert CHAT_COMPLETIONS.has_content(nonsense)


class TestComplete:
    @pytest.mark.parametrize("n", [1, 2])
    def test_once_every_choice_has_ended(self, n):
        encoder = CHAT_COMPLETIONS.encoder(request(n=n))
        for index in range(n):
            assert not encoder.complete
            encoder.encode({"choices": [{"index": index, "delta": {"content": "a"}}]})
            assert not encoder.complete
            end = {"index": index, "delta": {}, "finish_reason": "stop"}
            encoder.encode({"choices": [end, end]})
        assert encoder.complete

    def test_of_each_prompt(self):
        body = {"prompt": ["a", "b"], "n": 2}
        encoder = COMPLETIONS.encoder(Call("r", "completions", "m", body, b"", True))
        for index in range(4):
            assert not encoder.complete
            encoder.encode({"choices": [{"index": index, "text": "", "finish_reason": "length"}]})
        assert encoder.complete

    def test_one_that_failed_has_not(self):
        encoder = CHAT_COMPLETIONS.encoder(SILENT)
        encoder.encode(chunk("a", finish_reason="error"))
        assert not encoder.complete

    def test_one_of_an_odd_shape_has(self):
        encoder = CHAT_COMPLETIONS.encoder(SILENT)
        encoder.encode(of_delta("text", finish_reason="stop"))
        assert encoder.complete


AZURE_FIRST = {
    "id": "",
    "object": "",
    "created": 0,
    "model": "",
    "choices": [],
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
}


class TestIdentityOfTheUsageChunk:
    def test_is_that_of_the_first_chunk_that_has_one(self):
        chunks, _ = sent(ASKS, AZURE_FIRST, *WORDS)
        assert {name: chunks[-1][name] for name in IDENTITY} == IDENTITY

    def test_is_what_there_is(self):
        chunks, _ = sent(ASKS, {"choices": [{"delta": {"content": "x"}}], "model": "m"})
        assert chunks[-1].keys() == {"model", "object", "choices", "usage"}

    @FORMS
    def test_other_fields_of_the_vendors_own_reach_the_client(self, form):
        last = {**LAST, "timings": {"predicted_ms": 5.5}, "citations": ["https://example.com"]}
        chunks, _ = sent(ASKS, *map(form, [*WORDS, last]))
        assert chunks == [*WORDS, last]

    def test_its_bytes_are_untouched(self):
        raw = orjson.dumps(LAST).replace(b'"cost":0.5', b'"cost" : 0.50')
        encoder = CHAT_COMPLETIONS.encoder(ASKS)
        encoder.encode(relayed(WORDS[0]))
        encoder.encode(vendors(raw))
        assert encoder.finish() == b"data: " + raw + b"\n\ndata: [DONE]\n\n"

    @FORMS
    @pytest.mark.parametrize("bare", [{}, {"id": "", "model": "", "created": 0}], ids=str)
    def test_what_the_vendors_own_lacks_is_added(self, form, bare):
        last = {**bare, "choices": [], "usage": USAGE, "timings": {"n": 1}}
        chunks, _ = sent(ASKS, *map(form, [*WORDS, last]))
        assert chunks[-1] == {**LAST, "timings": {"n": 1}}

    @pytest.mark.parametrize("choices", [None, "absent"])
    def test_its_choices_are_a_list(self, choices):
        last = {**LAST, "choices": choices}
        if choices == "absent":
            del last["choices"]
        chunks, _ = sent(ASKS, *map(relayed, [*WORDS, last]))
        assert chunks[-1] == LAST
