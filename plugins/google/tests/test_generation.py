from __future__ import annotations

import orjson
import pytest

from tornado_router.provider import ProviderError
from tornado_router_google.models import traits_of

from .support import Google, called, result, tool, user

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"temperature": 0}, {"temperature": 0}),
        ({"temperature": 2, "top_p": 0.5}, {"temperature": 2, "topP": 0.5}),
        ({"max_tokens": 5}, {"maxOutputTokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 7}, {"maxOutputTokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": None}, {"maxOutputTokens": 5}),
        ({"max_tokens": -1}, {}),
        ({"stop": "x"}, {"stopSequences": ["x"]}),
        ({"stop": ["x", "", "y"]}, {"stopSequences": ["x", "y"]}),
        ({"stop": ""}, {}),
        ({"seed": -5}, {"seed": -5}),
        ({"seed": 2**31}, {"seed": 0}),
        ({"seed": 2**63 - 1}, {"seed": 2**31 - 1}),
        ({"n": 1}, {}),
        ({"n": 3}, {"candidateCount": 3}),
        ({"presence_penalty": 0, "frequency_penalty": 0}, {}),
        ({"presence_penalty": 1, "frequency_penalty": -1},
         {"presencePenalty": 1, "frequencyPenalty": -1}),
        ({"logprobs": True}, {"responseLogprobs": True}),
        ({"logprobs": True, "top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}),
        ({"logprobs": False}, {}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        ({"response_format": JSON_SCHEMA},
         {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}),
        ({"modalities": ["text"], "verbosity": "medium", "logit_bias": {}}, {}),
        ({"service_tier": "auto"}, {}),
    ],
)  # fmt: skip
def test_fields(google, fields, expected):
    assert google.config(**fields) == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 9}, "n"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"service_tier": "scale"}, "service_tier"),
        ({"top_k": 40}, "top_k"),
    ],
)
def test_what_google_cannot_do_is_refused(google, refused, fields, param):
    assert refused(google, fields).param == param


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gemini-3-flash-preview", "minimal", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash-preview", "low", {"thinkingLevel": "LOW"}),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM"}),
        ("gemini-flash-latest", "high", {"thinkingLevel": "HIGH"}),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024}),
        ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192}),
        ("models/gemini-2.5-pro", "high", {"thinkingBudget": 24576}),
        ("gemini-2.5-pro", "max", {"thinkingBudget": 32768}),
        ("gemini-2.5-flash", "xhigh", {"thinkingBudget": 24576}),
        ("gemini-2.0-flash", "none", None),
        ("gemma-3-27b-it", "none", None),
    ],
)
def test_efforts(google, model, effort, expected):
    config = google.config(model, reasoning_effort=effort)
    assert config.get("thinkingConfig") == expected


@pytest.mark.parametrize(
    ("model", "effort", "level"),
    [
        ("gemini-3.8-flash", "minimal", "LOW"),
        ("gemini-3-pro-preview", "medium", "HIGH"),
        ("gemini-3-flash-preview", "max", "HIGH"),
        ("gemini-4-hydrogen", "xhigh", "HIGH"),
    ],
)
def test_an_effort_that_is_approximated_is_told(google, model, effort, level):
    call = google.call({"reasoning_effort": effort}, model=model, unsupported="adapt")
    config = orjson.loads(google.request(call).body)["generationConfig"]
    assert call.dropped == ["reasoning_effort"]
    assert config["thinkingConfig"] == {"thinkingLevel": level}
    with pytest.raises(ProviderError):
        google.config(model, reasoning_effort=effort)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-3-flash-preview", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-pro-preview", {"thinkingLevel": "LOW"}),
        ("gemini-2.5-pro", {"thinkingBudget": 128}),
    ],
)
def test_a_model_that_always_thinks_thinks_least(google, model, expected):
    call = google.call({"reasoning_effort": "none"}, model=model, unsupported="adapt")
    config = orjson.loads(google.request(call).body)["generationConfig"]
    assert config["thinkingConfig"] == expected
    assert call.dropped == ["reasoning_effort"]


def test_reasoning_of_another_vendor_is_not_sent(google):
    said = {
        **called(("call_1", "f", "{}"), content="Hm."),
        "reasoning_content": "foreign-thought",
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "foreign-sealed"}],
        "thinking_blocks": [{"type": "thinking", "thinking": "x", "signature": "foreign-sealed"}],
    }
    body = {"messages": [user(), said, result("call_1")], "tools": [tool("f")]}
    layout = [{"type": "thinking", "thinking": "x", "signature": "foreign-sealed"}]
    for memory in ({}, {"call_1": {"model": "claude-opus-5-5", "layout": layout}}):
        call = google.call(body, model="gemini-3-flash-preview", memory=memory)
        assert b"foreign" not in google.request(call).body


@pytest.mark.parametrize("form", [{"type": "json_object"}, JSON_SCHEMA])
def test_a_format_beside_tools_is_asked_for_in_words_where_the_model_has_no_place(google, form):
    fields = {"tools": [tool("f")], "response_format": form}
    messages = [{"role": "system", "content": "Be brief."}, user()]
    call = google.call({"messages": messages, **fields}, unsupported="adapt")
    body = orjson.loads(google.request(call).body)
    assert "responseMimeType" not in body.get("generationConfig", {})
    texts = [part["text"] for part in body["systemInstruction"]["parts"]]
    assert texts[0] == "Be brief."
    assert "Answer with one JSON value alone" in texts[1]
    assert ("JSON Schema" in texts[1]) == (form is JSON_SCHEMA)
    assert call.dropped == ["response_format"]
    with pytest.raises(ProviderError, match="response_format"):
        google.build(fields)


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        ("gemini-3-flash-preview", "none"),
        ("gemini-2.5-pro", "none"),
        ("gemini-2.0-flash", "low"),
        ("gemma-3-27b-it", "high"),
        ("gemini-3-flash-preview", "ultra"),
        ("gemini-2.5-flash", "ultra"),
    ],
)
def test_an_effort_that_is_not_there_is_refused(google, refused, model, effort):
    assert refused(google, {"reasoning_effort": effort}, model=model).param == "reasoning_effort"


def test_newer_models_take_no_penalties(google, refused):
    for model in ("gemini-3.8-flash", "gemini-3.5-flash-lite", "gemini-4-hydrogen"):
        assert refused(google, {"presence_penalty": 1}, model=model).param == "presence_penalty"
        assert google.config(model, presence_penalty=0) == {}


def test_json_beside_tools_needs_gemini_3(google, refused):
    fields = {"response_format": {"type": "json_object"}, "tools": [tool()]}
    assert refused(google, fields).param == "response_format"
    assert "generationConfig" in google.build(fields, model="gemini-3-flash-preview")


def test_service_tiers(google, vertex, refused):
    assert google.build({"service_tier": "flex"})["serviceTier"] == "flex"
    assert refused(vertex, {"service_tier": "flex"}).param == "service_tier"


def test_hints_are_dropped_and_told(google):
    hints = {
        "user": "u",
        "metadata": {"a": "b"},
        "store": True,
        "prompt_cache_key": "k",
        "verbosity": "low",
    }
    call = google.call(hints)
    google.request(call)
    assert sorted(call.dropped) == sorted(hints)


def test_the_newest_is_meant_by_a_name_without_a_number():
    assert traits_of("gemini-flash-latest") == traits_of("gemini-99-flash")
    assert traits_of("gemini-" + "9" * 5000) == traits_of("gemini-99-flash")
    assert not traits_of("gemma-3-27b-it").wants_signatures
    assert Google().provider.remembers
