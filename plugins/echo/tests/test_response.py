"""What the echo says, always the same to the same request."""

import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_router_echo.response import compose, example

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city", "days"],
}


def tool(name, parameters=WEATHER):
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def user(content):
    return {"role": "user", "content": content}


def response(*messages, **fields):
    messages = [user(item) if isinstance(item, str) else item for item in messages]
    return compose({"model": "echo", "messages": messages, **fields})


def said(*messages, **fields):
    return response(*messages, **fields).message()["content"]


def called(*messages, **fields):
    calls = response(*messages, **fields).message().get("tool_calls", [])
    return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]


class TestText:
    @pytest.mark.parametrize(
        "text",
        [
            "Hello",
            "Hello out there",
            "  two  spaces \n",
            "a\nb\n\n",
            "é 漢字 \u2028 x",
            "",
            "\u00a0x",
        ],
    )
    def test_says_the_last_message_back(self, text):
        assert said("first", text) == text

    def test_parts_are_joined_and_those_without_text_are_named(self):
        parts = [
            {"type": "text", "text": "Look:"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ]
        assert said(user(parts)) == "Look: [image_url]"

    def test_a_tools_result_is_said_back(self):
        assert said("call f", {"role": "tool", "tool_call_id": "x", "content": "sunny"}) == "sunny"

    def test_a_message_without_content(self):
        assert said({"role": "assistant", "content": None, "tool_calls": []}) == ""

    def test_a_word_is_a_token(self):
        usage = response("one two", "three four five").usage(1)
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (5, 3)
        assert usage["total_tokens"] == 8

    def test_each_choice_is_paid_for(self):
        assert response("a b").usage(3)["completion_tokens"] == 6

    @given(st.text())
    def test_deltas_are_the_message_in_pieces(self, text):
        answer = response(text)
        deltas = "".join(delta.get("content") or "" for delta in answer.deltas())
        assert deltas == answer.message()["content"]
        assert deltas == (text if text.strip() else "")

    @pytest.mark.parametrize("text", [" " * 300_000, "a " * 150_000, "a" + " " * 300_000 + "b"])
    def test_long_text_of_few_words_takes_no_longer(self, text):
        assert said(text) == (text if text.strip() else "")  # for minutes, were it quadratic


class TestLimits:
    @pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
    def test_the_limit_cuts_words(self, name):
        answer = response("one two three", **{name: 2})
        assert answer.message()["content"] == "one two"
        assert answer.finish_reason == "length"
        assert answer.usage(1)["completion_tokens"] == 2

    @pytest.mark.parametrize("limit", [None, 3, 100])
    def test_a_limit_that_is_not_reached(self, limit):
        assert response("one two three", max_tokens=limit).finish_reason == "stop"

    @pytest.mark.parametrize(
        ("stop", "text"),
        [
            ("two", "one "),
            (["three", "two"], "one "),
            (["x"], "one two three"),
            ([], "one two three"),
            (None, "one two three"),
            ("", "one two three"),
            ("one", ""),
        ],
    )
    def test_stop_cuts_text(self, stop, text):
        answer = response("one two three", stop=stop)
        assert (answer.message()["content"], answer.finish_reason) == (text, "stop")


class TestTools:
    def test_calls_the_tool_that_it_is_told_to_call(self):
        expected = [("weather", {"city": "call weather", "days": 1})]
        assert called("call weather", tools=[tool("time"), tool("weather")]) == expected
        assert response("call weather", tools=[tool("weather")]).finish_reason == "tool_calls"

    def test_calls_several_and_the_ids_differ(self):
        answer = response("call a and call b", tools=[tool("a"), tool("b")])
        calls = answer.message()["tool_calls"]
        assert [call["function"]["name"] for call in calls] == ["a", "b"]
        assert len({call["id"] for call in calls}) == 2
        assert answer.message()["content"] is None

    def test_but_one_where_they_are_not_to_run_in_parallel(self):
        tools = [tool("a"), tool("b")]
        assert len(called("call a, call b", tools=tools, parallel_tool_calls=False)) == 1
        assert len(called("call a, call b", tools=tools, parallel_tool_calls=True)) == 2

    @pytest.mark.parametrize(
        ("choice", "text", "names"),
        [
            ("auto", "hi", []),
            (None, "call a", ["a"]),
            ("none", "call a", []),
            ("required", "hi", ["a"]),
            ("required", "call b", ["b"]),
            ({"type": "function", "function": {"name": "b"}}, "hi", ["b"]),
            ("auto", "call nope", []),
        ],
    )
    def test_tool_choice(self, choice, text, names):
        calls = called(text, tools=[tool("a"), tool("b")], tool_choice=choice)
        assert [name for name, _ in calls] == names

    def test_a_result_ends_the_calling(self):
        result = {"role": "tool", "tool_call_id": "call_0", "content": "call a again"}
        assert called("call a", result, tools=[tool("a")]) == []

    def test_without_tools_it_just_says_so(self):
        assert said("call a") == "call a"

    def test_tools_of_other_kinds_are_left_alone(self):
        assert called("call x", tools=[{"type": "custom", "custom": {"name": "x"}}]) == []

    @pytest.mark.parametrize("parameters", [None, {}, {"type": "object"}])
    def test_a_tool_without_parameters(self, parameters):
        assert called("call a", tools=[tool("a", parameters)]) == [("a", {})]

    def test_deltas_of_calls_join_to_the_calls(self):
        answer = response("call a, call b", tools=[tool("a"), tool("b")])
        joined = {}
        for delta in answer.deltas():
            for piece in delta.get("tool_calls", ()):
                call = joined.setdefault(piece["index"], {"arguments": ""})
                call["arguments"] += piece["function"]["arguments"]
                call |= {name: piece[name] for name in ("id", "type") if name in piece}
                if "name" in piece["function"]:
                    call["name"] = piece["function"]["name"]
        assert [joined[index] for index in sorted(joined)] == [
            {"id": call["id"], "type": "function", **call["function"]}
            for call in answer.message()["tool_calls"]
        ]


class TestStructure:
    def test_json_object(self):
        text = said("hi é", response_format={"type": "json_object"})
        assert json.loads(text) == {"echo": "hi é"}

    def test_json_schema(self):
        wanted = {"type": "json_schema", "json_schema": {"name": "w", "schema": WEATHER}}
        assert json.loads(said("Paris", response_format=wanted)) == {"city": "Paris", "days": 1}

    @pytest.mark.parametrize("wanted", [None, {"type": "text"}])
    def test_text(self, wanted):
        assert said("hi", response_format=wanted) == "hi"

    @pytest.mark.parametrize(
        "schema",
        [
            WEATHER,
            {"type": "array", "items": {"type": "string"}, "minItems": 3},
            {"anyOf": [{"type": "null"}, {"type": "string"}]},
            {"oneOf": [{"type": "boolean"}]},
            {"enum": ["x", "y"]},
            {"const": 5},
            {"type": ["number", "null"]},
            {"type": "null"},
            {"type": "object", "required": ["a"], "properties": {"a": {"enum": [None]}}},
            {},
        ],
    )
    def test_an_example_fits_its_schema(self, schema):
        jsonschema.validate(example(schema, "text"), schema)


NESTED = {"type": "string"}
for _ in range(60):
    NESTED = {"type": "object", "properties": {"a": NESTED}, "required": ["a", "a"]}
DEEP = {"type": "string"}
for _ in range(60):
    DEEP = {"type": "array", "items": DEEP, "minItems": 10**9}


KEYWORDS = st.sampled_from(
    ["type", "enum", "const", "anyOf", "oneOf", "items", "minItems", "properties", "required"]
)
NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "array", "string"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=4),
    max_leaves=12,
)


class TestHostileSchemas:
    """A client writes the schema; it must cost neither time nor memory nor an error."""

    @pytest.mark.parametrize(
        "schema",
        [
            NESTED,
            DEEP,
            {"type": "array", "minItems": 10**12, "items": {"type": "string"}},
            {"type": "object", "required": [str(number) for number in range(500)]},
        ],
        ids=["doubled", "deep", "long", "wide"],
    )
    def test_examples_stay_small(self, schema):
        assert len(json.dumps(example(schema, "x" * 1000))) < 2_000_000

    @given(NONSENSE)
    def test_whatever_it_is_an_example_comes_of_it(self, schema):
        json.dumps(example(schema, "x"))


def test_logprobs_are_those_of_the_words():
    answer = response("one two", logprobs=True)
    tokens = answer.logprobs(answer.words)["content"]
    assert [token["token"] for token in tokens] == ["one", " two"]
    assert bytes(tokens[1]["bytes"]) == b" two"
    assert response("one two").logprobs(["one"]) is None


@settings(max_examples=50)
@given(st.text(), st.integers(1, 5))
def test_the_same_request_gets_the_same_reply(text, limit):
    assert response(text, max_tokens=limit) == response(text, max_tokens=limit)
