from __future__ import annotations

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.provider import Params, ProviderError
from tornado_router_anthropic.schemas import closed

from .support import make_call, user


def close(schema, unsupported="reject"):
    call = make_call(user("x"), unsupported=unsupported)
    return closed(schema, Params(call), "schema"), call.dropped


def test_objects_are_closed_all_the_way_down():
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"type": "object", "properties": {"b": {}}}},
            "c": {"anyOf": [{"$ref": "#/$defs/d"}, {"type": "null"}]},
        },
        "$defs": {"d": {"type": ["object", "null"], "additionalProperties": True,
                        "properties": {"e": {"type": "string", "format": "date"}}}},
        "additionalProperties": False,
        "required": ["a"],
    }  # fmt: skip
    made, dropped = close(schema)
    assert dropped == []
    assert "$schema" not in made
    assert made["additionalProperties"] is False
    assert made["properties"]["a"]["items"]["additionalProperties"] is False
    assert made["$defs"]["d"]["additionalProperties"] is False
    assert made["$defs"]["d"]["properties"]["e"] == {"type": "string", "format": "date"}


def test_one_of_is_any_of():
    assert close({"oneOf": [{"type": "string"}]})[0] == {"anyOf": [{"type": "string"}]}


@pytest.mark.parametrize(
    "rule",
    [
        {"minimum": 1},
        {"exclusiveMinimum": 0},
        {"maximum": 9},
        {"exclusiveMaximum": 9.5},
        {"minLength": 1},
        {"maxLength": 3},
        {"maxItems": 5},
        {"minItems": 2},
        {"uniqueItems": True},
        {"format": "iri"},
        {"multipleOf": 2},
        {"not": {}},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "additionalProperties": True},
    ],
)
def test_a_rule_that_the_vendor_cannot_hold(rule):
    name = list(rule)[-1]
    schema = {"type": "object", "properties": {"a": rule}}
    with pytest.raises(ProviderError) as refused:
        close(schema)
    assert refused.value.param == f"schema.properties.a.{name}"
    made, dropped = close(schema, "drop")
    assert dropped == [f"schema.properties.a.{name}"]
    assert made["properties"]["a"]["description"] == f"({name}: {rule[name]})"


def test_what_pydantic_writes_is_put_in_words_by_default():
    fields = {
        "age": {"exclusiveMinimum": 0, "title": "Age", "type": "integer"},
        "tags": {"items": {"type": "string"}, "maxItems": 3, "title": "Tags", "type": "array"},
    }
    schema = {"properties": fields, "required": list(fields), "title": "X", "type": "object"}
    made, reported = close(schema, "adapt")
    assert made["properties"]["age"]["description"] == "(exclusiveMinimum: 0)"
    assert made["properties"]["tags"]["description"] == "(maxItems: 3)"
    places = ("age.exclusiveMinimum", "tags.maxItems")
    assert reported == [f"schema.properties.{place}" for place in places]


def test_a_rule_in_words_comes_behind_the_description():
    made, _ = close({"type": "integer", "description": "Age.", "minimum": 0}, "drop")
    assert made == {"type": "integer", "description": "Age. (minimum: 0)"}


def test_a_client_schema_is_not_changed():
    schema = {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}}
    before = repr(schema)
    close(schema)
    assert repr(schema) == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["type", "properties", "items", "anyOf", "oneOf", "$defs", "format", "minItems",
             "additionalProperties", "description", "required", "x"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["type", "properties", "anyOf", "items", "format"]), JSON))
def test_any_schema_is_read(schema):
    close(schema, "drop")


@given(st.booleans(), st.integers() | st.text())
def test_what_fits_the_closed_schema_fits_the_clients(required, value):
    schema = {
        "type": "object",
        "properties": {"a": {"oneOf": [{"type": "integer"}, {"type": "string"}]}},
        **({"required": ["a"]} if required else {}),
    }
    made, _ = close(schema)
    assert jsonschema.Draft202012Validator(made).is_valid({"a": value})
    for instance in ({"a": value}, {}, {"a": value, "b": 1}):
        if jsonschema.Draft202012Validator(made).is_valid(instance):
            jsonschema.validate(instance, schema)
