from __future__ import annotations

import orjson
import pytest

from tornado_router.provider import ProviderError

from .support import answer, delta_text, events, finishes, recording

CALL = {"functionCall": {"name": "f", "args": {"a": 1}}}


def test_an_answer(google):
    whole = google.whole(recording("hello.http").body)
    assert whole.pop("created") > 1_700_000_000
    assert whole == {
        "id": "chatcmpl-kc0iacWpFdjVz7IPw7aLqAs",
        "object": "chat.completion",
        "model": "gemini-2.5-flash",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello! 你好!", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 14,
            "completion_tokens": 6,
            "total_tokens": 20,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def test_the_role_is_the_assistants_whatever_google_says(google):
    body = answer({"text": "x"})
    body["candidates"][0]["content"]["role"] = "model"
    assert google.whole(body)["choices"][0]["message"]["role"] == "assistant"


def test_texts_are_joined_and_thoughts_are_left_out(google):
    parts = ({"text": "Hm.", "thought": True}, {"text": "a"}, {"text": "b"}, {"inlineData": {}})
    assert google.whole(answer(*parts))["choices"][0]["message"]["content"] == "ab"
    assert delta_text(google.stream(answer(*parts))) == "ab"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        *(
            (reason, "content_filter")
            for reason in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII")
        ),
        ("LANGUAGE", "content_filter"),
        ("OTHER", "content_filter"),
        ("A_REASON_OF_TOMORROW", "content_filter"),
    ],
)
def test_finish_reasons(google, reason, expected):
    body = answer({"text": "x"}, finish=reason)
    assert google.whole(body)["choices"][0]["finish_reason"] == expected
    assert finishes(google.stream(body)) == [expected]


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
def test_a_model_that_failed_is_a_failure(google, reason):
    for read in (google.whole, google.stream):
        with pytest.raises(ProviderError, match=reason) as caught:
            read(answer(finish=reason))
        assert (caught.value.status, caught.value.retryable) == (502, True)


def test_a_blocked_prompt_is_a_filtered_choice(google):
    whole = google.whole(recording("blocked_prompt.http").body)
    [choice] = whole["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "content_filter")
    assert whole["usage"]["prompt_tokens"] == 8
    chunks = google.stream(*events("blocked_prompt.stream.http"))
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert finishes(chunks) == ["content_filter"]


def test_legacy_clients_get_a_function_call(google):
    call = google.call({"functions": [{"name": "f"}]})
    [choice] = google.whole(answer(CALL, CALL), call)["choices"]
    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert choice["finish_reason"] == "function_call"
    assert "tool_calls" not in choice["message"]
    call = google.call({"functions": [{"name": "f"}]}, stream=True)
    chunks = google.stream(answer(CALL, CALL), call=call)
    pieces = [chunk["choices"][0]["delta"].get("function_call") for chunk in chunks]
    assert [piece for piece in pieces if piece] == [
        {"name": "f", "arguments": ""},
        {"arguments": '{"a":1}'},
    ]
    assert finishes(chunks) == ["function_call"]


def test_logprobs(google):
    [choice] = google.whole(recording("likely_words.http").body)["choices"]
    first, second = choice["logprobs"]["content"]
    assert (first["token"], first["logprob"], first["bytes"]) == ("Hi", -0.0402, [72, 105])
    assert [top["token"] for top in first["top_logprobs"]] == ["Hi", "Hello"]
    assert second["token"] == "!"
    chunks = google.stream(recording("likely_words.http").body)
    assert [chunk["choices"][0]["logprobs"] for chunk in chunks if chunk["choices"]][1] == (
        choice["logprobs"]
    )


def test_logprobs_without_text_are_not_lost(google):
    logprobs = {"chosenCandidates": [{"token": "a", "logProbability": -1}]}
    body = answer(finish=None)
    body["candidates"][0]["logprobsResult"] = logprobs
    chunks = google.stream(body, answer({"text": "a"}))
    assert chunks[1]["choices"][0]["logprobs"]["content"][0]["token"] == "a"


def test_several_choices(google):
    whole = google.whole(recording("two_answers.http").body)
    assert [choice["message"]["content"] for choice in whole["choices"]] == ["Mango.", "Pear."]
    chunks = google.stream(*events("two_answers.stream.http"))
    assert [delta_text(chunks, index) for index in (0, 1)] == ["Mango.", "Pear."]
    assert finishes(chunks) == ["stop", "stop"]


def test_a_choice_that_never_ends_breaks_the_stream(google):
    with pytest.raises(ProviderError, match="broke off"):
        google.stream(*events("two_answers.stream.http")[:3])


def test_an_event_may_hold_nothing_but_usage(google):
    usage = {"usageMetadata": {"promptTokenCount": 3}}
    chunks = google.stream(answer({"text": "x"}), usage)
    assert chunks[-1]["usage"]["prompt_tokens"] == 3


def test_without_usage_there_is_none(google):
    assert "usage" not in google.whole(answer({"text": "x"}))
    assert "usage" not in google.stream(answer({"text": "x"}))[-1]


def test_prompts_of_tools_are_part_of_the_prompt(google):
    usage = {"promptTokenCount": 3, "toolUsePromptTokenCount": 4, "candidatesTokenCount": 5}
    whole = google.whole(answer({"text": "x"}, usageMetadata=usage))
    assert (whole["usage"]["prompt_tokens"], whole["usage"]["total_tokens"]) == (7, 12)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"<html>", "not JSON"),
        ([], "not a JSON object"),
        ({}, "candidates"),
        ({"candidates": []}, "candidates"),
        ({"candidates": "x"}, "candidates"),
        ({"candidates": ["x"]}, "candidates[0]"),
        (answer({"text": "x"}, finish=None), "finishReason"),
        ({"candidates": [{"content": [], "finishReason": "STOP"}]}, "content"),
        ({"candidates": [{"content": {"parts": {}}, "finishReason": "STOP"}]}, "parts"),
        (answer("x"), "parts[]"),
        (answer({"text": 5}), "text"),
        (answer({"functionCall": "x"}), "functionCall"),
        (answer({"functionCall": {}}), "functionCall.name"),
        (answer({"functionCall": {"name": "f", "args": []}}), "functionCall.args"),
        (answer({"text": "secret words"}, finish=5), "finishReason"),
    ],
)
def test_what_google_does_not_promise_is_a_502(google, body, field):
    with pytest.raises(ProviderError) as caught:
        google.whole(body)
    assert caught.value.status == 502
    assert "'google'" in caught.value.message
    assert field in caught.value.message
    assert "secret words" not in caught.value.message


def test_chunks_look_alike(google):
    chunks = google.stream(*events("hello.stream.http"))
    heads = [{key: chunk[key] for key in ("id", "object", "created", "model")} for chunk in chunks]
    assert all(head == heads[0] for head in heads)
    assert heads[0]["object"] == "chat.completion.chunk"
    assert chunks[0]["choices"][0]["delta"] == {
        "role": "assistant",
        "content": "",
        "refusal": None,
    }
    orjson.dumps(chunks)
