import pytest

from tornado_router.error_codes import CODES
from tornado_router.errors import clip, dotted
from tornado_router.validation.engine import RustEngine
from tornado_router.validation.explain import explain


def explained(schema, value):
    engine = RustEngine({"type": "object", "properties": {"x": schema}})
    return explain(engine.first_violation({"x": value}))


@pytest.mark.parametrize(
    ("schema", "value", "message", "code"),
    [
        (
            {"type": "object", "required": ["y"]},
            {},
            "Missing required parameter: 'x.y'.",
            "missing_required_parameter",
        ),
        (
            {"type": "integer"},
            True,
            "Invalid type for 'x': expected an integer, but got a boolean instead.",
            "invalid_type",
        ),
        (
            {"type": ["null", "number"]},
            "hot",
            "Invalid type for 'x': expected a decimal, but got a string instead.",
            "invalid_type",
        ),
        (
            {"type": "number", "maximum": 2},
            1e999,
            "Invalid type for 'x': expected a decimal, but got a number that is too large instead.",
            "invalid_type",
        ),
        (
            {"type": ["string", "array"]},
            None,
            "Invalid type for 'x': expected one of a string or an array, but got null instead.",
            "invalid_type",
        ),
        (
            {"type": ["string", "array", "object"]},
            1.5,
            "Invalid type for 'x': expected one of a string, an array, or an object, "
            "but got a decimal instead.",
            "invalid_type",
        ),
        (
            {"enum": ["a", "b", "c", None]},
            "d",
            "Invalid value: 'd'. Supported values are: 'a', 'b', and 'c'.",
            "invalid_value",
        ),
        (
            {"const": "a"},
            5,
            "Invalid value for 'x'. Supported values are: 'a'.",
            "invalid_value",
        ),
        (
            {"type": ["integer", "null"], "minimum": 1},
            0,
            "Invalid 'x': integer below minimum value. Expected a value >= 1, but got 0 instead.",
            "integer_below_min_value",
        ),
        (
            {"type": "number", "maximum": 2},
            2.5,
            "Invalid 'x': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
            "decimal_above_max_value",
        ),
        (
            {"type": "number", "minimum": 0},
            -0.5,
            "Invalid 'x': decimal below minimum value. "
            "Expected a value >= 0, but got -0.5 instead.",
            "decimal_below_min_value",
        ),
        (
            {"type": "integer", "maximum": 2},
            10**4000,
            "Invalid 'x': integer above maximum value. "
            "Expected a value <= 2, but got a very large number instead.",
            "integer_above_max_value",
        ),
        (
            {"minItems": 1},
            [],
            "Invalid 'x': empty array. "
            "Expected an array with minimum length 1, but got an empty array instead.",
            "empty_array",
        ),
        (
            {"minItems": 2},
            [1],
            "Invalid 'x': array too short. "
            "Expected an array with minimum length 2, but got an array with length 1 instead.",
            "array_below_min_length",
        ),
        (
            {"maxItems": 1},
            [1, 2],
            "Invalid 'x': array too long. "
            "Expected an array with maximum length 1, but got an array with length 2 instead.",
            "array_above_max_length",
        ),
        (
            {"minLength": 1},
            "",
            "Invalid 'x': empty string. "
            "Expected a string with minimum length 1, but got an empty string instead.",
            "empty_string",
        ),
        (
            {"minLength": 2},
            "a",
            "Invalid 'x': string too short. "
            "Expected a string with minimum length 2, but got a string with length 1 instead.",
            "string_below_min_length",
        ),
        (
            {"maxLength": 1},
            "éé",
            "Invalid 'x': string too long. "
            "Expected a string with maximum length 1, but got a string with length 2 instead.",
            "string_above_max_length",
        ),
        (
            {"maxProperties": 2},
            {"a": 1, "b": 2, "c": 3},
            "Invalid 'x': too many properties. "
            "Expected an object with at most 2 properties, "
            "but got an object with 3 properties instead.",
            "object_above_max_properties",
        ),
        (
            {"pattern": "^a$"},
            "b",
            "Invalid 'x': string does not match pattern. "
            "Expected a string that matches the pattern '^a$'.",
            "invalid_value",
        ),
        (
            {"propertyNames": {"maxLength": 1}},
            {"ab": 1},
            "Invalid 'x': a key is longer than 1 characters.",
            "invalid_value",
        ),
        (
            {"type": "object", "properties": {"a": {}}, "additionalProperties": False},
            {"a": 1, "y": 2},
            "Unknown parameter: 'x.y'.",
            "unknown_parameter",
        ),
        ({"multipleOf": 2}, 3, "Invalid value for 'x'.", "invalid_value"),
    ],
)
def test_says_what_is_wrong_as_openai_does(schema, value, message, code):
    error = explained(schema, value)
    assert error.status == 400
    assert error.code in CODES
    assert error.body()["error"] == {
        "message": message,
        "type": "invalid_request_error",
        "param": "x.y" if "'x.y'" in message else "x",
        "code": code,
    }


def test_a_body_that_is_no_object_has_no_param():
    error = explain(RustEngine({"type": "object"}).first_violation([]))
    assert error.message == (
        "Invalid type for the request body: expected an object, but got an array instead."
    )
    assert (error.param, error.code) == (None, "invalid_type")


def test_long_values_and_names_are_cut():
    error = explained({"enum": ["a"]}, "secret " * 1000)
    assert len(error.message) < 150
    error = explained({"additionalProperties": {"type": "string"}}, {"k" * 1000: 1})
    assert error.param == f"x.{'k' * 64}..."


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), None),
        (("model",), "model"),
        (("messages", 1, "content", 0, "text"), "messages[1].content[0].text"),
        (("logit_bias", "50"), "logit_bias.50"),
        (("",), ""),
    ],
)
def test_dotted(path, text):
    assert dotted(path) == text


def test_clip_keeps_what_is_short():
    assert clip("x" * 64) == "x" * 64
    assert clip("x" * 65) == "x" * 64 + "..."
