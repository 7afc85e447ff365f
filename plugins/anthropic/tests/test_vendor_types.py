"""The requests that the tests build are proved by `vendor_types`, so it has to have teeth."""

from __future__ import annotations

import pytest

from . import vendor_types

pytest.importorskip("anthropic")

BODY = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}


@pytest.mark.parametrize(
    "change",
    [
        {"stream_options": {}},
        {"max_tokens": "1"},
        {"max_tokens": True},
        {"stream": "yes"},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "a": 1}]}]},
        {"tool_choice": {"type": "none", "disable_parallel_tool_use": True}},
        {"tool_choice": "auto"},
        {"tools": [{"name": "x"}]},
        {"output_config": {"format": {"type": "json_schema"}}},
        {"thinking": {"type": "enabled"}},
        {"thinking": {"type": "adaptive", "budget_tokens": 1}},
        {"stop_sequences": "x"},
        {"stop_sequences": [1]},
    ],
)
def test_a_wrong_body_is_found(change):
    assert vendor_types.faults(BODY | change)


@pytest.mark.parametrize("name", ["model", "max_tokens", "messages"])
def test_what_is_missing_is_found(name):
    body = {key: value for key, value in BODY.items() if key != name}
    assert vendor_types.faults(body) == [f"body.{name} is missing"]


def test_a_right_body_is_right():
    assert vendor_types.faults(BODY) == []
    assert vendor_types.faults(BODY | {"stream": True, "stop_sequences": ["x"]}) == []
