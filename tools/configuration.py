"""Writes docs/configuration.md from the options as they are declared.

python -m tools.configuration           writes the page
python -m tools.configuration --check   fails if the page is not what it would write
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from tools.pages import write_or_check
from tornado_router.config.declaration import table_schema
from tornado_router.config.options import AT_START, NAMED_SECTIONS, SECTIONS
from tornado_router.plugins.registry import load_plugins
from tornado_router.provider import Provider

TYPES = ("echo", "openai", "anthropic", "google")
"""The provider types whose options are listed; those of other vendors are like `openai`."""

HEAD = """\
# Configuration

<!-- Made by `python -m tools.configuration` from the declarations; do not edit. -->

One `router.toml` configures a deployment. `tornado-router check [FILE]` checks it without serving
it, and lists every fault at once: unknown keys, wrong types, routes to providers that do not exist.

Values may refer to environment variables, `${NAME}` or `${NAME:-default}` (the default is used if
the variable is unset or empty), and to files, `${file:/run/secrets/name}`; `$$` is a dollar sign.
The path in `${file:...}` must be absolute; all other paths may be relative to the folder of
router.toml. A `.env` beside the file is read too; the real environment overrides it. A variable
that is not set, or a file that does not exist, is a fault. In a `[providers.NAME]` table, however,
it only turns that provider off, as does an empty key; the others keep serving.
[Providers](providers.md) has an example of each type.

A running router loads a changed file on SIGHUP, or automatically with `[server] watch = true`: see
[reload](reload.md). These are read at startup only: {at_start}.

What a model name means, and which target serves it, is explained in [routing](routing.md).
"""


_PLURALS = {"number": "numbers", "object": "tables", "string": "strings"}


def page() -> str:
    """The whole page."""
    at_start = ", ".join(f"`{name}`" for name in sorted(AT_START))
    return "\n".join([HEAD.replace("{at_start}", at_start), *_sections()])


def _sections() -> Iterator[str]:
    types = load_plugins().types
    for name, kind in {**SECTIONS, **NAMED_SECTIONS}.items():
        yield _section(kind)
        if name == "providers":
            for type_name in TYPES:
                yield _provider_type(type_name, types[type_name])


def _section(kind: type) -> str:
    title, _, text = inspect.cleandoc(kind.__doc__ or "").partition(": ")
    return f"## {title}\n\n{text[:1].upper()}{text[1:]}\n\n{_table(table_schema(kind))}"


def _provider_type(name: str, kind: type[Provider]) -> str:
    text = (kind.__doc__ or "").partition("\n")[0]
    return f'### `type = "{name}"`\n\n{text}\n\n{_table(kind.options_schema)}'


def _table(schema: Mapping[str, Any]) -> str:
    rows = ["| option | type | default | what it does |", "|---|---|---|---|"]
    for name, option in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        default = "required" if required else _literal(option)
        rows.append(f"| `{name}` | {_type(option)} | {default} | {option['description']} |")
    return "\n".join(rows) + "\n"


def _literal(option: Mapping[str, Any]) -> str:
    if "default" not in option:
        return ""
    value = option["default"]
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value!r}`".replace("'", '"')


def _type(option: Mapping[str, Any]) -> str:
    return ", ".join([_kind(option), *_bounds(option)])


def _kind(option: Mapping[str, Any]) -> str:
    kind = str(option.get("type", "string"))
    items = option.get("items", {})
    if "enum" in items:
        return f"{kind} of {', '.join(f'`{value}`' for value in items['enum'])}"
    if "type" in items:
        return f"{kind} of {_PLURALS[items['type']]}"
    return kind


def _bounds(option: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in option:
        yield "one of " + ", ".join(f"`{value}`" for value in option["enum"])
    if "minimum" in option:
        yield f"at least {option['minimum']}"
    if "exclusiveMinimum" in option:
        yield f"more than {option['exclusiveMinimum']}"
    if "maximum" in option:
        yield f"at most {option['maximum']}"


if __name__ == "__main__":
    write_or_check("configuration.md", page(), "tools.configuration")
