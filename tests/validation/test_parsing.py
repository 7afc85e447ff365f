import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.config.options import ServerOptions
from tornado_router.errors import ApiError
from tornado_router.validation import parse_json

from .json_values import json_values


def refusal(raw: bytes) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse_json(raw)
    assert caught.value.status == 400
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param is None
    return caught.value


def test_reads_json():
    assert parse_json(b' {"a": [1, -2.5, "\\u00e9", true, null]} ') == {
        "a": [1, -2.5, "é", True, None]
    }


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "it is empty."),
        (b" \n ", "it is empty."),
        (b"{", "the text ends too early (line 1, column 1)."),
        (b'{"a": "b', "the text ends too early (line 1, column 8)."),
        (b'{\n "a": tru}', "no JSON value starts here (line 2, column 10)."),
        (b'{"a": 1,}', "a comma is followed by nothing (line 1, column 9)."),
        (b'{"a" 1}', "a ':' is missing (line 1, column 6)."),
        (b"[1 2]", "a ',' is missing (line 1, column 4)."),
        (b"{'a': 1}", "a key is not a string in double quotes (line 1, column 2)."),
        (b"{} {}", "something follows the end of the JSON value (line 1, column 4)."),
        (b"[" * 300 + b"]" * 300, "it is nested deeper than 200 levels (line 1, column 202)."),
        (b"NaN", "NaN and Infinity are not JSON (line 1, column 1)."),
        (b'{"a":\n Infinity}', "NaN and Infinity are not JSON (line 2, column 2)."),
        (b"[-Infinity]", "NaN and Infinity are not JSON (line 1, column 3)."),
        (b"01", "a number is malformed (line 1, column 2)."),
        (b"1" * 5000, "a number has too many digits (line 1, column 4302)."),
        (b'"\xff"', "it is not valid UTF-8 (line 1, column 2)."),
        (b'"\xed\xa0\x80"', "it is not valid UTF-8 (line 1, column 2)."),
        (b'"\\udc00"', "a \\u escape is half of a surrogate pair (line 1, column 7)."),
        (
            b'"\\ud800"',
            "a \\u escape is incomplete, or half of a surrogate pair (line 1, column 8).",
        ),
        (b'"\\x"', "a string holds an unknown escape (line 1, column 3)."),
        (
            b'"a\x01"',
            "a string holds a control character, which has to be escaped (line 1, column 3).",
        ),
        (b"\xef\xbb\xbf{}", "it starts with a byte order mark; send plain UTF-8."),
        ("{}".encode("utf-16"), "it starts with a byte order mark; send plain UTF-8."),
    ],
)
def test_says_what_is_wrong_and_where(raw, reason):
    error = refusal(raw)
    assert error.message == f"We could not parse the JSON body of your request: {reason}"
    assert error.code == "invalid_json"


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b'{"model": "cheap", "model": "dear"}', "(line 1, column 28)"),
        (b'{"a": {"model": 1, "mod\\u0065l": 2}}', "(line 1, column 33)"),
    ],
)
def test_refuses_a_key_that_two_parsers_may_read_differently(raw, where):
    error = refusal(raw)
    assert "the key 'model' occurs twice in one object" in error.message
    assert where in error.message
    assert error.code == "duplicate_key"


def test_quotes_the_start_of_a_long_key_only():
    key = "secret " * 1000
    error = refusal(f'{{"{key}": 1, "{key}": 2}}'.encode())
    assert len(error.message) < 250


def test_quotes_nothing_of_a_value():
    assert "secret" not in refusal(b'{"content": "secret\x01"}').message


LIMIT = 1000


def refused_as_too_much(raw):
    try:
        parse_json(raw, LIMIT)
    except ApiError as error:
        return (error.status, error.code, str(LIMIT) in error.message) == (
            400,
            "too_many_values",
            True,
        )
    return False


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        (b'"x"', 1),
        (b'"\\\\\\""', 1),
        (b"[]", 1),
        (b"{}", 1),
        (b"[[[[]]]]", 4),
        (b'{"a":{"b":"c"}}', 5),
        (b"1", 0),
        (b"null", 0),
        (b"-1.5e3", 0),
        (b" {\n} ", 1),
    ],
)
def test_values_are_counted(unit, values):
    each = values + 0.1  # a comma
    for share, too_much in ((0.97, False), (1.05, True)):
        raw = b"[" + b",".join([unit] * int(LIMIT * share / each)) + b"]"
        assert refused_as_too_much(raw) is too_much


def test_by_default_the_longest_conversation_of_an_agent_passes():
    """200 tools, and 3,000 turns with them, which no model's context takes."""
    parameters = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(10)}}
    tools = [
        {"type": "function", "function": {"name": f"f{n}", "parameters": parameters}}
        for n in range(200)
    ]
    used = {"type": "function", "function": {"name": "f1", "arguments": '{"p1": "{[,\\""}'}}
    messages = []
    for n in range(3000):
        call = {"id": f"call_{n}", **used}
        messages.append({"role": "assistant", "content": "I look.", "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": '{"a": [0], "b"}'})
    raw = json.dumps({"model": "x", "messages": messages, "tools": tools}).encode()
    assert parse_json(raw, ServerOptions().max_json_values)


@pytest.mark.parametrize("text", ["[{,", '\\"[', "\\\\", '\\\\\\",{"', "\n\t,"])
def test_what_stands_inside_of_a_text_does_not_count(text):
    body = {"model": "x", "messages": [{"role": "user", "content": text * 10 * LIMIT}] * 3}
    assert not refused_as_too_much(json.dumps(body).encode())
    assert refused_as_too_much(json.dumps([body, [[]] * LIMIT]).encode())


@given(json_values)
def test_reads_whatever_json_is(value):
    raw = json.dumps(value).encode()
    assert parse_json(raw) == orjson.loads(raw)


@given(st.binary() | st.binary().map(lambda raw: b'{"a": "' + raw + b'"}'))
def test_any_bytes_give_a_value_or_a_refusal(raw):
    assert read_or_refused(raw)


@given(json_values, st.data())
def test_every_cut_text_gives_a_value_or_a_refusal(value, data):
    raw = json.dumps(value).encode()
    assert read_or_refused(raw[: data.draw(st.integers(0, len(raw)))])


def read_or_refused(raw):
    try:
        parse_json(raw)
    except ApiError as error:
        return error.status == 400 and error.message.startswith("We could not parse the JSON body")
    return True
