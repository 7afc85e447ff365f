"""Reads router.toml: TOML, then the environment, then a check of every option at once."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints
from urllib.parse import quote

from dotenv import dotenv_values

from tornado_router.config import check, expand, toml_faults
from tornado_router.config.declaration import table_schema
from tornado_router.config.options import (
    AT_START,
    NAMED_SECTIONS,
    SECTIONS,
    AuthOptions,
    BatchOptions,
    CacheOptions,
    CorsOptions,
    DatabaseOptions,
    LedgerOptions,
    LimitsOptions,
    LogOptions,
    MemoryOptions,
    MetricsOptions,
    OtelOptions,
    PassthroughOptions,
    PlanOptions,
    PriceOptions,
    PricingOptions,
    ProviderOptions,
    RedisOptions,
    RequestLogOptions,
    ResponsesOptions,
    RouteOptions,
    RoutingOptions,
    ServerOptions,
    TargetOptions,
    ValidationOptions,
    file_schema,
)
from tornado_router.errors import ConfigError, Fault

__all__ = ["Config", "ProviderTable", "environment", "examine", "keep_fixed", "load", "sources"]


@dataclass(frozen=True)
class ProviderTable:
    """One `[providers.NAME]`.

    Attributes:
        name: the NAME.
        common: the options that every provider has.
        options: the rest of the table, checked by its plugin.
        off: why the provider is not used (a variable of its table is not set), or None.
    """

    name: str
    common: ProviderOptions
    options: Mapping[str, Any] = field(repr=False)  # holds the provider's key
    off: str | None = None


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole router.toml, with every default filled in.

    Attributes:
        folder: where the file lies; relative paths in it start here.
    """

    folder: Path
    server: ServerOptions
    cors: CorsOptions
    database: DatabaseOptions
    ledger: LedgerOptions
    redis: RedisOptions
    auth: AuthOptions
    limits: LimitsOptions
    routing: RoutingOptions
    pricing: PricingOptions
    log: LogOptions
    metrics: MetricsOptions
    otel: OtelOptions
    memory: MemoryOptions
    responses: ResponsesOptions
    passthrough: PassthroughOptions
    batches: BatchOptions
    cache: CacheOptions
    request_log: RequestLogOptions
    validation: ValidationOptions
    providers: Mapping[str, ProviderTable]
    routes: Mapping[str, RouteOptions]
    targets: Mapping[str, TargetOptions]
    plans: Mapping[str, PlanOptions]
    prices: Mapping[str, PriceOptions]

    @property
    def database_location(self) -> Path | str:
        """Of the database: an SQLite file, or the URL of a PostgreSQL database."""
        url, password = self.database.url, self.database.password
        if not url:
            return self.folder / self.database.path
        if not password:
            return url
        # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
        return f"{url}{'&' if '?' in url else '?'}password={quote(password, safe='')}"

    @property
    def journal_folder(self) -> Path:
        """Of the usage on its way to the database."""
        return self.folder / (self.ledger.journal or f"{self.database.path}.journal")

    @property
    def pid_file(self) -> Path | None:
        """Where the process id is, or None."""
        return self.folder / self.server.pid_file if self.server.pid_file else None

    @property
    def operator_token(self) -> Path:
        """The file by whose text the command line shows the router that it may read its files."""
        return self.journal_folder / "operator.token"

    @property
    def redis_location(self) -> RedisOptions:
        """Of Redis: `[redis]`, with the path of its CA file as it is found from anywhere."""
        options = self.redis
        if not options.tls_ca:
            return options
        return replace(options, tls_ca=str(self.folder / options.tls_ca))


def environment(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a file in `folder`: that of the process over a `.env` beside it."""
    path = folder / ".env"
    try:
        beside = dotenv_values(path)
    except UnicodeDecodeError:
        raise ConfigError([Fault(str(path), "is not UTF-8")]) from None
    except OSError as error:
        raise ConfigError([Fault(str(path), f"cannot be read: {error.strerror}")]) from None
    return {name: value for name, value in beside.items() if value is not None} | dict(environ)


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Reads a configuration; plugins check their part of it later.

    Args:
        path: the file.
        environ: values for `${NAME}`; see `environment`.

    Raises:
        ConfigError: with every fault, not just the first.
    """
    config, faults = examine(path, environ)
    if faults:
        raise ConfigError(faults)
    return config


def examine(path: Path, environ: Mapping[str, str]) -> tuple[Config, list[Fault]]:
    """Reads a configuration as far as it is right, and lists its faults.

    An option with a fault has its default, so that the rest can be checked too.

    Raises:
        ConfigError: the file is not there, or is not TOML.
    """
    table = _parse(path)
    faults = list(_take_split_names(table))
    off = _expand_tables(table, environ, faults)
    schema = file_schema()
    table = expand.coerce(table, schema)
    faults += check.faults(table, schema)
    return _build(table, path.parent, off), faults


def sources(path: Path) -> list[Path]:
    """Every file that a configuration is read from, whether it is there or not.

    They are the file itself, the `.env` beside it, and those that `${file:...}` names, as far as
    the file is TOML.
    """
    found = [path, path.parent / ".env"]
    with suppress(ConfigError):
        for _, holder, key in _strings(_parse(path)):
            found += expand.files(holder[key])
    return found


def keep_fixed(before: Config, after: Config) -> tuple[Config, list[str]]:
    """The part of a changed file that a running router can adopt.

    Args:
        before: the running configuration.
        after: the file as it is now.

    Returns:
        `after` with the options of `before` that are read at the start alone, and the names of
        those among them that differ.
    """
    names = [
        (section, item.name)
        for section, kind in SECTIONS.items()
        for item in fields(kind)
        if not AT_START.isdisjoint((section, f"{section}.{item.name}"))
    ]
    kept: dict[str, Any] = {}
    differing = []
    for section, name in names:
        old = getattr(getattr(before, section), name)
        table = kept.get(section, getattr(after, section))
        if getattr(table, name) != old:
            kept[section] = replace(table, **{name: old})
            differing.append(f"{section}.{name}")
    return replace(after, **kept), differing


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([toml_faults.explain(error, text)]) from None
    except UnicodeDecodeError:
        raise ConfigError([Fault("", "is not UTF-8 text")]) from None
    except OSError as error:
        raise ConfigError([Fault("", f"cannot be read: {error.strerror}")]) from None


def _take_split_names(table: dict[str, Any]) -> Iterator[Fault]:
    """Takes out the tables whose names TOML has split at their dots, and reports each.

    `[routes.gpt-4.1]` is the table `1` of the table `gpt-4`.
    """
    for section, kind in NAMED_SECTIONS.items():
        known = {item.name for item in fields(kind)}
        named = table.get(section)
        if not isinstance(named, dict):
            continue
        for name, item in list(named.items()):
            if not isinstance(item, dict) or (section == "providers" and "type" in item):
                continue
            inner = {
                key: value
                for key, value in item.items()
                if isinstance(value, dict) and key not in known
            }
            for key, value in inner.items():
                whole = ".".join([name, *_split(key, value, known)])
                header = check.table_header(section, whole)
                yield Fault(f"{section}.{whole}", f"a name with a dot in it needs quotes: {header}")
                del item[key]
            if inner and not item:
                del named[name]


def _split(key: str, table: Mapping[str, Any], known: Collection[str]) -> list[str]:
    """The parts of a name, as long as all that a table has is one more table."""
    (inner, value), *others = table.items() or [("", None)]
    if others or inner in known or not isinstance(value, Mapping):
        return [key]
    return [key, *_split(inner, value, known)]


def _expand_tables(
    table: dict[str, Any], environ: Mapping[str, str], faults: list[Fault]
) -> dict[str, str]:
    """Expands every string in place; returns the providers that are off, and why.

    A variable that is not set is a fault; in a provider's table it only turns that provider off.
    """
    off: dict[str, str] = {}
    for path, holder, key in _strings(table):
        try:
            holder[key] = expand.expand(holder[key], environ)
        except expand.ExpansionError as error:
            if path[0] == "providers" and len(path) > 2 and error.missing:
                off.setdefault(str(path[1]), error.missing)
            else:
                faults.append(Fault(check.dotted(path), str(error)))
            if isinstance(holder, dict):
                del holder[key]  # one fault is enough: its default is never at fault
    return off


def _strings(
    node: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    """Each string of a tree: its path, what holds it, and under which key. Safe for changes."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        if isinstance(value, str):
            yield (*path, key), node, key
        elif isinstance(value, dict | list):
            yield from _strings(value, (*path, key))


def _build(table: Mapping[str, Any], folder: Path, off: Mapping[str, str]) -> Config:
    once: dict[str, Any] = {
        name: _section(kind, table.get(name)) for name, kind in SECTIONS.items()
    }
    named: dict[str, Any] = {
        section: {name: _section(kind, item) for name, item in _tables(table.get(section)).items()}
        for section, kind in NAMED_SECTIONS.items()
        if section != "providers"
    }
    providers = {
        name: _provider(name, _tables(item), off.get(name))
        for name, item in _tables(table.get("providers")).items()
    }
    return Config(folder=folder, providers=providers, **named, **once)


def _tables(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _provider(name: str, table: Mapping[str, Any], off: str | None) -> ProviderTable:
    common = {item.name for item in fields(ProviderOptions)}
    return ProviderTable(
        name=name,
        common=_section(ProviderOptions, table),
        options={key: value for key, value in table.items() if key not in common},
        off=off,
    )


def _section(kind: Any, table: Any) -> Any:
    """The options of a table; those with a fault have their defaults."""
    properties = table_schema(kind)["properties"]
    hints = get_type_hints(kind)
    values = {
        name: _value(hints[name], value)
        for name, value in _tables(table).items()
        if name in properties and check.is_valid(value, properties[name])
    }
    for item in fields(kind):
        if item.default is MISSING and item.name not in values:
            values[item.name] = hints[item.name]()  # a fault reports that it is missing
    return kind(**values)


def _value(hint: Any, value: Any) -> Any:
    if not isinstance(value, list):
        return value
    (kind, *_) = get_args(hint)
    return tuple(_section(kind, item) if is_dataclass(kind) else item for item in value)
