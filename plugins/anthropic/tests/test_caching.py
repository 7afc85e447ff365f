"""What `prompt_cache_key` marks: the ends of the instructions and of the conversation."""

import orjson
import pytest

from .support import (
    ADAPTIVE,
    BUDGET,
    NEWEST,
    assistant,
    image,
    make_call,
    result,
    text,
    tool,
    tool_call,
    user,
)

PNG = "data:image/png;base64,iVBORw0KGgo="
MARK = {"type": "ephemeral"}
SYSTEM = {"role": "system", "content": "Be brief."}


def marked(body):
    """The paths of all marks."""
    found = []

    def look(value, path):
        if isinstance(value, dict):
            if "cache_control" in value:
                assert value["cache_control"] == MARK
                found.append(path)
            for name, item in value.items():
                look(item, f"{path}.{name}")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                look(item, f"{path}[{index}]")

    look(body, "")
    return found


def test_the_ends_of_instructions_and_conversation(claude):
    call = make_call(SYSTEM, user("x"), prompt_cache_key="k", tools=[tool()])
    body = claude.body(call=call)
    assert marked(body) == [".messages[0].content[0]", ".system[0]"]
    assert body["system"][0]["text"] == "Be brief."
    assert call.dropped == []


def test_the_last_tool_where_there_are_no_instructions(claude):
    body = claude.body(user("x"), prompt_cache_key="k", tools=[tool()])
    assert marked(body) == [".messages[0].content[0]", ".tools[0]"]


def test_the_last_result_of_a_turn_with_tools(claude):
    messages = [
        user("x"),
        assistant(None, tool_call("a"), tool_call("b")),
        result("a"),
        result("b"),
    ]
    body = claude.body(*messages, prompt_cache_key="k", tools=[tool()])
    assert marked(body)[0] == ".messages[2].content[1]"


def test_a_clients_own_marks_are_enough(claude):
    mark = {"cache_control": MARK}
    own = claude.body(SYSTEM, user([text("a") | mark, text("b")]), prompt_cache_key="k")
    assert marked(own) == [".messages[0].content[0]"]
    assert marked(claude.body(user("x"), prompt_cache_key="k", cache_control=MARK)) == [""]


def marks(body):
    """Every mark, in the order of the prompt."""
    found = []

    def look(value):
        for item in value if isinstance(value, list) else ():
            look(item.get("content"))
            if "cache_control" in item:
                found.append((item.get("text") or item["type"], item["cache_control"]))

    look(body.get("system"))
    look(body["messages"])
    return found


def test_of_more_than_four_marks_the_first_and_the_last_stay(claude):
    parts = [text(str(number), prompt_cache_breakpoint={"mode": "explicit"}) for number in range(7)]
    body = claude.body({"role": "system", "content": parts[:2]}, user(parts[2:]))
    assert marks(body) == [(name, MARK) for name in "0456"]
    body = claude.body(
        {"role": "system", "content": parts[:2]}, user(parts[2:]), cache_control=MARK
    )
    assert marks(body) == [(name, MARK) for name in "056"]
    assert body["cache_control"] == MARK


@pytest.mark.parametrize(
    ("options", "whole", "ttl"),
    [
        ({"mode": "explicit"}, None, {}),
        ({"mode": "implicit"}, MARK, {}),
        ({"mode": "explicit", "ttl": "30m"}, None, {"ttl": "1h"}),
        ({"mode": "explicit", "ttl": "5m"}, None, {"ttl": "5m"}),
        ({"mode": "implicit", "ttl": "30m"}, {**MARK, "ttl": "1h"}, {"ttl": "1h"}),
    ],
)
def test_openais_options_are_those_of_the_marks(claude, options, whole, ttl):
    own = text("b", cache_control={"type": "ephemeral", "ttl": "5m"})
    part = text("a", prompt_cache_breakpoint={"mode": "explicit"})
    call = make_call(user([part, own]), prompt_cache_options=options)
    body = claude.body(call=call)
    assert body.get("cache_control") == whole
    assert marks(body) == [("a", {**MARK, **ttl}), ("b", {**MARK, "ttl": "5m"})]
    assert call.dropped == []


@pytest.mark.parametrize("model", [BUDGET, ADAPTIVE, NEWEST])
@pytest.mark.parametrize("mark", [{}, {"cache_control": MARK}])
def test_the_prefix_is_byte_stable_from_turn_to_turn(claude, model, mark):
    turns = [
        {"role": "system", "content": [{"type": "text", "text": "Be brief.", **mark}]},
        user([text("a"), image(PNG)]),
        assistant(None, tool_call("t", arguments='{"b": 1, "a": [2]}')),
        result("t", "sun"),
        {"role": "developer", "content": "In French."},
        assistant("Oui."),
        user("x"),
        assistant("y"),
        user("z"),
    ]
    made = [claude.body(*turns[:count], tools=[tool()], model=model) for count in (2, 5, 7, 9)]
    last = made[-1]
    for body in made[:-1]:
        assert orjson.dumps(body["tools"]) == orjson.dumps(last["tools"])
        assert orjson.dumps(body["system"]) == orjson.dumps(last["system"])
        known = body["messages"]
        assert orjson.dumps(known) == orjson.dumps(last["messages"][: len(known)])


@pytest.mark.parametrize("key", [None, ""])
def test_nothing_without_a_key(claude, key):
    assert marked(claude.body(SYSTEM, user("x"), prompt_cache_key=key)) == []


def test_the_prefix_stays_the_same(claude):
    turns = [SYSTEM, user("x"), assistant("y"), user("z")]
    first, second = (
        claude.body(*turns[:count], prompt_cache_key="k", tools=[tool()]) for count in (2, 4)
    )
    assert (first["system"], first["tools"]) == (second["system"], second["tools"])
    assert second["messages"][0]["content"] == "x"
    assert marked(second) == [".messages[2].content[0]", ".system[0]"]
