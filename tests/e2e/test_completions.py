"""`POST /v1/completions` by the official SDK: passed through, or bridged to chat completions."""

import json

import openai
import pytest

from ..upstream import TEXT, USAGE

pytestmark = pytest.mark.sqlite_suffices

PROMPT = "hello out there"


@pytest.fixture
def complete(client):
    return lambda **fields: client.completions.create(**{"prompt": PROMPT, **fields})


@pytest.fixture
def chunks(client):
    def ask(**fields):
        request = {"prompt": PROMPT, "stream": True, **fields}
        with client.completions.create(**request) as stream:
            return list(stream)

    return ask


def text(chunks, index=0):
    return "".join(c.text for chunk in chunks for c in chunk.choices if c.index == index)


SERVED = pytest.mark.parametrize(
    ("model", "said", "tokens"),
    [("echo", PROMPT, (3, 3)), ("ok", TEXT, (11, 7)), ("chatty/ok", TEXT, (11, 7))],
    ids=["in process", "passed through", "bridged"],
)


@SERVED
def test_whole_response(complete, model, said, tokens):
    done = complete(model=model, max_tokens=50)
    assert done.object == "text_completion"
    assert (done.choices[0].text, done.choices[0].finish_reason) == (said, "stop")
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == tokens


@SERVED
def test_streamed_response(chunks, model, said, tokens):
    found = chunks(model=model, stream_options={"include_usage": True})
    assert {chunk.object for chunk in found} == {"text_completion"}
    assert len({chunk.id for chunk in found}) == 1
    assert text(found) == said
    reasons = [c.finish_reason for chunk in found for c in chunk.choices]
    assert [reason for reason in reasons if reason] == ["stop"]
    assert found[-1].choices == []
    assert (found[-1].usage.prompt_tokens, found[-1].usage.completion_tokens) == tokens
    assert not any(chunk.usage for chunk in found[:-1])


@SERVED
def test_usage_of_a_stream_is_hidden_from_those_who_did_not_ask(chunks, model, said, tokens):
    found = chunks(model=model)
    assert text(found) == said
    assert all(chunk.choices for chunk in found)
    assert not any(chunk.usage for chunk in found)


@SERVED
def test_usage_is_recorded(client, router, model, said, tokens):
    done = client.completions.create(model=model, prompt=PROMPT)
    row = router.usage(done._request_id)
    assert (row["endpoint"], row["status"], row["usage_estimated"]) == ("completions", 200, 0)
    assert (row["prompt_tokens"], row["completion_tokens"]) == tokens


def test_a_vendor_of_completions_gets_the_bytes_as_they_were_sent(complete, upstream):
    more = {"suffix": "!", "echo": True, "logprobs": 2, "best_of": 3, "extra_body": {"min_p": 0.1}}
    complete(model="ok", prompt=["a", "b"], **more)
    exchange = upstream.exchange()
    assert exchange["path"].endswith("/v1/completions")
    sent = json.loads(exchange["body"])
    assert sent == {
        "model": "ok",
        "prompt": ["a", "b"],
        "suffix": "!",
        "echo": True,
        "logprobs": 2,
        "best_of": 3,
        "min_p": 0.1,
    }


def test_a_vendor_of_chat_gets_a_message(complete, upstream):
    done = complete(model="chatty/ok", max_tokens=9, temperature=0.5, n=2, stop=["x"])
    exchange = upstream.exchange()
    assert exchange["path"].endswith("/v1/chat/completions")
    assert json.loads(exchange["body"]) == {
        "model": "ok",
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": 9,
        "temperature": 0.5,
        "n": 2,
        "stop": ["x"],
    }
    assert [choice.text for choice in done.choices] == [TEXT, TEXT]
    assert done.usage.prompt_tokens_details.cached_tokens == 3
    assert done.vendor_extension == {"kept": True}


def test_the_prompt_is_echoed_by_the_bridge(complete, chunks):
    assert complete(model="chatty/ok", echo=True).choices[0].text == PROMPT + TEXT
    assert text(chunks(model="chatty/ok", echo=True)) == PROMPT + TEXT


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"suffix": "!"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_what_the_bridge_cannot_carry_is_refused_by_name(complete, upstream, fields, param):
    with pytest.raises(openai.BadRequestError) as refused:
        complete(model="chatty/ok", **fields)
    assert refused.value.param == param
    assert upstream.exchanges() == []


def test_the_next_target_may_have_what_the_bridge_lacks(client, upstream):
    raw = client.completions.with_raw_response.create(
        model="chat-first", prompt=["a", "b"], suffix="!"
    )
    assert raw.headers["x-router-target"] == "up/ok"
    assert [choice.text for choice in raw.parse().choices] == [TEXT, TEXT]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ["a", 1]}, "prompt[1]"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"best_of": 2, "n": 3}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"stream_options": {}}, "stream_options"),
    ],
)
def test_an_invalid_request_costs_nothing_and_names_the_field(complete, upstream, fields, param):
    with pytest.raises(openai.BadRequestError) as refused:
        complete(model="ok", **fields)
    assert refused.value.param == param
    assert upstream.exchanges() == []


def test_echo_serves_prompts_candidates_and_log_probabilities(complete):
    done = complete(model="echo", prompt=["a b c", "d"], n=2, best_of=3, max_tokens=2, logprobs=0)
    assert [(choice.index, choice.text) for choice in done.choices] == [
        (0, "a b"),
        (1, "a b"),
        (2, "d"),
        (3, "d"),
    ]
    assert [choice.finish_reason for choice in done.choices] == ["length", "length", "stop", "stop"]
    assert done.choices[0].logprobs.tokens == ["a", " b"]
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (4, 9)


def test_vendors_error_of_a_bridged_call_has_the_clients_names(complete):
    with pytest.raises(openai.BadRequestError) as refused:
        complete(model="chatty/status:400")
    assert refused.value.param == "temperature"
    assert refused.value.code == "vendor_400"


def test_usage_that_is_never_reported_is_guessed(client, router, upstream):
    done = client.completions.create(model="modest/ok", prompt=PROMPT, stream=True)
    with done as stream:
        assert text(list(stream)) == TEXT
        row = router.usage(stream.response.headers["x-request-id"])
    assert row["usage_estimated"] == 1
    assert row["completion_tokens"] == -(-len(TEXT.encode()) // 4)
    assert row["prompt_tokens"] == -(-len(PROMPT) // 4)
    assert USAGE["completion_tokens"] != row["completion_tokens"]
