"""Says in OpenAI's words what is wrong with a body: message, `param` and `code`.

A message quotes field names and short values only, so that no prompt reaches a log.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from tornado_router.errors import ApiError, invalid_request
from tornado_router.validation.engine import Path, Violation

MAX_QUOTED = 64
"""Longer names and values are cut in messages."""

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


_CODES = {
    ("minimum", "integer"): "integer_below_min_value",
    ("minimum", "decimal"): "decimal_below_min_value",
    ("maximum", "integer"): "integer_above_max_value",
    ("maximum", "decimal"): "decimal_above_max_value",
    ("minLength", "string"): "string_below_min_length",
    ("maxLength", "string"): "string_above_max_length",
    ("minItems", "array"): "array_below_min_length",
    ("maxItems", "array"): "array_above_max_length",
    ("empty", "array"): "empty_array",
    ("empty", "string"): "empty_string",
}


def explain(violation: Violation) -> ApiError:
    """The refusal of a body, as OpenAI would word it."""
    param = dotted(violation.path)
    if param is None:
        kind = _KINDS[_kind(violation.instance)]
        return invalid_request(
            f"Invalid type for the request body: expected an object, but got {kind} instead.",
            code="invalid_type",
        )
    return _WRITERS.get(violation.keyword, _anything_else)(violation, param)


def dotted(path: Path) -> str | None:
    """A path as OpenAI writes it, `messages[1].content`; None for the body itself."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{clip(step)}" if text else clip(step)
    return text if path else None


def clip(text: str) -> str:
    """The text, or its start when it is long."""
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}..."


def _required(_: Violation, param: str) -> ApiError:
    message = f"Missing required parameter: '{param}'."
    return invalid_request(message, param, "missing_required_parameter")


def _unknown(_: Violation, param: str) -> ApiError:
    return invalid_request(f"Unknown parameter: '{param}'.", param, "unknown_parameter")


def _type(violation: Violation, param: str) -> ApiError:
    allowed = violation.schema["type"]
    kinds = [allowed] if isinstance(allowed, str) else [kind for kind in allowed if kind != "null"]
    # `null` stands for "not given" in every optional field, so it is not offered as a choice.
    words = sorted(_KINDS[kind] for kind in kinds)
    expected = words[0] if len(words) == 1 else f"one of {_listed(words, 'or')}"
    message = (
        f"Invalid type for '{param}': expected {expected}, "
        f"but got {_KINDS[_kind(violation.instance)]} instead."
    )
    return invalid_request(message, param, "invalid_type")


def _value(violation: Violation, param: str) -> ApiError:
    schema = violation.schema
    values = schema["enum"] if violation.keyword == "enum" else [schema["const"]]
    supported = _listed([_quoted(value) for value in values if value is not None], "and")
    start = f"Invalid value for '{param}'"
    if isinstance(violation.instance, str):
        start = f"Invalid value: {_quoted(violation.instance)}"
    return invalid_request(f"{start}. Supported values are: {supported}.", param, "invalid_value")


def _range(violation: Violation, param: str) -> ApiError:
    types = violation.schema.get("type", ())
    kind = "integer" if "integer" in types else "decimal"
    low = violation.keyword == "minimum"
    side, comparison = ("below minimum", ">=") if low else ("above maximum", "<=")
    message = (
        f"Invalid '{param}': {kind} {side} value. Expected a value {comparison} "
        f"{violation.schema[violation.keyword]}, but got {_number(violation.instance)} instead."
    )
    return invalid_request(message, param, _CODES[violation.keyword, kind])


def _too_short(violation: Violation, param: str) -> ApiError:
    kind, measure = _measured(violation)
    fault, code = f"{kind} too short", _CODES[violation.keyword, kind]
    if not violation.instance:
        fault, code = f"empty {kind}", _CODES["empty", kind]
    message = (
        f"Invalid '{param}': {fault}. Expected {_KINDS[kind]} with minimum length "
        f"{violation.schema[violation.keyword]}, but got {measure} instead."
    )
    return invalid_request(message, param, code)


def _too_long(violation: Violation, param: str) -> ApiError:
    kind, measure = _measured(violation)
    message = (
        f"Invalid '{param}': {kind} too long. Expected {_KINDS[kind]} with maximum length "
        f"{violation.schema[violation.keyword]}, but got {measure} instead."
    )
    return invalid_request(message, param, _CODES[violation.keyword, kind])


def _measured(violation: Violation) -> tuple[str, str]:
    kind, size = _kind(violation.instance), len(violation.instance)
    return kind, f"{_KINDS[kind]} with length {size}" if size else f"an empty {kind}"


def _too_many_properties(violation: Violation, param: str) -> ApiError:
    message = (
        f"Invalid '{param}': too many properties. Expected an object with at most "
        f"{violation.schema['maxProperties']} properties, but got an object with "
        f"{len(violation.instance)} properties instead."
    )
    return invalid_request(message, param, "object_above_max_properties")


def _pattern(violation: Violation, param: str) -> ApiError:
    message = (
        f"Invalid '{param}': string does not match pattern. Expected a string that matches the "
        f"pattern '{violation.schema['pattern']}'."
    )
    return invalid_request(message, param, "invalid_value")


def _property_names(violation: Violation, param: str) -> ApiError:
    limit = violation.schema["propertyNames"]["maxLength"]
    message = f"Invalid '{param}': a key is longer than {limit} characters."
    return invalid_request(message, param, "invalid_value")


def _anything_else(_: Violation, param: str) -> ApiError:
    return invalid_request(f"Invalid value for '{param}'.", param, "invalid_value")


_WRITERS: dict[str, Callable[[Violation, str], ApiError]] = {
    "additionalProperties": _unknown,
    "const": _value,
    "enum": _value,
    "maximum": _range,
    "maxItems": _too_long,
    "maxLength": _too_long,
    "maxProperties": _too_many_properties,
    "minimum": _range,
    "minItems": _too_short,
    "minLength": _too_short,
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
