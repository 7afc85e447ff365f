"""Requests of `responses` as agents send them: items, tools and options of every kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.testing.corpus import PDF, PNG, SCHEMA, Sample

_USER = {"role": "user", "content": "What is the weather in Paris?"}
_FUNCTION: Mapping[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": SCHEMA,
    "strict": True,
}
_CUSTOM: Mapping[str, Any] = {
    "type": "custom",
    "name": "exec",
    "description": "Runs JavaScript.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/s"},
}
_NAMESPACE: Mapping[str, Any] = {
    "type": "namespace",
    "name": "functions",
    "description": "Tools of the agent.",
    "tools": [_FUNCTION, _CUSTOM],
}
_REASONING: Mapping[str, Any] = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "I look."}],
    "content": None,
    "encrypted_content": "gAAAAABo",
}


def _asks(*items: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A request of some items behind a user's message."""
    return {"model": "m", "input": [_USER, *items], **fields}


def _call(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "id": "x_1", "call_id": "call_1", "status": "completed", **fields}


def _output(kind: str, output: Any = "15 degrees", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "id": "y_1", "call_id": "call_1", "output": output, **fields}


def _said(*parts: Mapping[str, Any], role: str = "user", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts), **fields}


_TOOLS = (
    Sample("tools of every kind", _asks(tools=[_FUNCTION, _CUSTOM, _NAMESPACE])),
    Sample(
        "tools that the client runs",
        _asks(
            tools=[
                {"type": "local_shell"},
                {"type": "shell", "environment": {"type": "local"}},
                {"type": "apply_patch"},
                {"type": "tool_search", "execution": "client", "parameters": SCHEMA},
            ]
        ),
    ),
    Sample(
        "tools that the vendor runs",
        _asks(
            tools=[
                _FUNCTION,
                {"type": "web_search", "external_web_access": False},
                {"type": "image_generation"},
                {"type": "code_interpreter", "container": {"type": "auto"}},
                {"type": "file_search", "vector_store_ids": ["vs_1"]},
                {"type": "mcp", "server_label": "x", "server_url": "https://example.org/mcp"},
            ]
        ),
    ),
    Sample(
        "tools in an item",
        _asks({"type": "additional_tools", "role": "developer", "tools": [_NAMESPACE]}),
    ),
    Sample(
        "names that are not safe",
        _asks(
            tools=[
                {**_NAMESPACE, "name": "a.b"},
                {**_NAMESPACE, "name": "a_b"},
                {**_FUNCTION, "name": "f" * 128},
            ]
        ),
    ),
    *(
        Sample(
            f"a choice of tools: {label}",
            _asks(tools=[_FUNCTION, _CUSTOM, _NAMESPACE], tool_choice=choice),
        )
        for label, choice in (
            ("any", "required"),
            ("none", "none"),
            ("a function", {"type": "function", "name": "get_weather"}),
            ("a custom tool", {"type": "custom", "name": "exec"}),
            ("a tool that is not there", {"type": "function", "name": "other"}),
            ("one of the vendor's", {"type": "web_search_preview"}),
            (
                "some",
                {
                    "type": "allowed_tools",
                    "mode": "required",
                    "tools": [{"type": "function", "name": "get_weather"}],
                },
            ),
        )
    ),
)

_ITEMS = (
    Sample(
        "a turn with tools",
        _asks(
            _REASONING,
            _said({"type": "output_text", "text": "I look.", "annotations": []}, role="assistant"),
            _call("function_call", name="get_weather", namespace="functions", arguments="{}"),
            _output("function_call_output", [{"type": "input_text", "text": "15 degrees"}]),
            tools=[_NAMESPACE],
        ),
    ),
    Sample(
        "a custom tool",
        _asks(
            _call("custom_tool_call", name="exec", input="1\n2"),
            _output("custom_tool_call_output"),
            tools=[_CUSTOM],
        ),
    ),
    Sample(
        "shells and patches",
        _asks(
            _call("local_shell_call", action={"type": "exec", "command": ["ls"], "env": {}}),
            {"type": "local_shell_call_output", "id": "call_1", "output": "a"},
            _call("shell_call", action={"commands": ["ls"]}),
            _output(
                "shell_call_output",
                [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
            ),
            _call("apply_patch_call", operation={"type": "update_file", "path": "a", "diff": "@@"}),
            _output("apply_patch_call_output", status="completed"),
        ),
    ),
    Sample(
        "a search for tools",
        _asks(
            _call("tool_search_call", execution="client", arguments={"query": "weather"}),
            {"type": "tool_search_output", "call_id": "call_1", "tools": [_NAMESPACE]},
        ),
    ),
    Sample(
        "images and files",
        _asks(
            _said(
                {"type": "input_text", "text": "Look."},
                {"type": "input_image", "image_url": PNG, "detail": "auto"},
                {"type": "input_file", "filename": "a.pdf", "file_data": PDF},
            ),
        ),
    ),
    Sample(
        "media that lie elsewhere",
        _asks(
            _said({"type": "input_image", "file_id": "file-1", "detail": "auto"}),
            _said({"type": "input_file", "file_url": "https://example.org/a.pdf"}),
        ),
    ),
    Sample(
        "an image from a tool",
        _asks(
            _call("function_call", name="get_weather", arguments="{}"),
            _output(
                "function_call_output",
                [{"type": "input_image", "image_url": PNG, "detail": "original"}],
            ),
        ),
    ),
    Sample("a call without its output", _asks(_call("function_call", name="f", arguments="{}"))),
    Sample("an output without its call", _asks(_output("function_call_output"))),
    Sample("an item that is kept elsewhere", _asks({"type": "item_reference", "id": "msg_1"})),
    Sample(
        "items of the vendor's tools",
        _asks(
            {
                "type": "web_search_call",
                "id": "ws_1",
                "status": "completed",
                "action": {"type": "search", "query": "x"},
            },
            {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "x", "tools": []},
            {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAAABo"},
        ),
    ),
    Sample(
        "items of other agents",
        _asks(
            {
                "type": "agent_message",
                "author": "/root/a",
                "recipient": "/root",
                "content": [{"type": "input_text", "text": "Done."}],
            },
            {"type": "configuration_update", "reasoning": {"effort": "low"}},
        ),
    ),
    Sample(
        "turns of every role",
        _asks(
            _said({"type": "refusal", "refusal": "No."}, role="assistant", phase="final_answer"),
            _said({"type": "input_text", "text": "Be brief."}, role="developer"),
            {"role": "system", "content": "Be kind."},
            {"role": "assistant", "content": ""},
            _USER,
        ),
    ),
)

_FIELDS = (
    Sample(
        "options",
        _asks(
            temperature=0.3,
            top_p=0.4,
            max_output_tokens=64,
            include=["message.output_text.logprobs", "reasoning.encrypted_content"],
            reasoning={"effort": "low", "summary": "auto"},
            text={"format": {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True}},
            tools=[_FUNCTION],
            parallel_tool_calls=False,
        ),
    ),
    Sample("log probabilities", _asks(top_logprobs=2)),
    Sample("any object", _asks(text={"format": {"type": "json_object"}, "verbosity": "low"})),
    Sample(
        "hints",
        _asks(
            user="kit-user",
            safety_identifier="kit-user",
            metadata={"a": "b"},
            store=False,
            service_tier="auto",
            truncation="auto",
            prompt_cache_key="thread",
            max_tool_calls=3,
            client_metadata={"a": "b"},
        ),
    ),
    Sample("a conversation", _asks(previous_response_id="resp_1")),
    Sample("a prompt of the vendor's", _asks(prompt={"id": "pmpt_1"})),
    Sample("a field of chat completions", _asks(seed=7, stop=["x"])),
)

AGENT_REQUESTS = (*_TOOLS, *_ITEMS, *_FIELDS)
"""What may be refused, but by the name of the parameter and never by a crash."""
