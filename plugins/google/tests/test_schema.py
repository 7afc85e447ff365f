from __future__ import annotations

import copy

import pytest

from tornado_router_google.schema import object_schema, portable_schema


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$schema": "x", "type": "string"}, {"type": "string"}),
        ({"const": 1}, {"enum": [1]}),
        ({"const": None}, {"const": None}),
        ({"const": True}, {"const": True}),
        ({"items": {"const": "a"}}, {"items": {"enum": ["a"]}}),
        ({"items": True}, {"items": True}),
        (
            {"anyOf": [{"const": "a"}, {"type": "null"}]},
            {"anyOf": [{"enum": ["a"]}, {"type": "null"}]},
        ),
        ({"$ref": "#/$defs/a", "$comment": "x"}, {"$ref": "#/$defs/a", "$comment": "x"}),
        (
            {"$ref": "#/$defs/a", "title": "A"},
            {"title": "A", "anyOf": [{"$ref": "#/$defs/a"}]},
        ),
        (
            {"allOf": [{"type": "string"}, {"minLength": 1}]},
            {"allOf": [{"type": "string"}, {"minLength": 1}]},
        ),
        ({"$ref": "#/$defs/a", "anyOf": [{}]}, {"$ref": "#/$defs/a"}),
        # A property may have the name of a keyword.
        (
            {"properties": {"$ref": {"type": "string"}, "const": {"const": "a"}}},
            {"properties": {"$ref": {"type": "string"}, "const": {"enum": ["a"]}}},
        ),
        ({"properties": 1, "anyOf": "x", "$ref": 5}, {"properties": 1, "anyOf": "x", "$ref": 5}),
    ],
)
def test_portable(schema, expected):
    before = copy.deepcopy(schema)
    assert portable_schema(schema, "p") == expected
    assert schema == before


def test_parameters_are_an_object():
    assert object_schema({}, "p") is None
    assert object_schema({"properties": {}}, "p") == {"type": "object", "properties": {}}
    assert object_schema({"anyOf": [{"type": "object"}]}, "p") == {"anyOf": [{"type": "object"}]}
