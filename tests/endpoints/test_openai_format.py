"""Whole responses on their way out: bytes for the client, and usage for the books."""

from typing import ClassVar

import orjson
import pytest

from tornado_router.endpoints import CHAT_COMPLETIONS, EMBEDDINGS
from tornado_router.endpoints.openai_format import JSON
from tornado_router.endpoints.openai_usage import usage_body
from tornado_router.errors import ProviderError
from tornado_router.provider import Call, Relayed, load_json
from tornado_router.usage import Usage

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "cost": 0.5}


def request(**fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 40}], **fields}
    return Call("r1", "chat.completions", "m", body, orjson.dumps(body), stream=False)


def relayed(body):
    return Relayed(body, orjson.dumps(body))


CALL = request()
FORMS = pytest.mark.parametrize("form", [dict, relayed], ids=["made", "relayed"])


class TestWhole:
    BODY: ClassVar = {
        "id": "c1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "x" * 40}}],
    }

    def test_relayed_bytes_are_untouched(self):
        body = {**self.BODY, "usage": USAGE}
        raw = orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n"
        encoded = CHAT_COMPLETIONS.whole(CALL, Relayed(body, raw))
        assert encoded[:3] == (raw, JSON, Usage(11, 7))

    def test_a_made_body_is_serialised(self):
        body = {**self.BODY, "usage": USAGE}
        raw, _, usage, _ = CHAT_COMPLETIONS.whole(CALL, body)
        assert orjson.loads(raw) == body
        assert usage == Usage(11, 7)

    @pytest.mark.parametrize("wrong", [None, {}, "x", {"prompt_tokens": -1}])
    def test_without_usage_that_can_be_true_it_is_guessed(self, wrong):
        usage = CHAT_COMPLETIONS.whole(CALL, {**self.BODY, "usage": wrong}).usage
        assert usage.estimated
        assert usage.prompt_tokens >= 10
        assert usage.completion_tokens == 10

    def test_a_guess_is_told_to_the_client_unless_bytes_are_relayed(self):
        raw, _, usage, _ = CHAT_COMPLETIONS.whole(CALL, self.BODY)
        assert orjson.loads(raw) == {**self.BODY, "usage": usage_body(usage)}
        raw, _, usage, _ = CHAT_COMPLETIONS.whole(CALL, relayed(self.BODY))
        assert orjson.loads(raw) == self.BODY
        assert usage.estimated

    def test_zero_is_believed(self):
        zero = {"prompt_tokens": 0, "completion_tokens": 0}
        assert CHAT_COMPLETIONS.whole(CALL, {**self.BODY, "usage": zero}).usage == Usage(0, 0)

    @pytest.mark.parametrize(
        "nonsense",
        [
            None,
            "text",
            [],
            {"choices": 5},
            {"choices": [{"message": "text"}]},
            {"choices": {"0": {"message": {"content": "x"}}}},
            {"choices": [], "made": {5}},
        ],
        ids=repr,
    )
    def test_nonsense_is_the_providers_fault(self, nonsense):
        with pytest.raises(ProviderError, match="cannot be read") as caught:
            CHAT_COMPLETIONS.whole(CALL, nonsense)
        assert (caught.value.status, caught.value.code) == (502, "provider_fault")


@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"data": [{}]}, {"usage": {}}])
def test_an_answer_without_content_is_none(answer):
    with pytest.raises(ProviderError) as caught:
        CHAT_COMPLETIONS.whole(CALL, answer)
    assert caught.value.status == 502


def test_a_guess_counts_bytes_and_not_characters():
    answer = {"choices": [{"message": {"content": "模型" * 20}}]}
    usage = CHAT_COMPLETIONS.whole(CALL, answer).usage
    assert usage.completion_tokens == 30


@FORMS
def test_the_name_of_the_model_may_be_as_asked(form):
    answer = {"model": "m-2024", "choices": [{"message": {"content": "x"}}], "usage": USAGE}
    for asked, shown in (("mine", "mine"), (None, "m-2024")):
        data = CHAT_COMPLETIONS.whole(CALL, form(answer), asked).data
        assert orjson.loads(data)["model"] == shown


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "x" * 40}]}]}, 10),
        ({"content": "x" * 20, "tool_calls": [{"function": {"arguments": {"a": "x" * 19}}}]}, 10),
        ({"tool_calls": {"function": {"arguments": "x" * 40}}}, 10),
        ({"function_call": {"name": "abcd", "arguments": "x" * 36}}, 10),
        ({"audio": {"data": "A" * 64_000, "transcript": "x" * 40}}, 30),
        ({"annotations": [{"url_citation": {"title": "x" * 40}}], "content": "x" * 40}, 10),
        ({"content": 5}, 1),
        ("x" * 40, 10),
    ],
    ids=str,
)
def test_what_a_vendor_sends_passes_whatever_its_shape(message, tokens):
    answer = relayed({"choices": [{"message": message}]})
    data, _, usage, _ = CHAT_COMPLETIONS.whole(CALL, answer)
    assert data == answer.raw
    assert usage.estimated
    assert usage.completion_tokens == tokens


@pytest.mark.parametrize("choices", [5, "xxxx", ["xxxx"], {"0": {"message": "xxxx"}}], ids=str)
def test_so_do_odd_choices(choices):
    answer = relayed({"choices": choices})
    data, _, usage, _ = CHAT_COMPLETIONS.whole(CALL, answer)
    assert (data, usage.completion_tokens) == (answer.raw, 1)


def test_json_that_only_strict_parsers_refuse_passes():
    raw = b'{"choices":[{"message":{"content":"\\ud83d"},"logprob":NaN}],"n":1e400}'
    answer = Relayed(load_json(raw), raw)
    assert CHAT_COMPLETIONS.whole(CALL, answer).data == raw
    renamed = load_json(CHAT_COMPLETIONS.whole(CALL, answer, "mine").data)
    assert renamed["choices"][0]["message"]["content"] == "\ud83d"
    assert renamed["model"] == "mine"


def test_embeddings_generate_nothing():
    call = Call("r1", "embeddings", "m", {"input": "x" * 40}, b"", False)
    usage = EMBEDDINGS.whole(call, relayed({"data": "odd"})).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (10, 0)
