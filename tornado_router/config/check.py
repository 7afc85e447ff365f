"""Says what is wrong with a table, as an operator would want to hear it.

`jsonschema` finds the errors; here they get a dotted path, a plain sentence and, for an unknown
key, the key that was probably meant. It is 4 MB and 60 ms of a start, so it is loaded only where
`jsonschema-rs`, which requests are checked by, finds something wrong.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from tornado_router.errors import Fault

if TYPE_CHECKING:
    from jsonschema import ValidationError

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_KINDS = {
    "string": "text in quotes",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
}


def dotted(path: Iterable[str | int]) -> str:
    """The path of an option as TOML would write it: `routes."gpt-4.1".targets[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else json.dumps(part, ensure_ascii=False)
            text += f".{key}" if text else key
    return text


def table_header(*path: str) -> str:
    """The line that begins a table: `[routes."gpt-4.1"]`."""
    return f"[{dotted(path)}]"


def meant(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """A hint at the nearest known word, or nothing.

    Args:
        word: that is not known.
        known: those that are.
        likeness: from 0 to 1, that the nearest must have at least.
    """
    near = nearest(word, known, likeness)
    return f"; did you mean '{near}'?" if near else ""


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The nearest known word, as of `meant`, or None."""
    return next(iter(get_close_matches(word, list(known), n=1, cutoff=likeness)), None)


def is_valid(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value is what it should be."""
    return next(faults(value, schema), None) is None


def faults(
    table: Any, schema: Mapping[str, Any], path: Iterable[str | int] = ()
) -> Iterator[Fault]:
    """Every fault of a table, in the order of the file.

    Args:
        table: what was read.
        schema: what it should be.
        path: where the table stands in the file.
    """
    with suppress(ValueError):  # of what it cannot judge, such as text that is not UTF-8
        if jsonschema_rs.is_valid(dict(schema), table):
            return
    path = tuple(path)
    for error in _explaining_validator()(schema).iter_errors(table):
        where = (*path, *error.absolute_path)
        if error.validator == "additionalProperties":
            yield from _unknown_keys(error, where)
        else:
            yield Fault(dotted(where) or "the file", _sentence(error))


@cache
def _explaining_validator() -> Any:
    """The class of validators that list every error."""
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415 - see above

    # TOML has `nan` and `inf`. No bound refuses the one, and no clock can wait for the other.
    types = Draft202012Validator.TYPE_CHECKER
    finite = types.redefine(
        "number", lambda _, value: types.is_type(value, "number") and math.isfinite(value)
    )
    return validators.extend(Draft202012Validator, type_checker=finite)


def _unknown_keys(error: ValidationError, where: tuple[str | int, ...]) -> Iterator[Fault]:
    known = error.schema.get("properties", {})
    for key in error.instance:
        if key not in known:
            yield Fault(dotted((*where, key)), f"unknown key{meant(key, known)}")


def _sentence(error: ValidationError) -> str:
    value, expected = error.instance, error.validator_value
    # A table or a list is not quoted either, as there may be a secret in it.
    secret = error.schema.get("writeOnly", False) or isinstance(value, Mapping | list)
    got = "" if secret else f", not {value!r}"
    match error.validator:
        case "required":
            missing = [name for name in expected if name not in value]
            return f"lacks {' and '.join(repr(name) for name in missing)}"
        case "type":
            return f"must be {_KINDS.get(expected, expected)}{got}"
        case "enum":
            hint = meant(value, expected) if isinstance(value, str) and not secret else ""
            return f"must be one of {', '.join(map(repr, expected))}{got}{hint}"
        case "minimum":
            return f"must be at least {expected}{got}"
        case "exclusiveMinimum":
            return f"must be more than {expected}{got}"
        case "maximum":
            return f"must be at most {expected}{got}"
        case "minLength" | "minItems":
            return "must not be empty"
        case "pattern":
            examples = error.schema.get("examples")
            if examples:
                return f"must look like {' or '.join(map(repr, examples))}{got}"
            return f"must match {expected}{got}"
        case "not" if isinstance(expected, Mapping) and "enum" in expected:
            return f"must be none of {', '.join(map(repr, expected['enum']))}"
        case _:
            return "is not valid" if secret else error.message
