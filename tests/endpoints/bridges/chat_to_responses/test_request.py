"""The fields of a request: what is carried, adapted, and refused."""

import pytest

from tests.endpoints.bridges.chat_to_responses.asked import USER, WEATHER, call, sent
from tornado_router.errors import ProviderError


def test_a_question_is_stored_nowhere():
    assert sent(call()) == {"model": "alias", "input": [USER], "store": False}


def test_what_means_the_same_is_carried():
    same = {
        **{"metadata": {"a": "b"}, "parallel_tool_calls": False, "prompt_cache_key": "k"},
        **{"safety_identifier": "s", "service_tier": "flex", "temperature": 0.5},
        **{"top_p": 0.4, "user": "u"},
    }
    assert sent(call(**same)) == {"model": "alias", "input": [USER], "store": False, **same}


def test_what_has_another_name():
    body = sent(
        call(
            max_completion_tokens=64,
            reasoning_effort="low",
            verbosity="high",
            logprobs=True,
            top_logprobs=2,
            stream=True,
            stream_options={"include_usage": True, "include_obfuscation": False},
        )
    )
    assert body == {
        **{"model": "alias", "input": [USER], "store": False, "stream": True},
        **{"max_output_tokens": 64, "reasoning": {"effort": "low"}, "text": {"verbosity": "high"}},
        **{"include": ["message.output_text.logprobs"], "top_logprobs": 2},
        "stream_options": {"include_obfuscation": False},
    }


def test_reasoning_is_asked_for_where_it_has_to_come_back():
    assert sent(call(tools=[WEATHER]))["include"] == ["reasoning.encrypted_content"]
    assert "include" not in sent(call(tools=[]))


def test_an_object_of_reasoning_may_ask_for_a_summary():
    asked = call(reasoning={"effort": "high", "summary": "auto", "exclude": False})
    assert sent(asked)["reasoning"] == {"effort": "high", "summary": "auto"}
    assert asked.dropped == ["reasoning.exclude"]
    assert sent(call(reasoning={}, reasoning_effort="none"))["reasoning"] == {"effort": "none"}


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_bound_below_what_the_vendor_takes_is_its_least(name):
    asked = call(**{name: 5})
    assert sent(asked)["max_output_tokens"] == 16
    assert asked.dropped == [name]
    with pytest.raises(ProviderError) as caught:
        sent(call(unsupported="reject", **{name: 5}))
    assert caught.value.param == name
    assert sent(call(**{name: 16}))["max_output_tokens"] == 16


def test_hints_are_left_out_and_told():
    asked = call(seed=5, prediction={"type": "content", "content": "x"}, store=True)
    assert sent(asked) == sent(call())
    assert sorted(asked.dropped) == ["prediction", "seed", "store"]


def test_what_asks_for_nothing_is_left_out():
    asked = call(
        n=1, frequency_penalty=0, presence_penalty=0, logit_bias={}, logprobs=False, store=False
    )
    assert (sent(asked), asked.dropped) == (sent(call()), [])


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"stop": ["a"]},
        {"frequency_penalty": 1},
        {"presence_penalty": 1},
        {"logit_bias": {"1": 2}},
        {"modalities": ["text", "audio"]},
        {"web_search_options": {}},
        {"functions": [{"name": "f"}]},
        {"x_of_tomorrow": 1},
    ],
)
def test_what_a_response_has_no_place_for_is_refused_by_name(fields):
    (name,) = fields
    with pytest.raises(ProviderError) as caught:
        sent(call(**fields))
    assert (caught.value.status, caught.value.param) == (400, name)
    asked = call(unsupported="drop", **fields)
    assert (sent(asked), asked.dropped) == (sent(call()), [name])
