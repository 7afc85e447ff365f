"""Completions: what they ask for, their streams, and what the log makes of these."""

import orjson
import pytest

from tornado_router.endpoints import COMPLETIONS
from tornado_router.endpoints.openai_usage import usage_body
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Call, Relayed
from tornado_router.sse import Decoder
from tornado_router.usage import Usage

IDENTITY = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}


def call(prompt="x" * 40, **fields):
    body = {"model": "m", "prompt": prompt, **fields}
    return Call("r1", COMPLETIONS.name, "m", body, orjson.dumps(body), True)


def chunk(text, index=0, finish_reason=None):
    choice = {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}
    return {**IDENTITY, "choices": [choice]}


def events(raw):
    return [orjson.loads(event.data) for event in Decoder().feed(raw) if event.data != b"[DONE]"]


@pytest.mark.parametrize(
    ("fields", "output"),
    [
        ({}, (1, None)),
        ({"max_tokens": 7}, (1, 7)),
        ({"max_tokens": 0}, (1, 0)),
        ({"max_tokens": -1}, (1, None)),
        ({"max_tokens": 7.0, "n": 2.0}, (2, 7)),
        ({"n": 2, "best_of": 5}, (5, None)),
        ({"n": 2, "best_of": 3, "prompt": ["a", "b"]}, (6, None)),
        ({"prompt": [1, 2, 3]}, (1, None)),
        ({"prompt": [[1, 2], [3]]}, (2, None)),
        ({"prompt": []}, (1, None)),
    ],
)
def test_output_is_that_of_every_candidate(fields, output):
    assert COMPLETIONS.ask(call(**fields)).output() == output


@pytest.mark.parametrize(
    ("prompt", "tokens"), [("x" * 40, 10), (["x" * 40, "y" * 80], 20), ([1, 2, 3], 3), (None, 0)]
)
def test_context_holds_the_longest_prompt_and_its_output(prompt, tokens):
    assert COMPLETIONS.ask(call(prompt)).context() == tokens
    assert COMPLETIONS.ask(call(prompt, max_tokens=50)).context() == tokens + 50


def test_temperature_has_a_default():
    assert COMPLETIONS.ask(call()).temperature() == 1
    assert COMPLETIONS.ask(call(temperature=0)).temperature() == 0


def test_a_stream_without_usage_is_guessed_by_its_text():
    asked = call(stream_options={"include_usage": True})
    encoder = COMPLETIONS.encoder(asked)
    raw = b"".join(map(encoder.encode, [chunk("Grüße"), chunk("", finish_reason="stop")]))
    assert encoder.generated == 7
    assert encoder.usage() == Usage(10, 2, estimated=True)
    *_, last = events(raw + encoder.finish())
    assert last == {**IDENTITY, "choices": [], "usage": usage_body(encoder.usage())}


def test_usage_is_hidden_from_a_client_that_did_not_ask():
    encoder = COMPLETIONS.encoder(call())
    last = {**IDENTITY, "choices": [], "usage": USAGE}
    raw = b"".join(map(encoder.encode, [chunk("x"), Relayed(last, orjson.dumps(last))]))
    assert events(raw + encoder.finish()) == [chunk("x")]
    assert encoder.usage() == Usage(4, 2)


def test_a_stream_is_cut_in_each_choice_of_each_prompt():
    encoder = COMPLETIONS.encoder(call(["a", "b"], n=2))
    encoder.encode(chunk("x"))
    (end,) = events(encoder.cut(ApiError(429, "no money left")))
    assert [(it["index"], it["finish_reason"]) for it in end["choices"]] == [
        (index, "length") for index in range(4)
    ]
    assert end["router"]["error"]["message"] == "no money left"


def test_a_whole_response_is_guessed_by_its_texts():
    encoded = COMPLETIONS.whole(call(), {"choices": [{"text": "x" * 8}, {"text": None}]})
    assert encoded.usage == Usage(10, 2, estimated=True)


@pytest.mark.parametrize("choices", [5, [5], {"0": {"text": "x"}}], ids=repr)
def test_nonsense_is_the_providers_fault(choices):
    with pytest.raises(ProviderError):
        COMPLETIONS.whole(call(), {"choices": choices})
    with pytest.raises(ProviderError):
        COMPLETIONS.encoder(call()).encode({"choices": choices})


def test_the_log_joins_and_trims_the_texts_of_a_stream():
    chunks = [chunk("Grü"), chunk("a", 1), chunk("ße"), chunk("", finish_reason="stop")]
    encoder = COMPLETIONS.encoder(call(n=2))
    joined = COMPLETIONS.join(b"".join(map(encoder.encode, chunks)) + encoder.finish())
    assert joined["choices"] == [
        {"index": 0, "text": "Grüße", "finish_reason": "stop"},
        {"index": 1, "text": "a"},
    ]
    COMPLETIONS.trim(joined, lambda text: text[:2])
    assert [choice["text"] for choice in joined["choices"]] == ["Gr", "a"]
