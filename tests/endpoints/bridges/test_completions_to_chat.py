"""Completions by a provider of chat completions alone: what is carried, refused and renamed."""

import orjson
import pytest

from tornado_router.endpoints import CHAT_COMPLETIONS, COMPLETIONS
from tornado_router.endpoints.bridges.completions_to_chat import CompletionsToChat
from tornado_router.errors import ProviderError
from tornado_router.provider import Call, Relayed

BRIDGE = CompletionsToChat()
VALIDATOR = CHAT_COMPLETIONS.validator("openai")
IDENTITY = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "vendor-m"}


def call(prompt="Once upon a time", unsupported="reject", **fields):
    body = {"model": "alias", "prompt": prompt, **fields}
    stream = bool(fields.get("stream"))
    return Call("r1", COMPLETIONS.name, "m", body, orjson.dumps(body), stream, unsupported)


def made(*args, **fields):
    inner = BRIDGE.call(call(*args, **fields))
    assert inner.endpoint == CHAT_COMPLETIONS.name
    assert orjson.loads(inner.raw) == inner.body
    VALIDATOR.check(inner.body)
    return dict(inner.body)


def delta(index=0, finish_reason=None, logprobs=None, **fields):
    choice = {"index": index, "delta": fields, "logprobs": logprobs, "finish_reason": finish_reason}
    return {**IDENTITY, "choices": [choice]}


def fed(asked, *chunks):
    stream = BRIDGE.stream(asked)
    return [out for chunk in chunks for out in stream.feed(chunk)] + list(stream.finish())


@pytest.mark.parametrize("prompt", ["Once", ["Once"]])
def test_the_prompt_becomes_the_message_of_a_user(prompt):
    assert made(prompt) == {
        "model": "alias",
        "messages": [{"role": "user", "content": "Once"}],
        "max_completion_tokens": 16,
    }


def test_what_means_the_same_is_carried():
    fields = {
        "n": 2,
        "stop": ["a"],
        "temperature": 0.5,
        "top_p": 0.4,
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "logit_bias": {"1": 2},
        "seed": 7,
        "user": "u",
    }
    body = made(**fields, max_tokens=9, best_of=2, suffix=None)
    assert {name: body[name] for name in fields} == fields
    assert body["max_completion_tokens"] == 9


def test_a_stream_stays_one():
    options = {"include_usage": True}
    body = made(stream=True, stream_options=options)
    assert (body["stream"], body["stream_options"]) == (True, options)


@pytest.mark.parametrize(
    ("logprobs", "asked"),
    [(None, {}), (0, {"logprobs": True}), (3, {"logprobs": True, "top_logprobs": 3})],
)
def test_log_probabilities_are_asked_for_as_chat_has_them(logprobs, asked):
    body = made(logprobs=logprobs)
    assert {name: body[name] for name in body if "logprobs" in name} == asked


def test_no_bound_is_none():
    assert "max_completion_tokens" not in made(max_tokens=-1)


@pytest.mark.parametrize("unsupported", ["reject", "drop"])
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt"),
        ({"prompt": [1e300]}, "prompt"),
        ({"prompt": [[1], [2]]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_what_would_be_another_response_is_refused(fields, param, unsupported):
    with pytest.raises(ProviderError) as refused:
        made(unsupported=unsupported, **fields)
    assert (refused.value.status, refused.value.param) == (400, param)
    assert refused.value.retryable, "another provider may have the endpoint itself"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"suffix": "the end"}, "suffix"),
        ({"best_of": 3, "n": 2}, "best_of"),
        ({"echo": True, "logprobs": 1}, "logprobs"),
        ({"top_k": 40}, "top_k"),
        ({"messages": [{"role": "user", "content": "other"}]}, "messages"),
    ],
)
def test_what_chat_lacks_is_refused_or_dropped(fields, param):
    with pytest.raises(ProviderError) as refused:
        made(**fields)
    assert refused.value.param == param
    asked = call(unsupported="drop", **fields)
    inner = BRIDGE.call(asked)
    assert asked.dropped == [param]
    assert inner.body["messages"] == [{"role": "user", "content": "Once upon a time"}]


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("messages[0].content", "prompt"),
        ("messages", "prompt"),
        ("max_completion_tokens", "max_tokens"),
        ("top_logprobs", "logprobs"),
        ("stop[1]", "stop[1]"),
    ],
)
def test_fields_of_the_chat_get_the_clients_names(path, param):
    assert BRIDGE.param(path) == param


class TestResponse:
    def test_is_a_text_completion(self):
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        message = {"role": "assistant", "content": " there was", "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        chat = {**IDENTITY, "object": "chat.completion", "choices": [choice], "usage": usage}
        for body in (chat, Relayed(chat, orjson.dumps(chat))):
            assert BRIDGE.response(call(), body) == {
                **chat,
                "object": "text_completion",
                "choices": [
                    {"index": 0, "text": " there was", "logprobs": None, "finish_reason": "stop"}
                ],
            }

    @pytest.mark.parametrize(
        ("message", "text"),
        [({"content": None}, ""), ({"content": None, "refusal": "No."}, "No."), ({}, "")],
    )
    def test_has_a_text_whatever_the_message(self, message, text):
        chat = {"choices": [{"index": 0, "message": message, "finish_reason": "content_filter"}]}
        (choice,) = BRIDGE.response(call(), chat)["choices"]
        assert (choice["text"], choice["finish_reason"]) == (text, "content_filter")

    def test_echoes_the_prompt_in_each_choice(self):
        choices = [
            {"index": index, "message": {"content": text}, "finish_reason": "stop"}
            for index, text in enumerate((" there", ""))
        ]
        body = BRIDGE.response(call(echo=True, n=2), {"choices": choices})
        assert [choice["text"] for choice in body["choices"]] == [
            "Once upon a time there",
            "Once upon a time",
        ]

    def test_has_log_probabilities_in_the_older_form(self):
        tokens = [
            {"token": " a", "logprob": -0.5, "bytes": [32, 97], "top_logprobs": []},
            {
                "token": "bc",
                "logprob": -1.5,
                "bytes": [98, 99],
                "top_logprobs": [
                    {"token": "bc", "logprob": -1.5, "bytes": None},
                    {"token": "x", "logprob": -2.5, "bytes": None},
                ],
            },
        ]
        choice = {"index": 0, "message": {"content": " abc"}, "logprobs": {"content": tokens}}
        body = BRIDGE.response(call(logprobs=2), {"choices": [{**choice, "finish_reason": "stop"}]})
        assert body["choices"][0]["logprobs"] == {
            "tokens": [" a", "bc"],
            "token_logprobs": [-0.5, -1.5],
            "top_logprobs": [{}, {"bc": -1.5, "x": -2.5}],
            "text_offset": [0, 2],
        }


class TestStream:
    def test_has_texts_in_place_of_deltas(self):
        usage = {**IDENTITY, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
        chunks = fed(
            call(),
            delta(role="assistant", content=""),
            delta(content=" there"),
            Relayed(delta(content=" was"), b""),
            delta(finish_reason="length"),
            usage,
        )
        assert {chunk["object"] for chunk in chunks} == {"text_completion"}
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        assert [choice["text"] for choice in choices] == [" there", " was", ""]
        assert [choice["finish_reason"] for choice in choices] == [None, None, "length"]
        assert chunks[-1]["usage"] == usage["usage"]

    def test_echoes_the_prompt_once_in_each_choice(self):
        chunks = fed(
            call(echo=True, n=2),
            delta(content=" a"),
            delta(content=" b"),
            delta(1, finish_reason="stop"),
        )
        texts = [(c["index"], c["text"]) for chunk in chunks for c in chunk["choices"]]
        assert texts == [(0, "Once upon a time a"), (0, " b"), (1, "Once upon a time")]

    def test_offsets_of_log_probabilities_go_on(self):
        def token(text):
            return {"content": [{"token": text, "logprob": 0.0, "top_logprobs": []}]}

        chunks = fed(
            call(logprobs=0),
            delta(content="ab", logprobs=token("ab")),
            delta(content="c", logprobs=token("c")),
        )
        assert [c["choices"][0]["logprobs"]["text_offset"] for c in chunks] == [[0], [2]]
