"""Environment variables inside the strings of a configuration: `${NAME}` and `${NAME:-default}`.

Done after parsing, so a value can never change the structure of the file. `$$` is a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_REFERENCE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}|)")


class Expanded(str):
    """A string into which the environment was written; may stand for a number or a boolean."""

    __slots__ = ()


class ExpansionError(ValueError):
    """A reference that cannot be resolved. `variable` is its name, or None if it is malformed."""

    def __init__(self, message: str, variable: str | None = None) -> None:
        super().__init__(message)
        self.variable = variable


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replaces the references in one string.

    As in a shell, `:-default` also stands in for a variable that is set but empty.

    Raises:
        ExpansionError: a variable without a default is not set, or a `$` begins no reference.
    """
    if "$" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name, has_default, default = match[1], match[2], match[3]
        if name is None:
            raise ExpansionError("a '$' begins no '${NAME}'; write '$$' for a dollar")
        found = environ.get(name)
        if has_default:
            return found or default
        if found is None:
            raise ExpansionError(f"the environment variable {name} is not set", name)
        return found

    return Expanded(_REFERENCE.sub(value, text))


def coerce(value: Any, schema: Mapping[str, Any]) -> Any:
    """Reads an expanded string as the number or boolean that its option is declared to be.

    Anything else comes back as it is, for the schema to judge, and so does what this schema does
    not know: a plugin's own options are read once its schema is at hand.
    """
    kind = schema.get("type")
    if isinstance(value, Mapping):
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties")
        others = others if isinstance(others, Mapping) else {}
        return {name: coerce(item, properties.get(name, others)) for name, item in value.items()}
    if not isinstance(value, Expanded) or kind is None:
        return value
    if kind == "boolean":
        return {"true": True, "false": False}.get(value.lower(), str(value))
    try:
        if kind == "integer":
            return int(value)
        if kind == "number":
            return float(value)
    except ValueError:
        pass  # the schema says it better
    return str(value)
