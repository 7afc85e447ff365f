"""Says in OpenAI's words what is wrong with a body: message, `param` and `code`.

A message quotes field names and short values only, so that no prompt reaches a log.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError, clip, dotted
from tornado_router.validation.engine import Violation

_KINDS = {
    "array": "an array",
    "boolean": "a boolean",
    "infinite": "a number that is too large",
    "integer": "an integer",
    "null": "null",
    "number": "a decimal",
    "object": "an object",
    "string": "a string",
}


_ROWS = {
    ("minimum", "integer"): Invalid.integer_below_min_value,
    ("minimum", "decimal"): Invalid.decimal_below_min_value,
    ("maximum", "integer"): Invalid.integer_above_max_value,
    ("maximum", "decimal"): Invalid.decimal_above_max_value,
    ("minLength", "string"): Invalid.string_below_min_length,
    ("maxLength", "string"): Invalid.string_above_max_length,
    ("minItems", "array"): Invalid.array_below_min_length,
    ("maxItems", "array"): Invalid.array_above_max_length,
    ("empty", "array"): Invalid.empty_array,
    ("empty", "string"): Invalid.empty_string,
}


def explain(violation: Violation) -> ApiError:
    """The refusal of a body, as OpenAI would word it."""
    param = dotted(violation.path)
    if param is None:
        kind = _KINDS[_kind(violation.instance)]
        return Invalid.invalid_type(place="the request body", expected="an object", got=kind)
    return _WRITERS.get(violation.keyword, _anything_else)(violation, param)


def _required(_: Violation, param: str) -> ApiError:
    return Invalid.missing_required_parameter(param=param)


def _unknown(_: Violation, param: str) -> ApiError:
    return Invalid.unknown_parameter(param=param)


def _type(violation: Violation, param: str) -> ApiError:
    allowed = violation.schema["type"]
    kinds = [allowed] if isinstance(allowed, str) else [kind for kind in allowed if kind != "null"]
    # `null` stands for "not given" in every optional field, so it is not offered as a choice.
    words = sorted(_KINDS[kind] for kind in kinds)
    expected = words[0] if len(words) == 1 else f"one of {_listed(words, 'or')}"
    got = _KINDS[_kind(violation.instance)]
    return Invalid.invalid_type(place=f"'{param}'", expected=expected, got=got, param=param)


def _value(violation: Violation, param: str) -> ApiError:
    schema = violation.schema
    values = schema["enum"] if violation.keyword == "enum" else [schema["const"]]
    supported = _listed([_quoted(value) for value in values if value is not None], "and")
    start = f"Invalid value for '{param}'"
    if isinstance(violation.instance, str):
        start = f"Invalid value: {_quoted(violation.instance)}"
    return Invalid.invalid_value(f"{start}. Supported values are: {supported}.", param=param)


def _range(violation: Violation, param: str) -> ApiError:
    kind = "integer" if "integer" in violation.schema.get("type", ()) else "decimal"
    limit, got = violation.schema[violation.keyword], _number(violation.instance)
    return _ROWS[violation.keyword, kind](param=param, limit=limit, got=got)


def _length(violation: Violation, param: str) -> ApiError:
    limit, length = violation.schema[violation.keyword], len(violation.instance)
    row = _ROWS[violation.keyword if length else "empty", _kind(violation.instance)]
    return row(param=param, limit=limit, length=length)


def _too_many_properties(violation: Violation, param: str) -> ApiError:
    limit, length = violation.schema["maxProperties"], len(violation.instance)
    return Invalid.object_above_max_properties(param=param, limit=limit, length=length)


def _pattern(violation: Violation, param: str) -> ApiError:
    return Invalid.invalid_value(
        f"Invalid '{param}': string does not match pattern. Expected a string that matches the "
        f"pattern '{violation.schema['pattern']}'.",
        param=param,
    )


def _property_names(violation: Violation, param: str) -> ApiError:
    limit = violation.schema["propertyNames"]["maxLength"]
    return Invalid.invalid_value(
        f"Invalid '{param}': a key is longer than {limit} characters.", param=param
    )


def _anything_else(_: Violation, param: str) -> ApiError:
    return Invalid.invalid_value(f"Invalid value for '{param}'.", param=param)


_WRITERS: dict[str, Callable[[Violation, str], ApiError]] = {
    "additionalProperties": _unknown,
    "const": _value,
    "enum": _value,
    "maximum": _range,
    "maxItems": _length,
    "maxLength": _length,
    "maxProperties": _too_many_properties,
    "minimum": _range,
    "minItems": _length,
    "minLength": _length,
    "pattern": _pattern,
    "propertyNames": _property_names,
    "required": _required,
    "type": _type,
}


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):  # before int: a bool is one
        return "boolean"
    if isinstance(value, float) and math.isinf(value):
        return "infinite"  # what becomes of 1e999, and what jsonschema-rs takes for no number
    names = {int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def _quoted(value: Any) -> str:
    return f"'{clip(value)}'" if isinstance(value, str) else str(value)


def _number(value: float) -> str:
    # An int may have thousands of digits.
    return str(value) if abs(value) < 1e30 else f"{'-' if value < 0 else ''}a very large number"


def _listed(words: Iterable[str], conjunction: str) -> str:
    *first, last = words
    comma = "," if len(first) > 1 else ""
    return f"{', '.join(first)}{comma} {conjunction} {last}" if first else last
