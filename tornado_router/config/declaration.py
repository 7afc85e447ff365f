"""How an option of a table is declared, and the JSON Schema of the table that comes of it."""

from __future__ import annotations

from dataclasses import MISSING, Field, field, fields
from functools import cache
from typing import Any, get_args, get_type_hints

_JSON_TYPES: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    int | None: {"type": "integer"},
    float | None: {"type": "number"},
    tuple[str, ...]: {"type": "array", "items": {"type": "string", "minLength": 1}},
    tuple[float, ...]: {"type": "array", "items": {"type": "number", "minimum": 0}},
}

DURATION = r"^[0-9]+[smhd]?$"
"""A time as operators write it: a number of seconds, or with a unit."""


def duration_seconds(duration: str) -> int:
    """The seconds of a duration such as `90m`."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    unit = duration[-1]
    return int(duration[:-1]) * units[unit] if unit in units else int(duration)


def option(default: Any, help: str, **keywords: Any) -> Any:
    """Declares one option.

    Args:
        default: its value where the file says nothing; `...` where the file has to say.
        help: one or two sentences for an operator, units included.
        keywords: JSON Schema keywords, such as `minimum` or `enum`.
    """
    metadata = {"help": help, "keywords": keywords}
    if default is ...:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


@cache
def table_schema(section: type, *, closed: bool = True) -> dict[str, Any]:
    """The JSON Schema of one table; made once, so that it must not be changed.

    Args:
        section: a dataclass whose fields are declared by `option`.
        closed: whether unknown keys are faults.
    """
    hints = get_type_hints(section)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            item.name: _option_schema(item, hints[item.name]) for item in fields(section)
        },
        "required": [item.name for item in fields(section) if item.default is MISSING],
    }
    if closed:
        schema["additionalProperties"] = False
    return schema


def _option_schema(item: Field[Any], hint: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {**_type_schema(hint), "description": item.metadata["help"]}
    if item.default is not MISSING and item.default is not None:
        schema["default"] = list(item.default) if isinstance(item.default, tuple) else item.default
    keywords: dict[str, Any] = item.metadata["keywords"]
    return schema | keywords


def _type_schema(hint: Any) -> dict[str, Any]:
    if hint in _JSON_TYPES:
        return _JSON_TYPES[hint]
    return {"type": "array", "items": table_schema(get_args(hint)[0])}
