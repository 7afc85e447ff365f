"""Requests of `messages` as agents send them: blocks, tools and options of every kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.testing.corpus import PDF, PNG, SCHEMA, Sample, says, text

_USER = says("user", "What is the weather in Paris?")
_TOOL: Mapping[str, Any] = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": SCHEMA,
}
_CACHED = {"cache_control": {"type": "ephemeral"}}
_IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PNG.partition(",")[2]},
}
_PDF = {"type": "base64", "media_type": "application/pdf", "data": PDF.partition(",")[2]}


def _asks(*messages: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A request of some messages behind a user's."""
    return {"model": "m", "max_tokens": 64, "messages": [_USER, *messages], **fields}


def _use(ref: str, name: str = "get_weather", **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": ref, "name": name, "input": given}


def _result(ref: str, content: Any = "15 degrees", **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": ref, "content": content, **fields}


AGENT_MESSAGES = (
    Sample(
        "Claude Code",
        _asks(
            says("system", "You have skills."),
            system=[
                text("x-anthropic-billing-header: cc_version=2.1.197; cch=1a2b3;"),
                {**text("You are an agent."), **_CACHED},
            ],
            tools=[{**_TOOL, "name": f"tool_{number}"} for number in range(24)],
            metadata={"user_id": "{" + "x" * 150 + "}"},
            thinking={"type": "adaptive"},
            context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            output_config={"effort": "high"},
        ),
    ),
    Sample(
        "parallel calls, with results of every kind",
        _asks(
            says(
                "assistant",
                [
                    {"type": "thinking", "thinking": "Hm.", "signature": "tornado-router"},
                    {"type": "redacted_thinking", "data": "x"},
                    text("I look."),
                    _use("a", city="Paris"),
                    _use("b"),
                    _use("c", "mcp__a_server__" + "x" * 80),
                ],
            ),
            says("user", [_result("c", [text("x"), _IMAGE]), _result("a"), text("And?")]),
            says("user", [_result("b", "no such city", is_error=True)]),
            tools=[_TOOL, {**_TOOL, "name": "mcp__a_server__" + "x" * 80, "strict": True}],
            tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        ),
    ),
    Sample(
        "a result without content",
        _asks(says("assistant", [_use("a")]), says("user", [{**_result("a", [])}])),
    ),
    Sample(
        "the vendor's own tools",
        _asks(
            says(
                "assistant",
                [
                    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                    {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
                    text("It is warm."),
                ],
            ),
            _USER,
            tools=[
                {"type": "web_search_20260318", "name": "web_search"},
                {"type": "bash_20250124", "name": "bash"},
                {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
            ],
            tool_choice={"type": "tool", "name": "bash"},
        ),
    ),
    Sample(
        "documents",
        _asks(
            says(
                "user",
                [
                    {"type": "document", "source": _PDF, "title": "a.pdf", "context": "Mine."},
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "x"},
                        "citations": {"enabled": True},
                    },
                    {
                        "type": "search_result",
                        "title": "t",
                        "source": "s",
                        "content": [text("x")],
                    },
                ],
            )
        ),
    ),
    Sample(
        "a document by URL",
        _asks(
            says(
                "user",
                [{"type": "document", "source": {"type": "url", "url": "https://a.example/b.pdf"}}],
            )
        ),
    ),
    Sample(
        "options",
        _asks(
            temperature=0.3,
            top_p=0.9,
            top_k=40,
            stop_sequences=["a", "b"],
            service_tier="standard_only",
            thinking={"type": "enabled", "budget_tokens": 2048},
        ),
    ),
    Sample("five stop sequences", _asks(stop_sequences=["a", "b", "c", "d", "e"])),
    Sample(
        "JSON of a schema",
        _asks(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}),
    ),
    Sample("no thinking", _asks(thinking={"type": "disabled"})),
    Sample("a result without its call", _asks(says("user", [_result("z")]))),
    Sample("a call without its result", _asks(says("assistant", [_use("a")]), _USER)),
    Sample("a response last", _asks(says("assistant", "It is"))),
    Sample("servers of MCP", _asks(mcp_servers=[{"type": "url", "name": "x", "url": "https://a"}])),
    Sample("options of tomorrow", _asks(an_option_of_tomorrow={"a": 1}, container="c")),
)
"""What may be refused, but by the name of the field and never by a crash."""
