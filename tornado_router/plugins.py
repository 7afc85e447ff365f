"""Finds the installed plugins and makes the providers that router.toml asks for.

A plugin is found by its entry point alone, those of this repository like everybody else's. One
that does not load, or was written for another plugin API, is reported by name; the rest serve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy
from loguru import logger

from tornado_router import hookspecs
from tornado_router.config import Config, ProviderTable, check, expand
from tornado_router.config.options import ProviderOptions, table_schema
from tornado_router.errors import Fault
from tornado_router.provider import PLUGIN_API_VERSION, OptionError, Provider

ENTRY_POINT_GROUP = "tornado_router"


@dataclass(frozen=True)
class ConfiguredProvider:
    """One `[providers.NAME]`, ready or not.

    Attributes:
        name: the NAME.
        common: the options that every provider has.
        provider: what serves it, or None when it is off.
        off: why it is off, or None.
        secrets: values that must be in no message.
    """

    name: str
    common: ProviderOptions
    provider: Provider | None = None
    off: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass
class Plugins:
    """What the installed plugins offer.

    Attributes:
        manager: holds the plugins that loaded, for their hooks to be called.
        types: provider classes, by the name that `type` asks for.
        broken: why a plugin did not load, by its entry point and distribution.
    """

    manager: pluggy.PluginManager
    types: dict[str, type[Provider]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


def load_plugins(found: Iterable[EntryPoint] | None = None) -> Plugins:
    """Loads every installed plugin, or those given."""
    manager = pluggy.PluginManager("tornado_router")
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(manager)
    if found is None:
        found = entry_points(group=ENTRY_POINT_GROUP)
    for entry_point in sorted(found, key=lambda item: item.name):
        label = _label(entry_point)
        try:
            _add_plugin(plugins, entry_point)
        except Exception as error:  # noqa: BLE001 - a plugin's fault stays the plugin's
            plugins.broken[label] = f"{type(error).__name__}: {error}"
            logger.error("the plugin {} is not used: {}", label, plugins.broken[label])
    return plugins


def configure_providers(
    config: Config, plugins: Plugins
) -> tuple[dict[str, ConfiguredProvider], list[Fault]]:
    """Makes every provider of a configuration, and lists what is wrong with their tables."""
    providers: dict[str, ConfiguredProvider] = {}
    faults: list[Fault] = []
    for table in config.providers.values():
        kind = plugins.types.get(table.common.type)
        if kind is None:
            providers[table.name] = ConfiguredProvider(table.name, table.common, off="no such type")
            faults.append(_unknown_type(table, plugins))
            continue
        providers[table.name], found = _configure(table, kind)
        faults += found
    return providers, faults


def _add_plugin(plugins: Plugins, entry_point: EntryPoint) -> None:
    module: ModuleType = entry_point.load()
    version = getattr(module, "TORNADO_ROUTER_API", None)
    if version != PLUGIN_API_VERSION:
        stated = "states no plugin API version" if version is None else f"is for version {version}"
        raise TypeError(f"it {stated}; this router has plugin API version {PLUGIN_API_VERSION}")
    label = _label(entry_point)
    plugins.manager.register(module, name=label)
    plugins.manager.check_pending()
    for offered in plugins.manager.subset_hook_caller(
        "register_providers", [item for item in plugins.manager.get_plugins() if item is not module]
    )():
        for name, kind in offered.items():
            if name in plugins.types:
                raise ValueError(f"the provider type '{name}' is offered by another plugin already")
            plugins.types[name] = kind


def _label(entry_point: EntryPoint) -> str:
    distribution = entry_point.dist
    return f"{distribution.name} {distribution.version}" if distribution else entry_point.name


def _unknown_type(table: ProviderTable, plugins: Plugins) -> Fault:
    hint = check.meant(table.common.type, plugins.types)
    installed = ", ".join(sorted(plugins.types)) or "none"
    return Fault(
        check.dotted(("providers", table.name, "type")),
        f"no installed plugin offers the type '{table.common.type}'{hint} (installed: {installed})",
    )


def _configure(
    table: ProviderTable, kind: type[Provider]
) -> tuple[ConfiguredProvider, list[Fault]]:
    path = ("providers", table.name)
    schema = _whole_schema(kind)
    options: Mapping[str, Any] = expand.coerce(table.options, kind.options_schema)
    secret_names = [
        name
        for name, option in kind.options_schema.get("properties", {}).items()
        if option.get("writeOnly")
    ]
    empty = [name for name in secret_names if options.get(name) == ""]
    off = table.off or (f"{' and '.join(empty)} is empty" if empty else None)
    if off:
        # What is missing is why it is off; anything else in the table may still be wrong.
        schema = {key: value for key, value in schema.items() if key != "required"}
        options = {key: value for key, value in options.items() if key not in empty}
    faults = list(check.faults(options, schema, path))
    if off or faults:
        return ConfiguredProvider(table.name, table.common, off=off or "its table is wrong"), faults
    secrets = tuple(str(options[name]) for name in secret_names if options.get(name))
    try:
        provider = kind(table.name, options)
    except OptionError as error:
        faults = [Fault(check.dotted((*path, error.option)), error.message)]
        return ConfiguredProvider(table.name, table.common, off=error.message), faults
    return ConfiguredProvider(table.name, table.common, provider, secrets=secrets), []


def _whole_schema(kind: type[Provider]) -> dict[str, Any]:
    """A plugin's own schema, which knows the common options only to suggest them."""
    own = dict(kind.options_schema)
    common = table_schema(ProviderOptions)["properties"]
    own["properties"] = common | dict(own.get("properties", {}))
    own.setdefault("additionalProperties", False)
    return own
