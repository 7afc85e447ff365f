"""Loads a schema of the OpenAI API, as strict as a profile wants it.

The files in `schemas/` say what OpenAI documents today. A profile loosens them at load:

- `openai`: as documented, every list of values closed, every bound kept.
- `standard`: new values and new kinds of things pass, and what vendors differ in (how long, how
  many, which characters). Types, required fields, ranges and the roles of messages hold. Of a
  bound on tokens, -1 is none.
- `open`: roles and upper bounds are open, too.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any, Literal

import orjson

Profile = Literal["openai", "standard", "open"]
PROFILES: tuple[Profile, ...] = ("openai", "standard", "open")

NO_BOUND = -1

Schema = dict[str, Any]

_CAPS = {"maxItems", "maxLength", "maxProperties", "pattern", "propertyNames"}

# Keywords whose value is a schema, a list of schemas, or schemas by name. `if` is not among them:
# a condition distinguishes kinds of objects, so it means the same in every profile.
_ONE = ("additionalProperties", "items", "not", "propertyNames", "then")
_LIST = ("allOf", "anyOf")
_NAMED = ("$defs", "properties")


def load_schema(name: str, profile: Profile = "standard") -> Schema:
    """The schema of an endpoint's body, such as `chat.completions.request`.

    Raises:
        FileNotFoundError: there is no such schema.
    """
    file = resources.files("tornado_router.schemas").joinpath(f"{name}.json")
    schema: Schema = orjson.loads(file.read_bytes())
    if profile == "openai":
        return schema
    return rewrite(schema, _open if profile == "open" else _standard)


def rewrite(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """Applies a change to a schema and then to every schema inside it, conditions aside."""
    changed = dict(change(schema))
    for keyword in _ONE:
        if keyword in changed:
            changed[keyword] = rewrite(changed[keyword], change)
    for keyword in _LIST:
        if keyword in changed:
            changed[keyword] = [rewrite(entry, change) for entry in changed[keyword]]
    for keyword in _NAMED:
        if keyword in changed:
            changed[keyword] = {k: rewrite(v, change) for k, v in changed[keyword].items()}
    return changed


def _standard(schema: Schema) -> Schema:
    dropped = set(_CAPS)
    if not schema.get("x-closed"):
        dropped |= _string_lists(schema)
    return _unlimited(_without(schema, dropped))


def _open(schema: Schema) -> Schema:
    return _unlimited(_without(schema, {*_CAPS, "maximum", *_string_lists(schema)}))


def _unlimited(schema: Schema) -> Schema:
    """A bound that may be -1 as well, if it is one."""
    if not schema.get("x-unlimited"):
        return schema
    bound = {"type": schema["type"], "minimum": schema["minimum"]}
    return {
        **_without(schema, {"minimum", "x-unlimited"}),
        "if": {"type": "integer", "not": {"const": NO_BOUND}},
        "then": bound,
    }


def _string_lists(schema: Schema) -> set[str]:
    """Which of `enum` and `const` list strings; the `type` beside them stays and holds."""
    lists = {"enum": schema.get("enum", []), "const": [schema.get("const")]}
    return {k for k, values in lists.items() if any(isinstance(v, str) for v in values)}


def _without(schema: Schema, keywords: set[str]) -> Schema:
    return {k: v for k, v in schema.items() if k not in keywords}
