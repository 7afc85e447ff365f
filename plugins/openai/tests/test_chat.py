"""Chat completions for vendors that take other ones than OpenAI."""

import json
from typing import ClassVar

import pytest

from tornado_router.provider import Call, ProviderError
from tornado_router_openai import OpenAI, OpenAIProvider, register_providers

PRESETS = register_providers()
USER = {"role": "user", "content": "hi"}
OPTIONS = {"api_key": "k", "base_url": "https://x.test/v1"}
OTHERS = sorted(set(PRESETS) - {"openai"})


def sent(name, *, messages=(USER,), unsupported="adapt", memory=None, options=None, **fields):
    """What the vendor gets for a request, and what was dropped from it."""
    body = {"model": "m", "messages": list(messages), **fields}
    raw = json.dumps(body).encode()
    call = Call("id", "chat.completions", "m", body, raw, False, unsupported, memory or {})
    kind = PRESETS[name] if isinstance(name, str) else name
    before = json.dumps(body)
    request = kind("it", options or OPTIONS).endpoints["chat.completions"].build_request(call)
    assert json.dumps(body) == before, "the client's body is not to be changed"
    return json.loads(request.body), call.dropped


def rest(name, **fields):
    """The fields that the vendor gets beside model and messages, and what was dropped."""
    body, dropped = sent(name, **fields)
    return {key: value for key, value in body.items() if key not in ("model", "messages")}, dropped


NULLS = ("tool_choice", "logprobs", "functions", "modalities", "seed", "stop", "a_new_field")


class TestNulls:
    @pytest.mark.parametrize("name", OTHERS)
    def test_they_are_absence(self, name):
        assert rest(name, **dict.fromkeys(NULLS)) == ({}, [])

    @pytest.mark.parametrize("field", ["store", "user", "service_tier"])
    def test_a_hint_that_is_null_is_not_reported(self, field):
        assert rest("mistral", **{field: None}) == ({}, [])

    def test_openai_gets_them(self):
        body, _ = rest("openai", options={"api_key": "k"}, seed=None)
        assert body == {"seed": None}

    def test_a_server_of_its_format_does_not(self):
        assert rest("openai", seed=None) == ({}, [])

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"seed": None, "random_seed": 4}, {"random_seed": 4}),
            ({"seed": 4, "random_seed": None}, {"random_seed": 4}),
            ({"seed": None, "random_seed": None}, {}),
        ],
    )
    def test_they_win_over_no_value(self, fields, expected):
        assert rest("mistral", **fields) == (expected, [])

    def test_of_two_values_the_vendors_own_name_wins(self):
        assert rest("mistral", seed=1, random_seed=2) == ({"random_seed": 2}, ["seed"])

    def test_of_messages(self):
        message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": None}
        body, dropped = sent("deepseek", messages=[USER, message])
        assert body["messages"] == [USER, {"role": "assistant", "content": None}]
        assert dropped == []

    def test_of_tools_but_not_of_their_schemas(self):
        schema = {"type": "object", "properties": {"a": {"default": None}}}
        function = {"name": "f", "description": None, "strict": None, "parameters": schema}
        body, _ = rest("groq", tools=[{"type": "function", "function": function}])
        assert body["tools"][0]["function"] == {"name": "f", "parameters": schema}


class TestBounds:
    @pytest.mark.parametrize("name", [name for name in OTHERS if PRESETS[name].renamed])
    @pytest.mark.parametrize(
        "fields",
        [
            {"max_tokens": 7},
            {"max_completion_tokens": 7},
            {"max_tokens": 7, "max_completion_tokens": None},
            {"max_tokens": None, "max_completion_tokens": 7},
            {"max_tokens": 7, "max_completion_tokens": 5000},
            {"max_tokens": 5000, "max_completion_tokens": 7},
        ],
    )
    def test_the_lesser_has_the_old_name(self, name, fields):
        assert rest(name, **fields) == ({"max_tokens": 7}, [])

    @pytest.mark.parametrize("name", ["groq", "xai", "openrouter", "vllm", "llama.cpp"])
    def test_one_of_two_is_sent(self, name):
        body, _ = rest(name, max_tokens=7, max_completion_tokens=5000)
        assert body == {"max_completion_tokens": 7}

    def test_openai_gets_both_and_refuses_them_itself(self):
        fields = {"max_tokens": 7, "max_completion_tokens": 5000}
        assert rest("openai", options={"api_key": "k"}, **fields) == (fields, [])

    @pytest.mark.parametrize("name", ["llama.cpp", "ollama"])
    def test_no_bound_is_a_word_of_some_servers(self, name):
        body, _ = rest(name, max_tokens=-1)
        assert body == {"max_tokens": -1}

    @pytest.mark.parametrize("name", ["mistral", "vllm", "deepseek", "azure"])
    @pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
    def test_and_silence_at_others(self, name, field):
        assert rest(name, **{field: -1}) == ({}, [])

    def test_a_bound_is_less_than_none(self):
        body, _ = rest("ollama", max_tokens=-1, max_completion_tokens=5)
        assert body == {"max_tokens": 5}

    def test_an_unknown_server_may_know_it(self):
        assert rest("openai", max_tokens=-1) == ({"max_tokens": -1}, [])
        assert rest("openai", options={"api_key": "k"}, max_tokens=-1) == ({}, [])


class TestRoles:
    @pytest.mark.parametrize(
        "name",
        ["deepseek", "fireworks", "groq", "llama.cpp", "mistral", "moonshot", "ollama", "together"],
    )
    def test_developer_is_system(self, name):
        body, dropped = sent(name, messages=[{"role": "developer", "content": "Be brief."}, USER])
        assert body["messages"] == [{"role": "system", "content": "Be brief."}, USER]
        assert dropped == []

    @pytest.mark.parametrize("name", ["azure", "openai", "openrouter", "xai"])
    def test_unless_the_vendor_knows_it(self, name):
        body, _ = sent(name, messages=[{"role": "developer", "content": "Be brief."}, USER])
        assert body["messages"][0]["role"] == "developer"

    def test_a_role_that_the_vendor_has_not(self):
        messages = [USER, {"role": "function", "name": "f", "content": "1"}]
        with pytest.raises(ProviderError) as caught:
            sent("mistral", messages=messages)
        assert (caught.value.param, caught.value.retryable) == ("messages[1].role", True)
        body, dropped = sent("mistral", messages=messages, unsupported="drop")
        assert (body["messages"], dropped) == ([USER], ["messages[1].role"])


class TestFieldsOfMessages:
    @pytest.mark.parametrize("name", ["groq", "mistral"])
    @pytest.mark.parametrize("field", ["reasoning_content", "annotations", "parsed", "audio"])
    def test_what_is_refused_is_left_out_and_reported_once(self, name, field):
        message = {"role": "assistant", "content": "yes", field: {"x": 1}}
        body, dropped = sent(name, messages=[USER, message, USER, message])
        assert body["messages"][1] == {"role": "assistant", "content": "yes"}
        assert dropped == [f"messages.{field}"]

    @pytest.mark.parametrize("value", [None, [], {}, ""])
    def test_silently_if_it_says_nothing(self, value):
        message = {"role": "assistant", "content": "yes", "annotations": value}
        assert sent("groq", messages=[USER, message])[1] == []

    def test_a_refusal_is_what_the_model_said(self):
        message = {"role": "assistant", "content": None, "refusal": "No."}
        body, dropped = sent("mistral", messages=[USER, message])
        assert body["messages"][1] == {"role": "assistant", "content": "No."}
        assert dropped == []

    def test_a_name_of_a_speaker(self):
        body, dropped = sent("groq", messages=[{**USER, "name": "ann"}])
        assert (body["messages"], dropped) == ([USER], ["messages.name"])

    @pytest.mark.parametrize("name", ["groq", "mistral"])
    def test_a_vendors_own_stays(self, name):
        own = {"groq": {"reasoning": "hm"}, "mistral": {"prefix": True}}[name]
        message = {"role": "assistant", "content": "yes", **own}
        assert sent(name, messages=[message]) == ({"model": "m", "messages": [message]}, [])

    @pytest.mark.parametrize("name", ["openrouter", "together", "xai"])
    def test_a_vendor_that_ignores_them_gets_them(self, name):
        message = {"role": "assistant", "content": "yes", "reasoning_content": "hm"}
        assert sent(name, messages=[message])[0]["messages"] == [message]


def called(*ids, arguments="{}"):
    function = {"name": "f", "arguments": arguments}
    calls = [{"id": name, "type": "function", "function": function} for name in ids]
    results = [{"role": "tool", "tool_call_id": name, "content": "1"} for name in ids]
    return [USER, {"role": "assistant", "content": None, "tool_calls": calls}, *results]


class TestIds:
    @pytest.mark.parametrize(
        "name", ["call_005AKQn2j5TEr4S6", "toolu_01A", "", "é" * 9, "abc-12345", "abcdefgh"]
    )
    def test_they_fit_and_agree(self, name):
        body, dropped = sent("mistral", messages=called(name, "other"))
        _, message, *results = body["messages"]
        ids = [item["id"] for item in message["tool_calls"]]
        assert ids == [item["tool_call_id"] for item in results]
        assert len({*ids}) == 2
        assert all(len(item) == 9 and item.isascii() and item.isalnum() for item in ids)
        assert dropped == []
        assert sent("mistral", messages=called(name, "other"))[0] == body

    def test_one_that_fits_stays(self):
        assert sent("mistral", messages=called("aB3456789"))[0]["messages"] == called("aB3456789")

    def test_others_take_any(self):
        assert (
            sent("deepseek", messages=called("call_1"))[0]["messages"][2:] == called("call_1")[2:]
        )


class TestArguments:
    @pytest.mark.parametrize("name", ["llama.cpp", "mistral", "ollama", "vllm"])
    @pytest.mark.parametrize("text", ['{"a": "cut', "null", "[1]", '"x"', "5", "{'a': 1}"])
    def test_broken_ones_are_repaired(self, name, text):
        body, dropped = sent(name, messages=called("abcdefgh1", arguments=text))
        function = body["messages"][1]["tool_calls"][0]["function"]
        assert json.loads(function["arguments"]) == {"arguments": text}
        assert dropped == ["messages[1].tool_calls[0].function.arguments"]

    @pytest.mark.parametrize("text", ["", "  ", "{}"])
    def test_none_at_all_are_an_empty_object(self, text):
        body, dropped = sent("ollama", messages=called("c", arguments=text))
        assert body["messages"][1]["tool_calls"][0]["function"]["arguments"] == "{}"
        assert dropped == []

    def test_good_ones_stay_as_they_are_spelled(self):
        messages = called("c", arguments='{ "a":1.50 }')
        assert sent("vllm", messages=messages)[0]["messages"] == messages


class TestParameters:
    @pytest.mark.parametrize(
        ("name", "fields"),
        [
            ("mistral", {"logprobs": False, "logit_bias": {}, "verbosity": "medium"}),
            ("mistral", {"modalities": ["text"], "functions": [], "top_logprobs": 0}),
            ("groq", {"logprobs": False, "logit_bias": {}, "verbosity": "medium"}),
        ],
    )
    def test_what_asks_for_nothing_is_left_out(self, name, fields):
        assert rest(name, unsupported="reject", **fields) == ({}, [])

    @pytest.mark.parametrize(
        ("name", "field", "value"),
        [
            ("mistral", "modalities", ["text", "audio"]),
            ("mistral", "web_search_options", {}),
            ("groq", "logit_bias", {"5": 1}),
            ("groq", "n", 2),
            ("groq", "stop", list("abcde")),
            ("fireworks", "stop", list("abcde")),
        ],
    )
    def test_what_asks_for_something_is_refused_so_that_another_target_may_serve(
        self, name, field, value
    ):
        with pytest.raises(ProviderError) as caught:
            rest(name, **{field: value})
        error = caught.value
        assert (error.status, error.param, error.retryable) == (400, field, True)
        assert rest(name, unsupported="drop", **{field: value})[1] == [field]

    @pytest.mark.parametrize("field", ["verbosity", "prompt_cache_retention"])
    def test_a_hint_is_left_out_and_reported(self, field):
        assert rest("mistral", unsupported="reject", **{field: "low"}) == ({}, [field])

    @pytest.mark.parametrize("name", ["mistral", "groq"])
    def test_log_probabilities_that_nobody_can_give_are_left_out_and_reported(self, name):
        assert rest(name, logprobs=True, top_logprobs=2) == ({}, ["logprobs", "top_logprobs"])
        with pytest.raises(ProviderError):
            rest(name, logprobs=True, unsupported="reject")

    @pytest.mark.parametrize(("name", "limit"), [("mistral", 1.5), ("moonshot", 1)])
    def test_a_temperature_beyond_the_vendors_is_lowered(self, name, limit):
        assert rest(name, temperature=limit) == ({"temperature": limit}, [])
        assert rest(name, temperature=2) == ({"temperature": limit}, ["temperature"])
        with pytest.raises(ProviderError):
            rest(name, temperature=2, unsupported="reject")

    def test_what_a_vendor_takes_stays(self):
        fields = {"metadata": {"a": "b"}, "prompt_cache_key": "k", "prediction": {}, "n": 2}
        assert rest("mistral", **fields) == (fields, [])


def test_a_plugin_of_before_there_were_rules_for_chat():
    class Example(OpenAIProvider):
        renamed: ClassVar = {"max_completion_tokens": "max_tokens"}
        unknown_hints: ClassVar = frozenset({"user"})

    body, dropped = rest(Example, max_completion_tokens=5, user="u", seed=1)
    assert (body, dropped) == ({"max_tokens": 5, "seed": 1}, ["user"])


def test_openai_itself_has_no_rules():
    messages = [{"role": "developer", "content": None, "x": None}, *called("c", arguments="{")]
    body = {"model": "m", "messages": messages, "logprobs": False}
    call = Call("id", "chat.completions", "m", body, b"as it came", False)
    made = OpenAI("it", {"api_key": "k"}).endpoints["chat.completions"].build_request(call)
    assert made.body == b"as it came"
