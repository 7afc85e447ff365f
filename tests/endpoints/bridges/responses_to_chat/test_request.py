"""The fields of a request: carried, served here, or left out and reported; none by surprise."""

import pytest

from tornado_router.errors import ApiError, ProviderError

from .exchange import BRIDGE, LOGPROBS, STATE, WEATHER, call, made

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def dropped(**fields):
    asked = call(**fields)
    BRIDGE.call(asked)
    return asked.dropped


def test_what_means_the_same_is_carried():
    fields = {
        "temperature": 0.5,
        "top_p": 0.4,
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
        "service_tier": "flex",
        "parallel_tool_calls": False,
    }
    asked = call(**fields, tools=[WEATHER])
    body = BRIDGE.call(asked).body
    assert {name: body[name] for name in fields} == fields
    assert asked.dropped == []


def test_what_has_another_name_is_carried():
    body = made(
        max_output_tokens=64,
        reasoning={"effort": "high", "summary": "auto"},
        text={"verbosity": "low"},
        top_logprobs=3,
        include=[LOGPROBS],
    )
    assert body == {
        "model": "alias",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_completion_tokens": 64,
        "reasoning_effort": "high",
        "verbosity": "low",
        "logprobs": True,
        "top_logprobs": 3,
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"include": [LOGPROBS]}, {"logprobs": True}),
        ({"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"top_logprobs": 0}, {}),
        ({"include": [STATE]}, {}),
    ],
)
def test_log_probabilities_are_asked_for_if_they_are_wanted(fields, expected):
    body = made(**fields)
    assert {name: body[name] for name in body if "logprobs" in name} == expected


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "name": "city", "schema": SCHEMA, "strict": True},
            {
                "type": "json_schema",
                "json_schema": {"name": "city", "schema": SCHEMA, "strict": True},
            },
        ),
        (
            {
                "type": "json_schema",
                "name": "c",
                "schema": SCHEMA,
                "description": "d",
                "strict": None,
            },
            {
                "type": "json_schema",
                "json_schema": {"name": "c", "schema": SCHEMA, "description": "d"},
            },
        ),
    ],
)
def test_a_format_is_carried(form, expected):
    assert made(text={"format": form}).get("response_format") == expected


def test_a_format_of_tomorrow_is_refused():
    with pytest.raises(ProviderError) as refused:
        made(text={"format": {"type": "yaml"}})
    assert refused.value.param == "text.format"


def test_a_stream_stays_one_and_asks_for_usage():
    body = made(stream=True, stream_options={"include_obfuscation": True})
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert "stream" not in made()


def test_what_the_router_serves_is_not_sent():
    fields = {"store": True, "background": False, "metadata": {"a": "b"}}
    assert dropped(**fields) == []
    assert not fields.keys() & made(**fields).keys()


@pytest.mark.parametrize("unsupported", ["adapt", "reject", "drop"])
@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"client_metadata": {"a": "b"}}, ["client_metadata"]),
        ({"max_tool_calls": 3}, ["max_tool_calls"]),
        ({"truncation": "auto"}, ["truncation"]),
        ({"truncation": "disabled"}, []),
        ({"include": [STATE, "web_search_call.results", "file_search_call.results"]}, ["include"]),
        ({"reasoning": {"effort": "low", "context": "all_turns"}}, ["reasoning.context"]),
        ({"instructions": None, "tools": None, "text": None, "previous_response_id": None}, []),
    ],
)
def test_a_hint_is_left_out_and_reported(fields, names, unsupported):
    assert dropped(**fields, unsupported=unsupported) == names


@pytest.mark.parametrize("unsupported", ["adapt", "drop"])
def test_a_field_of_tomorrow_is_left_out_and_reported(unsupported):
    assert dropped(field_of_tomorrow=1, unsupported=unsupported) == ["field_of_tomorrow"]


def test_a_field_of_tomorrow_is_refused_where_nothing_may_be_left_out():
    with pytest.raises(ProviderError) as refused:
        made(field_of_tomorrow=1, unsupported="reject")
    assert refused.value.param == "field_of_tomorrow"


def test_a_field_of_chat_completions_is_carried():
    fields = {"seed": 7, "stop": ["x"], "top_k": 40, "chat_template_kwargs": {"thinking": True}}
    assert made(**fields).items() >= fields.items()


@pytest.mark.parametrize("fields", [{"seed": "x"}, {"stop": 5}, {"logit_bias": []}])
def test_a_field_of_chat_completions_is_checked(fields):
    with pytest.raises(ApiError) as refused:
        made(**fields)
    assert (refused.value.status, refused.value.param) == (400, *fields)


@pytest.mark.parametrize("unsupported", ["adapt", "drop"])
@pytest.mark.parametrize(
    "fields", [{"previous_response_id": "resp_1"}, {"conversation": {"id": "conv_1"}}]
)
def test_a_conversation_that_is_kept_elsewhere_is_refused(fields, unsupported):
    with pytest.raises(ProviderError) as refused:
        made(**fields, unsupported=unsupported)
    assert (refused.value.status, refused.value.param) == (400, *fields)
    assert refused.value.retryable, "another provider may keep it"


def test_a_prompt_that_the_vendor_keeps_is_refused():
    with pytest.raises(ProviderError) as refused:
        made(prompt={"id": "pmpt_1"})
    assert refused.value.param == "prompt"


def test_the_prompt_stays_the_same_from_turn_to_turn():
    first = [{"role": "developer", "content": "a"}, {"role": "user", "content": "b"}]
    rest = [
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"role": "developer", "content": "d"},
        {"role": "user", "content": "e"},
    ]
    before, after = made(first, tools=[WEATHER]), made([*first, *rest], tools=[WEATHER])
    assert after["messages"][: len(before["messages"])] == before["messages"]
    assert after["tools"] == before["tools"]
    assert list(after) == list(before)
