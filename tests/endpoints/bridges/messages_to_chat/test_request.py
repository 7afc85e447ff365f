"""Options of a message as those of a chat completion."""

import hashlib

import pytest

from tests.messages import WEATHER, call, text, user
from tornado_router.endpoints import CHAT_COMPLETIONS
from tornado_router.endpoints.bridges.messages_to_chat.request import build_body
from tornado_router.errors import ProviderError

VALIDATOR = CHAT_COMPLETIONS.validator("openai")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def made(**fields):
    asked = call(**fields)
    body = build_body(asked)
    VALIDATOR.check(body)
    return body, asked.dropped


def test_a_question():
    assert made() == (
        {"model": "alias", "messages": [user("Hi")], "max_completion_tokens": 99},
        [],
    )


def test_a_stream_reports_its_usage():
    body, _ = made(stream=True)
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


def test_what_means_the_same_is_carried():
    body, dropped = made(temperature=0.5, top_p=0.4, stop_sequences=["a", "b"])
    assert (body["temperature"], body["top_p"], body["stop"]) == (0.5, 0.4, ["a", "b"])
    assert dropped == []


@pytest.mark.parametrize(
    ("thinking", "effort", "expected"),
    [
        (None, None, None),
        (None, "low", "low"),
        (None, "max", "max"),
        ({"type": "adaptive"}, None, None),
        ({"type": "adaptive"}, "xhigh", "xhigh"),
        ({"type": "disabled"}, None, "none"),
        ({"type": "disabled"}, "high", "none"),
        ({"type": "between_tools"}, None, "none"),
        ({"type": "enabled", "budget_tokens": 1024}, None, "low"),
        ({"type": "enabled", "budget_tokens": 4096}, None, "low"),
        ({"type": "enabled", "budget_tokens": 10_000}, None, "medium"),
        ({"type": "enabled", "budget_tokens": 31_999}, None, "high"),
        ({"type": "enabled", "budget_tokens": 31_999}, "low", "low"),
        ({"type": "of tomorrow"}, None, None),
    ],
)
def test_how_hard_to_think(thinking, effort, expected):
    fields = {"thinking": thinking} if thinking else {}
    if effort:
        fields["output_config"] = {"effort": effort}
    body, dropped = made(**fields)
    assert body.get("reasoning_effort") == expected
    assert dropped == []


def test_an_effort_of_tomorrow_is_the_greatest_of_today():
    body, dropped = made(output_config={"effort": "ultra", "tone": "warm"})
    assert body["reasoning_effort"] == "max"
    assert dropped == ["output_config.effort", "output_config.tone"]


@pytest.mark.parametrize(
    "fields",
    [
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"output_format": {"type": "json_schema", "schema": SCHEMA}},
    ],
)
def test_a_format_is_a_schema(fields):
    body, dropped = made(**fields)
    wanted = {"name": "response", "schema": SCHEMA, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": wanted}
    assert dropped == []


def test_a_format_that_cannot_be_promised_is_asked_for():
    schema = {**SCHEMA, "required": []}
    fields = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    body, dropped = made(**fields)
    assert body["response_format"]["json_schema"] == {"name": "response", "schema": schema}
    assert dropped == ["output_config.format"]


@pytest.mark.parametrize("user_id", ["user_1", '{"device_id":"' + "x" * 150 + '"}'])
def test_a_user_is_known_by_an_id_that_is_always_the_same(user_id):
    body, dropped = made(metadata={"user_id": user_id})
    if len(user_id) > 64:
        assert body["user"] == hashlib.sha256(user_id.encode()).hexdigest()
        assert dropped == ["metadata.user_id"]
    else:
        assert (body["user"], dropped) == (user_id, [])


@pytest.mark.parametrize(
    ("tier", "expected"), [("auto", "auto"), ("standard_only", "default"), ("of tomorrow", None)]
)
def test_the_tier(tier, expected):
    body, dropped = made(service_tier=tier)
    assert body.get("service_tier") == expected
    assert dropped == ([] if expected else ["service_tier"])


HINTS = {
    "cache_control": {"type": "ephemeral"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
    "speed": "fast",
}


@pytest.mark.parametrize("unsupported", ["adapt", "reject", "drop"])
def test_hints_are_left_out_and_told(unsupported):
    body, dropped = made(unsupported=unsupported, **HINTS)
    assert body.keys() == {"model", "messages", "max_completion_tokens"}
    assert dropped == list(HINTS)


@pytest.mark.parametrize(
    ("field", "value"),
    [("top_k", 40), ("container", {"skills": []}), ("a_field_of_tomorrow", 1), ("max_tokens", 0)],
)
def test_what_comes_nearest_is_done_and_told(field, value):
    body, dropped = made(**{field: value})
    assert body.keys() == {"model", "messages", "max_completion_tokens"}
    assert dropped == [field]
    with pytest.raises(ProviderError) as refused:
        made(unsupported="reject", **{field: value})
    assert refused.value.param == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mcp_servers", [{"type": "url", "name": "x", "url": "https://a.example"}]),
        ("inference_geo", "eu"),
        ("compaction", {"type": "summarize"}),
        ("stop_sequences", list("abcde")),
        ("output_config.format", None),
    ],
)
def test_what_would_be_another_response_is_refused_by_name(field, value):
    fields = {field: value}
    if value is None:
        fields = {"output_config": {"format": {"type": "grammar"}}}
    with pytest.raises(ProviderError) as refused:
        made(**fields)
    assert (refused.value.status, refused.value.param) == (400, field)
    assert made(unsupported="drop", **fields)[1] == [field]


def test_null_is_as_if_it_was_not_there():
    fields = dict.fromkeys(("temperature", "stop_sequences", "tools", "inference_geo", "container"))
    assert made(**fields) == made()


def test_what_claude_code_sends_passes():
    asked = call(
        user([text("<system-reminder>"), text("Say hi", cache_control={"type": "ephemeral"})]),
        {"role": "system", "content": "You have skills."},
        system=[
            text("x-anthropic-billing-header: cc_version=2.1.197; cch=1a2b3;"),
            text("You are Claude Code.", cache_control={"type": "ephemeral"}),
        ],
        tools=[{**WEATHER, "name": f"tool_{number}"} for number in range(24)],
        metadata={"user_id": "x" * 150},
        max_tokens=64_000,
        thinking={"type": "adaptive"},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        output_config={"effort": "high"},
        stream=True,
    )
    body = build_body(asked)
    VALIDATOR.check(body)
    assert [message["role"] for message in body["messages"]] == ["system", "user", "system"]
    assert (len(body["tools"]), body["reasoning_effort"]) == (24, "high")
    assert asked.dropped == ["cache_control", "system", "metadata.user_id", "context_management"]
