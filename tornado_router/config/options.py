"""Every option of router.toml, declared once: its type, default, bounds and help.

The JSON Schema that a file is checked against, the typed values that the code reads, and the
reference in docs/configuration.md all come from the dataclasses here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, get_type_hints

_JSON_TYPES: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    tuple[str, ...]: {"type": "array", "items": {"type": "string", "minLength": 1}},
}


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


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """`[server]`: where the router listens, and what it puts up with."""

    host: str = option("127.0.0.1", "Address to listen on; `0.0.0.0` for every interface.")
    port: int = option(3000, "TCP port; 0 lets the system choose.", minimum=0, maximum=65535)
    max_body_bytes: int = option(
        10 * 1024 * 1024, "A larger request body is refused with status 413.", minimum=1024
    )
    shutdown_seconds: float = option(
        30.0, "How long a stop waits for the calls that still run.", minimum=0
    )
    idle_seconds: float = option(
        600.0, "An idle keep-alive connection is closed after this time.", exclusiveMinimum=0
    )


@dataclass(frozen=True, kw_only=True)
class DatabaseOptions:
    """`[database]`: users, keys and usage."""

    path: str = option(
        "data/router.db", "SQLite file, relative to router.toml; made if absent.", minLength=1
    )


@dataclass(frozen=True, kw_only=True)
class RedisOptions:
    """`[redis]`: what several processes share; without it, it stays in the memory of one."""

    host: str = option("", "Host name; empty for no Redis.")
    port: int = option(6379, "TCP port.", minimum=1, maximum=65535)
    password: str = option("", "Password; empty for none.", writeOnly=True)
    db: int = option(0, "Number of the database.", minimum=0)
    timeout: float = option(0.05, "Seconds that a command may take.", exclusiveMinimum=0)


@dataclass(frozen=True, kw_only=True)
class AuthOptions:
    """`[auth]`: API keys and log-ins."""

    jwt_secret: str = option(
        "",
        "Will sign the tokens of log-ins, which do not exist yet; random and long.",
        writeOnly=True,
    )
    jwt_expires_in: str = option(
        "24h",
        "How long a log-in will last: `3600`, `90m`, `24h` or `7d`.",
        pattern=r"^[0-9]+[smhd]?$",
    )
    key_cache_seconds: float = option(
        1.0, "A revoked key may work for this long; 0 asks the database each time.", minimum=0
    )


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """`[log]`: what is written to standard error."""

    level: str = option(
        "info", "The least severe message written.", enum=["debug", "info", "warning", "error"]
    )
    format: str = option(
        "auto",
        "`text` for people, `json` for machines (one object a line); `auto` is text on a terminal.",
        enum=["auto", "text", "json"],
    )


@dataclass(frozen=True, kw_only=True)
class MemoryOptions:
    """`[memory]`: what providers need back on the next turn of a conversation with tools."""

    seconds: float = option(
        3600.0, "How long a client may take to answer a tool call.", exclusiveMinimum=0
    )
    max_bytes: int = option(
        32 * 1024 * 1024,
        "Of everything kept in this process, the oldest going first; in Redis, of one value.",
        minimum=0,
    )


@dataclass(frozen=True, kw_only=True)
class ValidationOptions:
    """`[validation]`: how strictly a request is held against OpenAI's API."""

    profile: str = option(
        "standard",
        "`openai`: only what OpenAI documents today; `standard`: new values and vendors' own pass; "
        "`open`: types and required fields only.",
        enum=["openai", "standard", "open"],
    )


@dataclass(frozen=True, kw_only=True)
class ProviderOptions:
    """`[providers.NAME]`: what every provider has; its plugin declares the rest of the table."""

    type: str = option(
        ..., "Which provider type of the installed plugins serves this table.", minLength=1
    )
    models: tuple[str, ...] = option(
        ("*",),
        "Models to offer; each can be asked for by its name or as `NAME/model`. A pattern such as "
        "`gpt-*` offers what it matches as `NAME/model` only.",
    )
    unsupported: str = option(
        "reject",
        "What becomes of a parameter that the vendor has no equivalent for: `reject` refuses the "
        "call with status 400, `drop` leaves it out and says so in `x-router-dropped-params`.",
        enum=["reject", "drop"],
    )
    connect_timeout: float = option(
        10.0, "Seconds to connect, or to get a connection of the pool.", exclusiveMinimum=0
    )
    first_byte_timeout: float = option(
        300.0, "Seconds until the answer begins; reasoning models think long.", exclusiveMinimum=0
    )
    between_bytes_timeout: float = option(
        120.0, "Seconds of silence in an answer that has begun.", exclusiveMinimum=0
    )
    total_timeout: float = option(
        1800.0, "Seconds for a whole answer, streamed or not.", exclusiveMinimum=0
    )
    max_connections: int = option(
        1000, "Connections to this provider at once; more calls wait.", minimum=1
    )
    keepalive_seconds: float = option(
        60.0, "An idle connection to the provider is kept this long.", minimum=0
    )


@dataclass(frozen=True, kw_only=True)
class RouteOptions:
    """`[routes.NAME]`: a model name of the operator's own."""

    targets: tuple[str, ...] = option(
        ...,
        "`provider/model`, in order: the next is tried when one fails before its first chunk.",
        minItems=1,
    )


SECTIONS: Mapping[str, type] = {
    "server": ServerOptions,
    "database": DatabaseOptions,
    "redis": RedisOptions,
    "auth": AuthOptions,
    "log": LogOptions,
    "memory": MemoryOptions,
    "validation": ValidationOptions,
}
"""The tables that stand once in a file."""

NAMED_SECTIONS: Mapping[str, type] = {"providers": ProviderOptions, "routes": RouteOptions}
"""The tables of which there are many, each with a name."""


def table_schema(section: type, *, closed: bool = True) -> dict[str, Any]:
    """The JSON Schema of one table.

    Args:
        section: one of the dataclasses above.
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


def file_schema() -> dict[str, Any]:
    """The JSON Schema of a whole router.toml, but for what the plugins declare."""
    sections = {name: table_schema(section) for name, section in SECTIONS.items()}
    named = {
        "providers": table_schema(ProviderOptions, closed=False),
        "routes": table_schema(RouteOptions),
    }
    return {
        "type": "object",
        "properties": sections
        | {
            name: {"type": "object", "additionalProperties": schema}
            for name, schema in named.items()
        },
        "additionalProperties": False,
    }


def _option_schema(item: Field[Any], hint: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {**_JSON_TYPES[hint], "description": item.metadata["help"]}
    if item.default is not MISSING:
        schema["default"] = list(item.default) if isinstance(item.default, tuple) else item.default
    keywords: dict[str, Any] = item.metadata["keywords"]
    return schema | keywords
