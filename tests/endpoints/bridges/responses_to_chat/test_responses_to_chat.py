"""The bridge as a whole: names of fields, and sessions of agents with a loop of tools."""

import pytest

from .exchange import (
    BRIDGE,
    STATE,
    USAGE,
    call,
    called,
    chunk,
    completion,
    events,
    last,
    made,
    output,
    piece,
    response,
    says,
    tool_call,
)


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("messages[0].content", "input"),
        ("messages", "input"),
        ("tools[3].function.parameters", "tools"),
        ("max_completion_tokens", "max_output_tokens"),
        ("response_format.json_schema.schema", "text.format.json_schema.schema"),
        ("reasoning_effort", "reasoning.effort"),
        ("logprobs", "top_logprobs"),
        ("temperature", "temperature"),
        ("stop[1]", "stop[1]"),
    ],
)
def test_fields_of_the_chat_get_the_clients_names(path, param):
    assert BRIDGE.param(path) == param


CLASSIC = {
    "instructions": "You are a coding agent.",
    "tools": [
        {
            "type": "function",
            "name": "exec_command",
            "description": "Runs a command.",
            "strict": False,
            "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}},
        },
        {
            "type": "namespace",
            "name": "mcp__docs__",
            "description": "Documentation.",
            "tools": [
                {
                    "type": "function",
                    "name": "search",
                    "description": "Searches.",
                    "strict": False,
                    "parameters": {"type": "object", "properties": {}},
                }
            ],
        },
        {"type": "web_search", "external_web_access": False},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"summary": "auto"},
    "store": False,
    "stream": True,
    "include": [STATE],
    "prompt_cache_key": "thread-1",
    "client_metadata": {"x-codex-installation-id": "1"},
}
"""What Codex sends for a model that it does not know."""

LITE = {
    **CLASSIC,
    "instructions": "",
    "tools": None,
    "reasoning": {"effort": "medium", "summary": "auto", "context": "all_turns"},
    "text": {"verbosity": "low"},
}
"""What it sends for its newest models: the tools are an item."""

LITE_TOOLS = {
    "type": "additional_tools",
    "role": "developer",
    "tools": [
        {
            "type": "namespace",
            "name": "functions",
            "description": "Tools.",
            "tools": [
                {
                    "type": "custom",
                    "name": "exec",
                    "description": "Runs JavaScript.",
                    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/s"},
                },
                {
                    "type": "function",
                    "name": "wait",
                    "strict": False,
                    "parameters": {"type": "object", "properties": {}},
                },
            ],
        }
    ],
}


def messages_of(inner):
    return inner.body["messages"]


def test_a_classic_session_of_codex():
    given = [
        {**says("developer", "Permissions."), "id": "msg_1"},
        {**says("user", "Environment."), "id": "msg_2"},
        {**says("user", "Say hi"), "id": "msg_3"},
    ]
    asked = call(given, **CLASSIC)
    inner = BRIDGE.call(asked)
    assert [tool["function"]["name"] for tool in inner.body["tools"]] == [
        "exec_command",
        "mcp__docs__search",
    ]
    assert [message["role"] for message in messages_of(inner)] == ["system", "user", "user"]
    assert asked.dropped == ["tools[2]", "client_metadata"]
    first = last(
        events(
            asked,
            chunk(role="assistant", content=""),
            piece(0, "call_1", "exec_command", '{"cmd":"ls"}'),
            piece(1, "call_2", "mcp__docs__search", "{}"),
            chunk("tool_calls"),
            USAGE,
        )
    )
    calls = [(item["name"], item.get("namespace")) for item in first["output"]]
    assert calls == [("exec_command", None), ("search", "mcp__docs__")]
    results = [output("call_1", "a.py"), output("call_2", [{"type": "input_text", "text": "none"}])]
    inner = BRIDGE.call(call([*given, *first["output"], *results], **CLASSIC))
    assert messages_of(inner)[3:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                tool_call("call_1", "exec_command", '{"cmd":"ls"}'),
                tool_call("call_2", "mcp__docs__search", "{}"),
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "a.py"},
        {"role": "tool", "tool_call_id": "call_2", "content": "none"},
    ]


def test_a_session_of_codex_with_its_tools_in_an_item():
    given = [LITE_TOOLS, says("developer", "You are a coding agent."), says("user", "Say hi")]
    asked = call(given, **LITE)
    inner = BRIDGE.call(asked)
    assert [tool["function"]["name"] for tool in inner.body["tools"]] == [
        "functions__exec",
        "functions__wait",
    ]
    assert messages_of(inner)[0] == {"role": "system", "content": "You are a coding agent."}
    asked.kept["call_1"] = {"signature": "s"}
    first = last(
        events(
            asked,
            chunk(reasoning_content="I list the files."),
            piece(0, "call_1", "functions__exec", '{"input":"tools.exec(\\"ls\\")"}'),
            chunk("tool_calls"),
            USAGE,
        )
    )
    reasoning, made_call, state = first["output"]
    assert (made_call["name"], made_call["namespace"]) == ("exec", "functions")
    assert (made_call["type"], made_call["input"]) == ("custom_tool_call", 'tools.exec("ls")')
    # Codex sends back what it knows of an item, in the order in which they ended.
    replayed = [
        {**reasoning, "content": None},
        {
            name: made_call[name]
            for name in ("type", "status", "call_id", "name", "namespace", "input")
        },
        {**state, "content": None},
        output("call_1", [{"type": "input_text", "text": "a.py"}], "custom_tool_call_output"),
    ]
    inner = BRIDGE.call(call([*given, *replayed], **LITE))
    assert inner.memory == {"call_1": {"signature": "s"}}
    assert messages_of(inner)[2:] == [
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "I list the files.",
            "tool_calls": [
                tool_call("call_1", "functions__exec", '{"input":"tools.exec(\\"ls\\")"}')
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "a.py"},
    ]


def test_a_loop_of_the_agents_sdk():
    tool = {
        "type": "function",
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
        "strict": True,
    }
    asked = call([{"role": "user", "content": "Weather?"}], tools=[tool], include=[])
    body = completion("tool_calls", tool_calls=[tool_call("c1", "get_weather", "{}")])
    found = response(asked, body)["output"]
    again = [{"role": "user", "content": "Weather?"}, *found, output("c1")]
    assert [message["role"] for message in made(again, tools=[tool])["messages"]] == [
        "user",
        "assistant",
        "tool",
    ]


def test_a_call_that_is_not_of_this_conversation_does_not_change_it():
    items = [says("user", "x"), called("c1"), output("c1")]
    asked = call(items)
    before = [dict(item) for item in items]
    assert BRIDGE.call(asked).body == BRIDGE.call(asked).body
    assert items == before
