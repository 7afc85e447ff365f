"""Reasoning: how it is asked for, and how thoughts come back on the next turn.

https://platform.claude.com/docs/en/build-with-claude/thinking: a turn that called tools has to
come back with its thinking blocks, unchanged and where they were. An OpenAI client carries none,
so a response's layout is kept with its first tool call, and laid out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from tornado_router.provider import Call, Params
from tornado_router_anthropic.content import Block
from tornado_router_anthropic.models import Model

MIN_BUDGET = 1024
"""https://platform.claude.com/docs/en/build-with-claude/extended-thinking."""

BINDING_BETA = "thinking-binding-controls-2026-08-01"
"""Lets the vendor leave out a thought that no longer fits, instead of refusing the request:
https://platform.claude.com/docs/en/build-with-claude/preserved-thinking/prefix-checks."""

_BUDGETS = {"minimal": 1024, "low": 4096, "medium": 12_288, "high": 24_576}
_MAX_BUDGET = 32_768
_LEVELS = ("minimal", "low", "medium", "high", "xhigh", "max")
_THOUGHTS = ("thinking", "redacted_thinking")
_WITHOUT_WORDS = frozenset({"user", "system", "developer"})

Layout = list[Block | int | str]
"""A response in order: a thinking block, the length of a text, or the id of a tool call."""


@dataclass(slots=True)
class Thinking:
    """How a request asks for reasoning.

    Attributes:
        on: whether the model may think, and so may be shown its thoughts.
        config: the field `thinking`, or None to leave it to the model's default.
        effort: `output_config.effort`, or None.
        max_tokens: of the response, thoughts included.
    """

    on: bool
    config: dict[str, Any] | None
    effort: str | None
    max_tokens: int


def plan_thinking(
    call: Call, params: Params, model: Model, max_tokens: int, forced_tool: bool
) -> Thinking:
    """Decides how a request asks for reasoning, and takes `reasoning_effort` from it.

    A client that sends Anthropic's own `thinking` gets what it asks for.
    """
    own = params.take("thinking")
    effort = params.take("reasoning_effort")
    if isinstance(own, Mapping):
        on = own.get("type") in ("enabled", "adaptive")
        return Thinking(on, dict(own), effort if effort in model.efforts else None, max_tokens)
    if own is not None:
        params.unsupported("thinking")
    if model.thinking == "budget":
        return _with_budget(call, params, effort, max_tokens, forced_tool)
    if model.thinking == "none":
        if effort not in (None, "none"):
            params.approximate("reasoning_effort")
        return Thinking(False, None, None, max_tokens)
    return _adaptive(params, model, effort, max_tokens)


def may_drop_misfits(thinking: Thinking) -> None:
    """Has the vendor leave out a thought whose place has changed, as clients edit their past."""
    config = thinking.config or {"type": "adaptive"}
    if config["type"] == "adaptive":
        thinking.config = {**config, "block_binding": {"prefix_mismatch_behavior": "drop_block"}}


def keep_layout(call: Call, layout: Layout) -> None:
    """Has the core keep a response's layout, if it called a tool and there are thoughts in it."""
    if any(isinstance(item, dict) for item in layout):
        for item in layout:
            if isinstance(item, str):
                call.keep(item, {"model": call.model, "layout": layout})
                return


def recall_layout(call: Call, tool_call_ids: Iterable[str]) -> Layout | None:
    """The layout of an earlier response by its tool calls; a model is shown no other's thoughts."""
    for tool_call_id in tool_call_ids:
        kept = call.memory.get(tool_call_id)
        if isinstance(kept, Mapping) and kept.get("model") == call.model:
            layout = kept.get("layout")
            return layout if _is_layout(layout) else None
    return None


def lay_out(
    layout: Layout, text: str | None, texts: list[Block], calls: Sequence[tuple[str, Block]]
) -> list[Block]:
    """An earlier response with its thoughts where they were.

    Args:
        layout: as it was kept.
        text: all text of the message, or None if it is not plain.
        texts: the same text as blocks, for a message that was edited since; its thoughts come
            first, as they must before a tool call.
        calls: the blocks of its tool calls, each with the id that the client knows.
    """
    by_id = dict(calls)
    ids = {item for item in layout if isinstance(item, str)}
    length = sum(item for item in layout if isinstance(item, int))
    known = len(by_id) == len(calls) and ids == by_id.keys()
    if text is None or len(text) != length or not known:
        thoughts = [item for item in layout if isinstance(item, dict)]
        return [*thoughts, *texts, *(block for _, block in calls)]
    blocks: list[Block] = []
    at = 0
    for item in layout:
        if isinstance(item, dict):
            blocks.append(item)
        elif isinstance(item, str):
            blocks.append(by_id[item])
        else:
            blocks.append({"type": "text", "text": text[at : at + item]})
            at += item
    return blocks


def _is_layout(value: object) -> TypeGuard[Layout]:
    """Whether a value is what was kept: it may have been through the hands of the client.

    A call stands in it once, and no text is taken twice: a short request becomes no huge one.
    """
    if not isinstance(value, list):
        return False
    calls = [item for item in value if isinstance(item, str)]
    return len(set(calls)) == len(calls) and all(
        item.get("type") in _THOUGHTS
        if isinstance(item, dict)
        else isinstance(item, str) or (isinstance(item, int) and item >= 0)
        for item in value
    )


def _adaptive(params: Params, model: Model, effort: str | None, max_tokens: int) -> Thinking:
    if effort == "none":
        if model.thinking == "always":
            params.approximate("reasoning_effort")
            return Thinking(True, None, _level("minimal", model), max_tokens)
        if model.thinking == "adaptive":
            return Thinking(False, None, None, max_tokens)
        return Thinking(False, {"type": model.thinking_off}, None, max_tokens)
    if model.thinking == "adaptive" and effort is None:
        return Thinking(False, None, None, max_tokens)
    level = _level(effort, model)
    if level != effort:
        params.approximate("reasoning_effort")
    config = {"type": "adaptive"} if model.thinking == "adaptive" else None
    return Thinking(True, config, level, max_tokens)


def _level(effort: str | None, model: Model) -> str | None:
    """The level of a model for OpenAI's name of one: the next lower, if it has none so high."""
    if effort is None or not model.efforts:
        return None
    if effort in model.efforts or effort not in _LEVELS:
        return effort
    lower = [name for name in _LEVELS[: _LEVELS.index(effort)] if name in model.efforts]
    return lower[-1] if lower else model.efforts[0]


def _with_budget(
    call: Call, params: Params, effort: str | None, max_tokens: int, forced_tool: bool
) -> Thinking:
    off = Thinking(False, None, None, max_tokens)
    if effort in (None, "none"):
        return off
    messages = call.body["messages"]
    if forced_tool or (messages and messages[-1]["role"] == "assistant"):
        # https://platform.claude.com/docs/en/build-with-claude/thinking-tool-workflows
        params.approximate("reasoning_effort")
        return off
    # The budget is a part of max_tokens, as OpenAI's reasoning is of max_completion_tokens.
    wanted = _BUDGETS.get(effort or "", _MAX_BUDGET)
    budget = min(wanted, max(MIN_BUDGET, max_tokens * 3 // 4))
    if budget >= max_tokens or not _knows_how_the_turn_began(call, messages):
        call.dropped.append("reasoning_effort")
        return off
    return Thinking(True, {"type": "enabled", "budget_tokens": budget}, None, max_tokens)


def _knows_how_the_turn_began(call: Call, messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there is no turn of tool calls under way, or its first thoughts are remembered.

    "When `thinking` is enabled, a final `assistant` message must start with a thinking block",
    the API says, and answers 400. So a turn whose thoughts are lost is ended without any.
    """
    at = len(messages) - 1
    while at >= 0 and messages[at]["role"] in _WITHOUT_WORDS:
        at -= 1
    if at < 0 or messages[at]["role"] == "assistant":
        return True
    first: Mapping[str, Any] = {}
    while at >= 0 and messages[at]["role"] != "user":
        if messages[at]["role"] == "assistant":
            first = messages[at]
        at -= 1
    ids = [tool_call["id"] for tool_call in first.get("tool_calls") or ()]
    return recall_layout(call, ids) is not None
