"""Names of tools that a vendor refuses: another for the vendor, the client's own for the client."""

import re

import orjson
import pytest

from tornado_router.provider import Call, SafeNames, rename_tools, tool_names

ALLOWED, LENGTH = re.compile(r"[a-z_][a-z0-9_-]{0,15}"), 16


def safe_names(*names):
    return SafeNames(names, ALLOWED, LENGTH)


class TestSafeNames:
    @pytest.mark.parametrize(
        "name", ["fs.read", "$filter", "9lives", "", "é", "a b", "-x", "x" * 40, "F", "😀", "a\n"]
    )
    def test_it_is_taken_and_comes_back(self, name):
        names = safe_names("fine", name)
        assert names
        assert ALLOWED.fullmatch(names.safe(name))
        assert names.original(names.safe(name)) == name

    def test_what_is_taken_stays(self):
        names = safe_names("fine", "a-b", "_c9")
        assert not names
        assert [names.safe(name) for name in ("fine", "other.")] == ["fine", "other."]
        assert names.original("fine") == "fine"

    def test_it_reads_like_the_clients(self):
        assert safe_names("fs.read").safe("fs.read") == "fs_read"
        assert safe_names("9lives").safe("9lives") == "_9lives"

    @pytest.mark.parametrize(
        "names", [("fs.read", "fs_read"), ("fs_read", "fs.read", "fs:read"), ("x" * 20, "x" * 21)]
    )
    def test_none_is_mistaken_for_another(self, names):
        found = safe_names(*names)
        made = [found.safe(name) for name in names]
        assert len({*made}) == len(names)
        assert all(ALLOWED.fullmatch(name) for name in made)
        assert [found.original(name) for name in made] == list(names)
        assert [safe_names(*names).safe(name) for name in names] == made


BODY = {
    "model": "m",
    "tools": [
        {"type": "function", "function": {"name": "fs.read", "parameters": {"name": "fs.read"}}},
        {"type": "function", "function": {"name": "fine"}},
        {"type": "web_search"},
    ],
    "functions": [{"name": "fs.write"}],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "auto",
            "tools": [{"type": "function", "function": {"name": "fs.read"}}],
        },
    },
    "function_call": {"name": "fs.write"},
    "messages": [
        {"role": "user", "name": "fs.read", "content": [{"type": "text", "text": "fs.read"}]},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "fs.read", "type": "function", "function": {"name": "fs.read"}},
                {"id": "b", "type": "custom", "custom": {"name": "sh.run"}},
            ],
            "function_call": {"name": "past.one"},
        },
        {"role": "tool", "tool_call_id": "fs.read", "name": "fs.read", "content": "fs.read"},
        {"role": "function", "name": "past.one", "content": "x"},
    ],
}


def test_all_names_of_a_request():
    names = [*dict.fromkeys(tool_names(BODY))]
    assert names == ["fs.read", "fine", "fs.write", "sh.run", "past.one"]


def test_functions_are_renamed_everywhere_and_nothing_else_is():
    raw = orjson.dumps(BODY)
    call = Call("id", "chat.completions", "m", orjson.loads(raw), raw, False)
    made = rename_tools(call, SafeNames(tool_names(call.body), ALLOWED, LENGTH))
    expected = raw
    for name in (b"fs.write", b"sh.run", b"past.one"):
        expected = expected.replace(name, name.replace(b".", b"_"))
    expected = expected.replace(b'"function":{"name":"fs.read"', b'"function":{"name":"fs_read"')
    assert made.body == orjson.loads(expected)
    assert made.dropped == ["tools[0].function.name", "functions[0].name"]
    assert made.dropped is call.dropped
    assert orjson.dumps(call.body) == raw


def test_a_call_without_such_names_is_itself():
    call = Call("id", "chat.completions", "m", {"tools": BODY["tools"][1:]}, b"", False)
    assert rename_tools(call, SafeNames(tool_names(call.body), ALLOWED, LENGTH)) is call
