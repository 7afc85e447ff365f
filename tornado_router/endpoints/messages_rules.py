"""Rules of the Messages API that no schema can express, in the vendor's words.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls: each call of a tool
has its result in the turn behind it. Turns of one role that follow each other are one turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tornado_router.endpoints.messages_blocks import Block
from tornado_router.error_codes import Invalid
from tornado_router.errors import clip

_BASE64 = re.compile(r"[A-Za-z0-9+/_=\r\n-]+")
_LOOKED_AT = 64
"""So many characters of an image tell whether it is one."""

_OWNERS = {"tool_use": "assistant", "tool_result": "user"}
"""In whose messages a kind of block stands."""


def results_have_calls(body: Mapping[str, Any]) -> None:
    """Each result of a tool belongs to a call of the turn before, and each call has one result."""
    calls: dict[str, str] = {}
    results: set[str] = set()
    role = ""
    for index, message in enumerate(body["messages"]):
        if message["role"] == "assistant" and role != "assistant":
            _check_calls(calls, results)
            calls, results = {}, set()
        if message["role"] != "system":
            role = message["role"]
        for place, block in _placed(message, f"messages[{index}]"):
            kind = block.get("type")
            owner = _OWNERS.get(kind) if isinstance(kind, str) else None
            if owner is None:
                continue
            if message["role"] != owner:
                text = f"`{kind}` blocks can only be in `{owner}` messages"
                raise Invalid.invalid_value(text, param=place)
            if kind == "tool_use":
                _add_call(block, place, index, calls)
            else:
                _add_result(block, place, calls, results)
    if role != "assistant":
        _check_calls(calls, results)


def _placed(holder: Mapping[str, Any], place: str) -> Iterator[tuple[str, Block]]:
    """The blocks of a message or of a tool's result, each with its path."""
    content = holder.get("content")
    if isinstance(content, list):
        for number, block in enumerate(content):
            if isinstance(block, dict):
                yield f"{place}.content[{number}]", block


def _add_call(block: Block, place: str, index: int, calls: dict[str, str]) -> None:
    """Adds a call. Its id may be in another turn, too: many vendors number theirs anew in each."""
    identifier = block["id"]
    if identifier in calls:
        raise Invalid.invalid_value("`tool_use` ids must be unique", param=f"{place}.id")
    calls[identifier] = f"messages[{index}]"


def _add_result(block: Block, place: str, calls: Mapping[str, str], results: set[str]) -> None:
    identifier = block["tool_use_id"]
    if identifier not in calls:
        raise Invalid.invalid_value(
            f"unexpected `tool_use_id` found in `tool_result` blocks: {clip(identifier)}. Each "
            "`tool_result` block must have a corresponding `tool_use` block in the previous "
            "message.",
            param=place,
        )
    if identifier in results:
        raise Invalid.invalid_value(
            "each tool_use must have a single result. Found multiple `tool_result` blocks with "
            f"id: {clip(identifier)}",
            param=place,
        )
    results.add(identifier)


def _check_calls(calls: Mapping[str, str], results: set[str]) -> None:
    for identifier, place in calls.items():
        if identifier not in results:
            raise Invalid.invalid_value(
                "`tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{clip(identifier)}. Each `tool_use` block must have a corresponding "
                "`tool_result` block in the next message.",
                param=place,
            )


def choice_names_a_tool(body: Mapping[str, Any]) -> None:
    """A choice needs something to choose from, and names only what is there."""
    choice = body.get("tool_choice")
    if choice is None or choice.get("type") == "none":
        return
    tools = body.get("tools")
    if not tools and not body.get("mcp_servers"):  # which have tools of their own
        raise Invalid.invalid_request(
            "may only be specified while providing tools", param="tool_choice"
        )
    name = choice.get("name")
    is_own = choice.get("type") == "tool" and all("name" in tool for tool in tools or ())
    if tools and is_own and name not in [tool["name"] for tool in tools]:
        raise Invalid.invalid_value(
            f"Tool '{clip(name)}' not found in provided tools", param="tool_choice.name"
        )


def images_are_base64(body: Mapping[str, Any]) -> None:
    """An image is its bytes in base64, not a URL of data, nor nothing."""
    for index, message in enumerate(body["messages"]):
        for place, block in _placed(message, f"messages[{index}]"):
            _check_image(block, place)
            if block.get("type") == "tool_result":
                for inner, part in _placed(block, place):
                    _check_image(part, inner)


def _check_image(block: Block, place: str) -> None:
    source = block.get("source") if block.get("type") == "image" else None
    data = source.get("data") if isinstance(source, dict) else None
    if isinstance(data, str) and not _BASE64.fullmatch(data[:_LOOKED_AT]):
        raise Invalid.invalid_value("image data is not base64", param=f"{place}.source.data")
