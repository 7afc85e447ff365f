"""Rules that compare two fields of a body, checked once each field by itself is right.

A field that is null counts as absent, as clients send every option they know as null. Where a
combination asks for nothing (`tool_choice: "none"` without tools) it passes: a refusal here that
no provider would have made is worse than one that the provider makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tornado_router.error_codes import Invalid
from tornado_router.errors import clip

_NAMED_KINDS = ("function", "custom")
"""Kinds of tools with a name of the client's; the others, such as web search, are the vendor's."""

_CALLS = {
    "function_call": "function_call_output",
    "custom_tool_call": "custom_tool_call_output",
}
"""Items of responses by which a model calls a tool of the client's, and those with the result."""

_CALLS_AND_OUTPUTS = frozenset((*_CALLS, *_CALLS.values()))
_STAND_INS = frozenset(("item_reference", "compaction", "context_compaction"))
"""Items that stand for others, which may be calls."""


def stream_options_need_stream(body: Mapping[str, Any]) -> None:
    """https://platform.openai.com/docs/api-reference/chat/create: "Only set this when stream"."""
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Invalid.invalid_request(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )


def top_logprobs_need_logprobs(body: Mapping[str, Any]) -> None:
    """The same page: "`logprobs` must be set to `true` if this parameter is used"."""
    if body.get("top_logprobs") and not body.get("logprobs"):
        raise Invalid.invalid_request(
            "'top_logprobs' is only allowed when 'logprobs' is enabled.", param="logprobs"
        )


def prompt_is_of_one_kind(body: Mapping[str, Any]) -> None:
    """A list of prompts is of texts, of tokens, or of lists of tokens, never a mixture."""
    prompt = body.get("prompt")
    if not isinstance(prompt, list):
        return
    for index, item in enumerate(prompt):
        if type(item) is not type(prompt[0]):
            param = f"prompt[{index}]"
            raise Invalid.invalid_type(
                f"Invalid type for '{param}': a list of prompts has to be of one kind.",
                param=param,
            )


def best_of_is_at_least_n(body: Mapping[str, Any]) -> None:
    """https://platform.openai.com/docs/api-reference/completions/create: "greater than `n`"."""
    best_of, n = body.get("best_of"), body.get("n") or 1
    if best_of and best_of < n:
        raise Invalid.invalid_value(
            f"'best_of' must be at least 'n', which is {n}, but got {best_of} instead.",
            param="best_of",
        )


def best_of_does_not_stream(body: Mapping[str, Any]) -> None:
    """The same page: "Results cannot be streamed"."""
    if body.get("stream") and (body.get("best_of") or 1) > (body.get("n") or 1):
        raise Invalid.invalid_value(
            "'best_of' cannot be above 'n' when 'stream' is enabled.", param="best_of"
        )


def tool_choice_needs_tools(body: Mapping[str, Any]) -> None:
    """A choice needs something to choose from, and names only what is there."""
    choice = body.get("tool_choice")
    if choice is None or choice == "none":
        return
    tools = body.get("tools")
    if not tools:
        raise Invalid.invalid_request(
            "'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice"
        )
    if isinstance(choice, Mapping):
        _check_names(choice, _names(tools))


def calls_have_outputs(body: Mapping[str, Any], field: str = "input") -> None:
    """What OpenAI's API answers to items of `input` that do not belong together.

    Calls may also stand in what came before, or in an item that stands for others.

    Args:
        body: of the request.
        field: what the client calls the items.
    """
    given = body.get("input")
    items = given if isinstance(given, list) else ()
    kinds = {item.get("type") for item in items}
    if kinds & _STAND_INS or kinds.isdisjoint(_CALLS_AND_OUTPUTS):
        return
    calls = {item.get("call_id"): item["type"] for item in items if item.get("type") in _CALLS}
    outputs = {
        item.get("call_id"): item["type"] for item in items if item.get("type") in _CALLS.values()
    }
    for call_id, kind in calls.items():
        if call_id not in outputs:
            words = kind.replace("_", " ")
            raise Invalid.invalid_request(
                f"No tool output found for {words} {clip(str(call_id))}.", param=field
            )
    if body.get("previous_response_id") or body.get("conversation"):
        return
    for call_id, kind in outputs.items():
        if call_id not in calls:
            words = kind.replace("_", " ")
            raise Invalid.invalid_request(
                f"No tool call found for {words} with call_id {clip(str(call_id))}.", param=field
            )


def _check_names(choice: Mapping[str, Any], known: set[tuple[str, str]]) -> None:
    if choice.get("type") != "allowed_tools":
        _check_name(choice, known, "tool_choice")
        return
    allowed = choice.get("allowed_tools")
    tools = allowed.get("tools") if isinstance(allowed, Mapping) else None
    for index, tool in enumerate(tools or ()):
        _check_name(tool, known, f"tool_choice.allowed_tools.tools[{index}]")


def _check_name(choice: Any, known: set[tuple[str, str]], where: str) -> None:
    for kind, name in _names([choice]) - known:
        param = f"{where}.{kind}.name"
        raise Invalid.invalid_value(
            f"Invalid value for '{param}': no {kind} tool named '{clip(name)}' is in 'tools'.",
            param=param,
        )


def _names(tools: Iterable[Any]) -> set[tuple[str, str]]:
    """Kind and name of each tool that a client has named."""
    names = set()
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, Mapping) else None
        named = tool.get(kind) if kind in _NAMED_KINDS else None
        name = named.get("name") if isinstance(named, Mapping) else None
        if isinstance(name, str):
            names.add((str(kind), name))
    return names
