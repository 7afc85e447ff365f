"""Schemas of objects, and request bodies that are held against them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pytest
from msgspec import UNSET, Meta, UnsetType

from tornado_router.errors import ApiError
from tornado_router.http.objects.base import Count, Dollars, Object, RequestBody
from tornado_router.http.objects.schema import component_schemas, read


class Part(Object, kw_only=True):
    """A part."""

    size: float | None


class Whole(Object, kw_only=True):
    """A whole."""

    object: Literal["whole"] = "whole"
    state: Literal["on", "off"]
    count: Annotated[Count | None, Meta(description="How many.")]
    cost: Annotated[Dollars | None, Meta(description="What it costs.")]
    names: Sequence[str] | None
    part: Part
    other: Part | None
    sometimes: str | UnsetType = UNSET


class Thing(RequestBody, kw_only=True):
    """A thing."""

    name: str
    amount: int | float | str | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=9)] | UnsetType | None = UNSET
    kind: Literal["a", "b"] | UnsetType = UNSET


class Query(RequestBody, kw_only=True):
    """What may be left out or null, which is the same."""

    name: str | None = None


SCHEMAS = component_schemas([Whole, Thing])


def test_objects_refer_to_the_objects_in_them():
    assert SCHEMAS.keys() == {"Whole", "Part", "Thing"}
    assert SCHEMAS["Whole"]["properties"]["part"] == {"$ref": "#/components/schemas/Part"}
    assert SCHEMAS["Whole"]["properties"]["other"]["anyOf"] == [
        {"type": "null"},
        {"$ref": "#/components/schemas/Part"},
    ] or SCHEMAS["Whole"]["properties"]["other"]["anyOf"] == [
        {"$ref": "#/components/schemas/Part"},
        {"type": "null"},
    ]


def test_what_a_response_always_has_is_required():
    assert SCHEMAS["Whole"]["required"] == [
        *("object", "state", "count", "cost", "names", "part", "other")
    ]
    assert SCHEMAS["Thing"]["required"] == ["name"]


def test_null_is_one_of_the_types_and_the_field_has_its_own_description():
    properties = SCHEMAS["Whole"]["properties"]
    assert properties["count"] == {
        "type": ["integer", "null"],
        "minimum": 0,
        "description": "How many.",
    }
    assert properties["cost"]["description"] == "What it costs."
    assert properties["names"] == {"type": ["array", "null"], "items": {"type": "string"}}


def test_fixed_texts_are_constants():
    properties = SCHEMAS["Whole"]["properties"]
    assert properties["object"] == {"type": "string", "const": "whole"}
    assert properties["state"] == {"type": "string", "enum": ["off", "on"]}


def test_what_may_be_left_out_of_a_body_is_not_required():
    assert component_schemas([Query])["Query"]["required"] == []
    assert read(Query, {}) == read(Query, {"name": None})


def test_docstrings_describe_objects():
    assert SCHEMAS["Part"]["description"] == "A part."


def test_numbers_take_whole_ones_too():
    assert SCHEMAS["Thing"]["properties"]["amount"] == {"type": ["number", "string"]}


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ([], "invalid_type", None),
        ({}, "missing_required_parameter", "name"),
        ({"name": None}, "invalid_type", "name"),
        ({"name": "a", "age": 1}, "unknown_parameter", "age"),
        ({"name": "a", "amount": None}, "invalid_type", "amount"),
        ({"name": "a", "limit": 0}, "integer_below_min_value", "limit"),
        ({"name": "a", "limit": 10}, "integer_above_max_value", "limit"),
        ({"name": "a", "limit": "5"}, "invalid_type", "limit"),
        ({"name": "a", "limit": 1.5}, "invalid_type", "limit"),
        ({"name": "a", "kind": "c"}, "invalid_value", "kind"),
    ],
)
def test_a_body_that_does_not_fit(body: Any, code, param):
    with pytest.raises(ApiError) as caught:
        read(Thing, body)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, code, param)


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a"},
        {"name": "", "amount": "0.10", "limit": None},
        {"name": "true", "amount": 0.1, "limit": 9, "kind": "b"},
        {"name": "5", "amount": 12345678901234567},
    ],
)
def test_what_was_sent_is_given_on(body):
    assert read(Thing, body).given() == body


def test_whole_numbers_may_have_a_point():
    thing = read(Thing, {"name": "a", "limit": 3.0})
    assert (thing.limit, type(thing.limit)) == (3, int)


def test_a_field_that_was_not_sent_is_unset():
    assert read(Thing, {"name": "a"}).limit is UNSET
