from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router_anthropic.models import Model, facts_of, known_facts

from .support import vendor_types

NAMES = {
    "claude-3-haiku-20240307": ("both", "none", 4096),
    "claude-3-5-sonnet-20241022": ("both", "none", 8192),
    "claude-3-7-sonnet-latest": ("both", "budget", 64_000),
    "claude-opus-4-20250514": ("one", "budget", 32_000),
    "claude-opus-4-1": ("one", "budget", 32_000),
    "claude-sonnet-4@20250514": ("one", "budget", 64_000),
    "claude-haiku-4-5-20251001": ("one", "budget", 64_000),
    "anthropic.claude-opus-4-6-v1": ("one", "adaptive", 128_000),
    "claude-sonnet-4.6": ("one", "adaptive", 64_000),
    "claude-opus-4-7": ("none", "adaptive", 128_000),
    "claude-opus-4-8": ("none", "adaptive", 128_000),
    "claude-mythos-preview": ("none", "always", 128_000),
    "claude-opus-5": ("none", "default", 128_000),
    "claude-sonnet-5": ("none", "default", 128_000),
    "claude-fable-5": ("none", "always", 128_000),
    "claude-fable-5-1": ("none", "always", 128_000),
    "claude-opus-5-5": ("none", "always", 128_000),
    "claude-sonnet-5-5": ("none", "default", 128_000),
    "claude-haiku-5-5": ("none", "default", 128_000),
    "kimi-k3": ("both", "budget", 8192),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_generation_is_known_by_its_name(name):
    model = known_facts(name)
    assert (model.sampling, model.thinking, model.max_output) == NAMES[name]


@pytest.mark.parametrize(
    ("attribute", "names"),
    [
        # https://platform.claude.com/docs/en/build-with-claude/structured-outputs
        ("json_schema", {n for n in NAMES if n.startswith(("claude-op", "claude-s", "claude-h"))
            and not any(old in n for old in ("-4-2", "-4-1", "4@"))}
            | {"anthropic.claude-opus-4-6-v1", "claude-mythos-preview", "claude-fable-5",
               "claude-fable-5-1"}),
        # https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages
        ("system_messages", {"claude-opus-4-8", "claude-opus-5", "claude-fable-5",
            "claude-fable-5-1", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"}),
        # https://platform.claude.com/docs/en/build-with-claude/preserved-thinking/prefix-checks
        ("bound_thinking", {"claude-fable-5-1", "claude-opus-5-5", "claude-sonnet-5-5",
            "claude-haiku-5-5"}),
    ],
)  # fmt: skip
def test_what_came_with_a_generation(attribute, names):
    assert {name for name in NAMES if getattr(known_facts(name), attribute)} == names


def test_tools_cannot_be_forced_on_the_newest():
    refusing = {name for name in NAMES if not known_facts(name).forced_tools}
    assert refusing == {"claude-fable-5-1", "claude-opus-5-5", "claude-sonnet-5-5"}


def test_a_model_yet_unknown_is_taken_for_the_newest():
    assert known_facts("claude-opus-6") == known_facts("claude-saga") == Model()


def test_the_operator_knows_better():
    overrides = {
        "claude-saga": {"like": "claude-opus-4-8", "max_output": 5, "efforts": ["low"]},
        "claude": {"sampling": "both"},
    }
    saga = facts_of("claude-saga-1", overrides)
    assert (saga.max_output, saga.efforts, saga.thinking) == (5, ("low",), "adaptive")
    assert facts_of("claude-opus-5", overrides).sampling == "both"
    assert facts_of("other", overrides) == known_facts("other")


@given(st.text())
def test_any_name_will_do(name):
    assert known_facts(name).default_max_tokens <= 32_000
    assert known_facts(f"claude{name}")


@pytest.mark.skipif(not vendor_types.INSTALLED, reason="needs the vendor's SDK")
def test_every_model_that_the_sdk_names_is_known():
    from typing import get_args

    from anthropic.types import model_param

    names = get_args(get_args(model_param.ModelParam)[0])
    assert names
    assert all("claude" in name and known_facts(name) for name in names)
