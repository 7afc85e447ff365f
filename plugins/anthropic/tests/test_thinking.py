from __future__ import annotations

import pytest

from tornado_router.provider import ProviderError

from .support import (
    ADAPTIVE,
    BUDGET,
    NEWEST,
    Claude,
    assistant,
    events,
    make_call,
    message,
    result,
    text,
    tool,
    tool_call,
    user,
    uses,
)

THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmF0dXJl"}


def asks(claude, model, effort, **fields):
    fields = {"unsupported": "adapt", **fields}
    body = claude.body(user("x"), model=model, reasoning_effort=effort, **fields)
    return body.get("thinking"), body.get("output_config", {}).get("effort")


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "level"),
    [
        (BUDGET, None, None, None),
        (BUDGET, "none", None, None),
        (BUDGET, "minimal", {"type": "enabled", "budget_tokens": 1024}, None),
        (BUDGET, "low", {"type": "enabled", "budget_tokens": 4096}, None),
        (BUDGET, "medium", {"type": "enabled", "budget_tokens": 12_288}, None),
        (BUDGET, "high", {"type": "enabled", "budget_tokens": 24_000}, None),
        (ADAPTIVE, None, None, None),
        (ADAPTIVE, "none", None, None),
        (ADAPTIVE, "minimal", {"type": "adaptive"}, "low"),
        (ADAPTIVE, "high", {"type": "adaptive"}, "high"),
        (ADAPTIVE, "xhigh", {"type": "adaptive"}, "high"),
        (ADAPTIVE, "max", {"type": "adaptive"}, "max"),
        ("claude-opus-4-7", "xhigh", {"type": "adaptive"}, "xhigh"),
        ("claude-opus-5", None, None, None),
        ("claude-opus-5", "low", None, "low"),
        ("claude-opus-5", "none", {"type": "disabled"}, None),
        ("claude-haiku-5-5", "none", {"type": "disabled"}, None),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None),
        (NEWEST, None, None, None),
        (NEWEST, "xhigh", None, "xhigh"),
        ("claude-3-5-haiku-20241022", "none", None, None),
    ],
)
def test_effort(claude, model, effort, thinking, level):
    assert asks(claude, model, effort) == (thinking, level)


def test_the_newest_models_always_think(claude):
    with pytest.raises(ProviderError) as refused:
        asks(claude, NEWEST, "none", unsupported="reject")
    assert refused.value.param == "reasoning_effort"
    assert asks(claude, NEWEST, "none", unsupported="drop") == (None, "low")


def test_the_oldest_models_never_think(claude):
    with pytest.raises(ProviderError) as refused:
        asks(claude, "claude-3-5-haiku-20241022", "low", unsupported="reject")
    assert refused.value.param == "reasoning_effort"


EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize(
    "model", [BUDGET, ADAPTIVE, NEWEST, "claude-opus-4-7", "claude-opus-5", "claude-3-opus"]
)
def test_every_effort_is_taken_by_every_model_and_another_is_told(claude, model, effort):
    call = make_call(user("x"), model=model, reasoning_effort=effort, unsupported="adapt")
    level = claude.body(call=call).get("output_config", {}).get("effort", effort)
    assert (call.dropped == ["reasoning_effort"]) or (level == effort and not call.dropped)


def test_reasoning_of_another_vendor_is_not_sent(claude):
    said = {
        **assistant("Hm.", tool_call("call_1")),
        "reasoning_content": "foreign-thought",
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "foreign-sealed"}],
        "thinking_blocks": [{"type": "thinking", "thinking": "x", "signature": "foreign-sealed"}],
    }
    said["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "foreign-sealed"}}
    messages = [user("x"), said, result("call_1")]
    kept = {
        "model": "gemini-3-pro",
        "layout": [{"type": "thinking", "signature": "foreign-sealed"}],
    }
    for memory in ({}, {"call_1": kept}, {"call_1": {"signature": "foreign-sealed"}}):
        call = make_call(*messages, tools=[tool()], model=NEWEST, memory=memory)
        assert b"foreign" not in claude.request(call).body


@pytest.mark.parametrize(
    ("limit", "budget"), [(100_000, 24_576), (8000, 6000), (1200, 1024), (1025, 1024)]
)
def test_a_budget_leaves_room_for_the_answer(claude, limit, budget):
    body = claude.body(user("x"), reasoning_effort="high", max_completion_tokens=limit)
    assert body["max_tokens"] == limit
    assert body["thinking"]["budget_tokens"] == budget < limit


def test_a_limit_too_low_for_any_budget(claude):
    call = make_call(user("x"), reasoning_effort="high", max_completion_tokens=1024)
    assert "thinking" not in claude.body(call=call)
    assert call.dropped == ["reasoning_effort"]


def test_a_budget_goes_with_no_forced_tool_and_no_prefill(claude):
    for fields in (
        {"messages": [user("x")], "tools": [tool()], "tool_choice": "required"},
        {"messages": [user("x"), assistant("y")]},
    ):
        messages = fields.pop("messages")
        with pytest.raises(ProviderError) as refused:
            claude.body(*messages, reasoning_effort="low", **fields)
        assert refused.value.param == "reasoning_effort"
        body = claude.body(*messages, reasoning_effort="low", unsupported="drop", **fields)
        assert "thinking" not in body


def test_adaptive_thinking_goes_with_a_forced_tool(claude):
    body = claude.body(
        user("x"), model=ADAPTIVE, reasoning_effort="low", tools=[tool()], tool_choice="required"
    )
    assert body["thinking"] == {"type": "adaptive"}
    assert body["tool_choice"] == {"type": "any"}


def test_a_client_may_speak_anthropics_own_words(claude):
    own = {"type": "enabled", "budget_tokens": 2000}
    body = claude.body(user("x"), thinking=own, max_tokens=4000)
    assert body["thinking"] == own
    with pytest.raises(ProviderError) as refused:
        claude.body(user("x"), thinking=True)
    assert refused.value.param == "thinking"


def second_turn(claude, kept, *calls, **fields):
    calls = calls or (tool_call("a"),)
    return claude.body(
        user("x"),
        assistant(None, *calls),
        *(result(call["id"]) for call in calls),
        tools=[tool()],
        memory=kept,
        **fields,
    )


def kept_by(claude, model, *blocks):
    call = make_call(user("x"), tools=[tool()], model=model)
    claude.answer(message(*blocks, stop_reason="tool_use"), call)
    return call.kept


def test_a_budgets_turn_goes_on_with_its_thoughts(claude):
    kept = kept_by(claude, BUDGET, THOUGHT, uses("a", city="Paris"))
    body = second_turn(claude, kept, reasoning_effort="low")
    assert body["thinking"]["type"] == "enabled"
    assert body["messages"][1]["content"] == [THOUGHT, uses("a", city="Paris")]


def test_without_thinking_no_thought_is_replayed(claude):
    kept = kept_by(claude, BUDGET, THOUGHT, uses("a"))
    body = second_turn(claude, kept)
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use"]


def test_later_calls_of_a_turn_need_no_thoughts_of_their_own(claude):
    kept = kept_by(claude, BUDGET, THOUGHT, uses("a"))
    body = claude.body(
        user("x"),
        assistant(None, tool_call("a")),
        result("a"),
        assistant("y", tool_call("b")),
        result("b"),
        tools=[tool()],
        memory=kept,
        reasoning_effort="low",
    )
    assert body["thinking"]["type"] == "enabled"


def test_a_new_turn_may_think_whatever_was_lost_before(claude):
    body = claude.body(
        user("x"),
        assistant(None, tool_call("a")),
        result("a"),
        assistant("sunny"),
        user("And?"),
        tools=[tool()],
        reasoning_effort="low",
    )
    assert body["thinking"]["type"] == "enabled"


@pytest.mark.parametrize(("model", "bound"), [("claude-opus-5", False), (NEWEST, True)])
def test_thoughts_that_no_longer_fit_are_left_out_by_the_vendor(claude, model, bound):
    call = make_call(
        user("x"),
        assistant(None, tool_call("a")),
        result("a"),
        tools=[tool()],
        model=model,
        memory=kept_by(claude, model, THOUGHT, uses("a")),
    )
    request = Claude(beta=["one-2026-01-01"]).request(call)
    betas = request.headers["anthropic-beta"].split(",")
    assert ("thinking-binding-controls-2026-08-01" in betas) is bound
    assert betas[0] == "one-2026-01-01"
    assert (b"drop_block" in request.body) is bound


def test_nothing_is_kept_without_a_thought_or_without_a_call(claude):
    assert not kept_by(claude, BUDGET, text("x"), uses("a"))
    assert not kept_by(claude, BUDGET, THOUGHT, text("x"))


def test_what_was_kept_for_a_stream_is_what_is_kept_for_an_answer(claude):
    blocks = [THOUGHT, text("Let me"), uses("a", city="Paris"), uses("b")]
    call = make_call(user("x"), tools=[tool()], stream=True)
    found = [
        [
            {**THOUGHT, "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "H"},
            {"type": "thinking_delta", "thinking": "m."},
            {"type": "signature_delta", "signature": THOUGHT["signature"]},
        ],
        [text(""), {"type": "text_delta", "text": "Let me"}],
        [uses("a")],
        [uses("b")],
    ]
    claude.chunks(events(*found, stop_reason="tool_use"), call)
    assert call.kept == kept_by(claude, BUDGET, *blocks)


def test_broken_memory_does_no_harm(claude):
    layouts = (5, "a", [None], [{}], [{"type": 1}], ["a", "a"], ["a", 5, -5])
    odd = [{"model": NEWEST, "layout": layout} for layout in layouts]
    for kept in (None, 7, [], "x", {"model": "other", "layout": []}, {"model": NEWEST}, *odd):
        body = second_turn(claude, {"a": kept}, model=NEWEST)
        assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use"]
