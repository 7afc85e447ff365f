"""Tools as MCP servers define them, there and back."""

import json
import re

import orjson
import pytest

from tornado_router.provider import ProviderError
from tornado_router_anthropic import tool_schemas
from tornado_router_anthropic.tool_schemas import MAX_REMEMBERED, tool_schema

from .support import (
    argues,
    assistant,
    events,
    joined,
    make_call,
    message,
    result,
    tool,
    tool_call,
    user,
    uses,
)

KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


def sent(claude, parameters, **fields):
    """The schema that the vendor gets for a tool, and what was dropped."""
    call = make_call(user("x"), tools=[tool(parameters=parameters)], unsupported="adapt", **fields)
    body = claude.body(call=call)
    return body["tools"][0]["input_schema"], call.dropped


A, B = {"a": {"type": "string"}}, {"b": {"type": "integer"}}


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "object", "anyOf": True},
        {"required": 5, "allOf": [{"required": ["a"]}]},
        {"properties": ["a"], "anyOf": [{"properties": {"a": {}}}]},
        {"allOf": [{"required": [{}]}, {"required": [{}]}]},
        {"oneOf": {"a": 1}, "allOf": [None, 5]},
    ],
)
def test_an_odd_schema_is_the_vendors_to_refuse(parameters):
    assert tool_schema(parameters).schema["type"] == "object"


def test_a_large_schema_is_not_kept():
    large = {"description": "x" * MAX_REMEMBERED}
    assert tool_schema(large) is not tool_schema(large)
    assert tool_schema({"title": "small"}) is tool_schema({"title": "small"})


class TestRoot:
    @pytest.mark.parametrize(
        "kind", [{}, {"type": None}, {"type": ["object", "null"]}, {"type": "object"}]
    )
    def test_its_type_is_object(self, claude, kind):
        schema, dropped = sent(claude, {**kind, "properties": A})
        assert schema == {"type": "object", "properties": A}
        assert dropped == []

    def test_another_type_is_the_vendors_to_refuse(self, claude):
        assert sent(claude, {"type": "string"})[0]["type"] == "string"

    @pytest.mark.parametrize("keyword", ["oneOf", "anyOf"])
    def test_alternatives_are_put_in_words(self, claude, keyword):
        rules = [{"required": ["a"]}, {"required": ["b"]}]
        parameters = {"type": "object", "properties": {**A, **B}, keyword: rules}
        schema, dropped = sent(claude, parameters)
        assert schema == {
            "type": "object",
            "properties": {**A, **B},
            "description": f'({keyword}: [{{"required":["a"]}},{{"required":["b"]}}])',
        }
        assert dropped == [f"tools[0].function.parameters.{keyword}"]

    def test_properties_of_alternatives_are_known(self, claude):
        branches = [{"properties": A, "required": ["a"]}, {"$ref": "#/$defs/b"}, {"$ref": "#/x"}]
        definitions = {"$defs": {"b": {"type": "object", "properties": B}}}
        schema, _ = sent(claude, {"anyOf": branches, "description": "Either.", **definitions})
        assert schema["properties"] == {**A, **B}
        assert "required" not in schema
        assert schema["description"].startswith("Either. (anyOf: ")
        assert schema["$defs"] == definitions["$defs"]

    def test_what_all_hold_is_said_at_once(self, claude):
        branches = [{"properties": A, "required": ["a"]}, {"type": "object", "properties": B}]
        schema, dropped = sent(claude, {"allOf": branches, "required": ["b"], "properties": B})
        assert schema == {"type": "object", "required": ["b", "a"], "properties": {**A, **B}}
        assert dropped == []

    def test_or_in_words(self, claude):
        schema, dropped = sent(claude, {"properties": A, "allOf": [{"minProperties": 1}]})
        assert "minProperties" in schema["description"]
        assert dropped == ["tools[0].function.parameters.allOf"]

    @pytest.mark.parametrize("value", [None, [], [None], [True]])
    def test_odd_ones_are_left_out(self, claude, value):
        schema, _ = sent(claude, {"type": "object", "properties": A, "anyOf": value})
        assert "anyOf" not in schema

    def test_they_stay_inside(self, claude):
        inside = {"x": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}}
        assert sent(claude, {"type": "object", "properties": inside})[0]["properties"] == inside

    def test_nulls_are_keywords_that_are_not_there(self, claude):
        inside = {"x": {"type": "string", "description": None, "enum": ["a", None]}}
        schema, _ = sent(claude, {"required": None, "properties": inside, "title": None})
        assert schema == {
            "type": "object",
            "properties": {"x": {"type": "string", "enum": ["a", None]}},
        }

    def test_an_operator_may_want_nothing_in_words(self, claude):
        tools = [tool(parameters={"anyOf": [{"required": ["a"]}]})]
        call = make_call(user("x"), tools=tools)
        with pytest.raises(ProviderError) as caught:
            claude.request(call)
        assert caught.value.param == "tools[0].function.parameters.anyOf"


ODATA = {
    "type": "object",
    "properties": {
        "$filter": {"type": "string"},
        "_filter": {"type": "string"},
        "filter[id]": {"type": "array", "items": {"properties": {"@odata.type": {}}}},
        "x" * 70: {"type": "object", "properties": {"user name": {"const": {"$a": 1}}}},
        "fine": {"type": "string"},
    },
    "required": ["$filter", "fine"],
}
ARGUMENTS = {
    "$filter": "a",
    "_filter": "b",
    "filter[id]": [{"@odata.type": 1}],
    "x" * 70: {"user name": {"c": 2}},
    "fine": "d",
}


def keys(value):
    """All keys of arguments."""
    if isinstance(value, list):
        return {key for item in value for key in keys(item)}
    if isinstance(value, dict):
        return {*value, *(key for item in value.values() for key in keys(item))}
    return set()


class TestKeys:
    TOOLS = (tool("fs.read", parameters=ODATA), tool("other"))

    def request(self, claude):
        call = make_call(
            user("x"),
            assistant(
                None,
                tool_call("t1", "fs.read", json.dumps(ARGUMENTS)),
            ),
            result("t1"),
            tools=list(self.TOOLS),
            tool_choice={"type": "function", "function": {"name": "fs.read"}},
        )
        return claude.body(call=call), call

    def test_the_vendor_gets_what_it_takes(self, claude):
        body, call = self.request(claude)
        schema = body["tools"][0]["input_schema"]
        assert all(KEY.fullmatch(key) for key in schema["properties"])
        assert len(schema["properties"]) == 5
        assert {*schema["required"]} <= {*schema["properties"]}
        assert body["tools"][0]["name"] == body["tool_choice"]["name"] == "fs_read"
        block = body["messages"][1]["content"][0]
        assert block["name"] == "fs_read"
        assert {*block["input"]} == {*schema["properties"]}
        assert all(KEY.fullmatch(key) for key in keys(block["input"]))
        assert call.dropped == [
            "tools[0].function.name",
            "tools[0].function.parameters.properties",
        ]
        assert self.request(claude)[0] == body

    def vendor_input(self, claude):
        return self.request(claude)[0]["messages"][1]["content"][0]["input"]

    def test_the_client_gets_its_own_whole(self, claude):
        call = self.request(claude)[1]
        block = uses("t2", "fs_read", **self.vendor_input(claude))
        answer = claude.answer(message(block, uses("t3", "other", a=1)), call=call)
        first, second = answer["choices"][0]["message"]["tool_calls"]
        assert first["function"]["name"] == "fs.read"
        assert json.loads(first["function"]["arguments"]) == ARGUMENTS
        assert second["function"] == {"name": "other", "arguments": '{"a":1}'}

    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_and_streamed(self, claude, size):
        call = self.request(claude)[1]
        text = orjson.dumps(self.vendor_input(claude)).decode()
        pieces = [argues(text[at : at + size]) for at in range(0, len(text), size)]
        blocks = events(
            (uses("t2", "fs_read"), *pieces), (uses("t3", "other"), argues('{"a":'), argues("1}"))
        )
        made = joined(claude.chunks(blocks, call=call))
        first, second = made.calls
        assert first["name"] == "fs.read"
        assert json.loads(first["arguments"]) == ARGUMENTS
        assert (second["name"], second["arguments"]) == ("other", '{"a":1}')

    def test_arguments_that_are_cut_come_as_they_are(self, claude):
        call = self.request(claude)[1]
        blocks = events((uses("t2", "fs_read"), argues('{"_fi')))
        made = joined(claude.chunks(blocks, call=call))
        assert made.calls[0]["arguments"] == '{"_fi'

    def test_none_at_all(self, claude):
        call = self.request(claude)[1]
        made = joined(claude.chunks(events((uses("t2", "fs_read"),)), call=call))
        assert made.calls[0]["arguments"] == "{}"


@pytest.mark.parametrize("name", ["fs.read", "ünïcode", "a b", "n" * 200, "1", ""])
def test_names_of_past_calls(claude, name):
    body = claude.body(user("x"), assistant(None, tool_call("t1", name, "{}")), result("t1"))
    made = body["messages"][1]["content"][0]["name"]
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", made)
    assert body["tools"][0]["name"] == made


def test_a_property_may_be_called_like_a_keyword():
    schema = {"properties": {"properties": {"type": "object"}, "required": {"type": "string"}}}
    taken = tool_schema(schema)
    assert taken.schema == {"type": "object", **schema}
    assert not taken.keys


def test_a_large_schema_is_read_once_for_a_request_and_its_response(claude, monkeypatch):
    """Its properties are as many as a body may hold values: each look at them takes a while."""
    looks = []
    scanned = tool_schemas._scanned
    monkeypatch.setattr(
        tool_schemas, "_scanned", lambda schema: (looks.append(1), scanned(schema))[1]
    )
    properties = {f"$p{number}": {"type": "string"} for number in range(5_000)}
    large = {"type": "object", "properties": properties, "default": None}
    function = {"name": "f", "parameters": large}
    call = make_call(user("Hello"), tools=[{"type": "function", "function": function}])
    sent = orjson.loads(claude.chat.build_request(call).body)["tools"][0]["input_schema"]
    assert list(sent["properties"])[:2] == ["_p0", "_p1"]
    assert len(looks) == 2
    calls = [uses(f"toolu_{number}", "f", _p1="x") for number in range(50)]
    made = claude.answer(message(*calls, stop_reason="tool_use"), call)
    arguments = {
        item["function"]["arguments"] for item in made["choices"][0]["message"]["tool_calls"]
    }
    assert arguments == {'{"$p1":"x"}'}
    assert len(looks) == 3
