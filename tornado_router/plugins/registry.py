"""Finds the installed plugins and makes the providers that router.toml asks for.

A plugin is found by its entry point alone, also one of this repository. One that does not load,
or was written for another plugin API, is reported by name; the rest serve. Nothing is logged
here: plugins are loaded before the settings of the log are read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from tornado_router import hookspecs
from tornado_router.config import check, expand
from tornado_router.config.credentials import secrets_in
from tornado_router.config.declaration import table_schema
from tornado_router.config.options import ProviderOptions
from tornado_router.config.reader import Config, ProviderTable
from tornado_router.errors import Fault, RouterError
from tornado_router.observability.redaction import redact_forms
from tornado_router.provider import PLUGIN_API_VERSION, OptionError, Provider
from tornado_router.provider.header_values import trimmed

ENTRY_POINT_GROUP = "tornado_router"

DISTRIBUTIONS = {
    **dict.fromkeys(
        (
            *("openai", "azure", "cohere", "deepseek", "fireworks", "groq", "llama.cpp", "mistral"),
            *("moonshot", "ollama", "openrouter", "together", "vllm", "xai"),
        ),
        "tornado-llm-router-openai",
    ),
    "anthropic": "tornado-llm-router-anthropic",
    "echo": "tornado-llm-router-echo",
    "google": "tornado-llm-router-google",
}
"""The distributions of this project, by the provider types that they offer."""

FAULTS = (Exception, SystemExit)
"""What counts as a fault of a plugin. One that calls `sys.exit` has failed as well."""


class _UnusableError(RouterError):
    """A plugin that loads, but cannot be used; the message says why."""


@dataclass(frozen=True)
class ConfiguredProvider:
    """One `[providers.NAME]`, ready or not.

    Attributes:
        name: the NAME.
        common: the options that every provider has.
        provider: what serves it, or None when it is off.
        off: why it is off, or None.
        failed: whether it is off because its plugin raised an exception.
        secrets: values that must be in no message.
        fingerprint: a digest of what decides its responses: two tables with the same one may share
            cached responses. Keys are not part of it, so they can be replaced.
    """

    name: str
    common: ProviderOptions
    provider: Provider | None = None
    off: str | None = None
    failed: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)
    fingerprint: str = ""


@dataclass
class Plugin:
    """One installed plugin, whether it can be used or not.

    Attributes:
        name: of its entry point.
        distribution: name of the package that it came in.
        version: of that package.
        package: top-level name of the module that its entry point names.
        api_version: of the plugin API that it states, or None.
        types: the provider classes it offers, by name.
        broken: why it is not used, or None.
    """

    name: str
    distribution: str
    version: str
    package: str = ""
    api_version: object = None
    types: dict[str, type[Provider]] = field(default_factory=dict)
    broken: str | None = None

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.distribution} {self.version}".strip()


@dataclass
class Plugins:
    """What the installed plugins offer.

    Attributes:
        manager: holds the plugins that loaded, for their hooks to be called.
        found: every plugin, in the order of their names.
        types: provider classes that can be used, by the name that `type` asks for.
        conflicts: provider types that several plugins offer, and which; none of them is used, as
            it is not clear which was meant.
    """

    manager: pluggy.PluginManager
    found: list[Plugin] = field(default_factory=list)
    types: dict[str, type[Provider]] = field(default_factory=dict)
    conflicts: dict[str, list[str]] = field(default_factory=dict)

    @property
    def broken(self) -> dict[str, str]:
        """Why plugins are not used, by their labels."""
        return {plugin.label: plugin.broken for plugin in self.found if plugin.broken}


def load_plugins(found: Iterable[EntryPoint] | None = None) -> Plugins:
    """Loads every installed plugin, or those given."""
    plugins = Plugins(pluggy.PluginManager("tornado_router"))
    plugins.manager.add_hookspecs(hookspecs)
    if found is None:
        found = entry_points(group=ENTRY_POINT_GROUP)
    for entry_point in sorted(found, key=lambda item: item.name):
        distribution = entry_point.dist
        plugin = Plugin(
            entry_point.name,
            distribution.name if distribution else entry_point.name,
            distribution.version if distribution else "",
            entry_point.value.partition(":")[0].partition(".")[0],
        )
        plugins.found.append(plugin)
        try:
            _load(plugin, entry_point, plugins.manager)
        except FAULTS as error:  # a plugin's fault stays the plugin's
            plugin.types = {}
            kind = "" if isinstance(error, _UnusableError) else f"{type(error).__name__}: "
            plugin.broken = redact_forms(f"{kind}{error}")
    _collect_types(plugins)
    return plugins


def configure_providers(
    config: Config, plugins: Plugins, same: Mapping[str, ConfiguredProvider] | None = None
) -> tuple[dict[str, ConfiguredProvider], list[Fault]]:
    """Makes every provider of a configuration, and lists what is wrong with their tables.

    Args:
        config: what is asked for.
        plugins: what is installed.
        same: those that are made already, by name.
    """
    providers: dict[str, ConfiguredProvider] = {}
    faults: list[Fault] = []
    for table in config.providers.values():
        if same and table.name in same:
            providers[table.name] = same[table.name]
            continue
        if not table.common.type:  # which is a fault that is known already
            providers[table.name] = ConfiguredProvider(table.name, table.common, off="no type")
            continue
        kind = plugins.types.get(table.common.type)
        if kind is None:
            providers[table.name] = ConfiguredProvider(table.name, table.common, off="no such type")
            faults.append(_unknown_type(table, plugins))
            continue
        try:
            providers[table.name], found = _configure(table, kind)
        except FAULTS as error:  # a plugin's fault stays the plugin's
            # Its message may quote an option, so only its type is shown.
            off = f"its plugin failed: {type(error).__name__}"
            provider = ConfiguredProvider(table.name, table.common, off=off, failed=True)
            providers[table.name], found = provider, []
        faults += found
    return providers, faults


def install_hint(kind: str) -> str:
    """What to install for a provider type, as far as it is known, or nothing."""
    known = DISTRIBUTIONS.get(kind)
    return f"; it comes with {known}: pip install {known}" if known else ""


def _load(plugin: Plugin, entry_point: EntryPoint, manager: pluggy.PluginManager) -> None:
    """Imports one plugin and asks it for its provider types.

    Raises:
        Exception: the plugin cannot be used; nothing of it stays registered.
    """
    module: ModuleType = entry_point.load()
    plugin.api_version = getattr(module, "TORNADO_ROUTER_API", None)
    if plugin.api_version != PLUGIN_API_VERSION:
        stated = "states no plugin API version"
        if plugin.api_version is not None:
            stated = f"is for plugin API version {plugin.api_version}"
        raise _UnusableError(f"it {stated}; this router has version {PLUGIN_API_VERSION}")
    others = manager.get_plugins()
    manager.register(module, name=plugin.label)
    try:
        manager.check_pending()
        for offered in manager.subset_hook_caller("register_providers", others)():
            for name, kind in dict(offered).items():
                if not (isinstance(kind, type) and issubclass(kind, Provider)):
                    raise _UnusableError(f"what it offers as '{name}' is not a Provider class")
                plugin.types[name] = kind
    except FAULTS:
        manager.unregister(module)
        raise


def _collect_types(plugins: Plugins) -> None:
    owners: dict[str, list[Plugin]] = {}
    for plugin in plugins.found:
        for name in plugin.types:
            owners.setdefault(name, []).append(plugin)
    for name, claimants in owners.items():
        if len(claimants) == 1:
            plugins.types[name] = claimants[0].types[name]
        else:
            plugins.conflicts[name] = [plugin.label for plugin in claimants]


def _unknown_type(table: ProviderTable, plugins: Plugins) -> Fault:
    claimants = plugins.conflicts.get(table.common.type)
    if claimants:
        return Fault(
            check.dotted(("providers", table.name, "type")),
            f"the type '{table.common.type}' is offered by {' and by '.join(claimants)}; "
            "uninstall all but one",
        )
    hint = install_hint(table.common.type) or check.meant(table.common.type, plugins.types)
    installed = ", ".join(sorted(plugins.types)) or "none"
    if plugins.broken:
        installed += f"; broken plugins: {', '.join(plugins.broken)}"
    return Fault(
        check.dotted(("providers", table.name, "type")),
        f"no installed plugin offers the type '{table.common.type}'{hint} (installed: {installed})",
    )


def _configure(
    table: ProviderTable, kind: type[Provider]
) -> tuple[ConfiguredProvider, list[Fault]]:
    path = ("providers", table.name)
    schema = _whole_schema(kind)
    options: dict[str, Any] = expand.coerce(table.options, kind.options_schema)
    secret_names = [
        name
        for name, option in kind.options_schema.get("properties", {}).items()
        if option.get("writeOnly")
    ]
    options |= {name: trimmed(options[name]) for name in secret_names if name in options}
    empty = [name for name in secret_names if options.get(name) == ""]
    off = table.off or _emptiness(empty)
    if off:
        # What is missing is why it is off; anything else in the table may still be wrong.
        schema = {key: value for key, value in schema.items() if key != "required"}
        options = {key: value for key, value in options.items() if key not in empty}
    faults = list(check.faults(options, schema, path))
    if off or faults:
        return ConfiguredProvider(table.name, table.common, off=off or "its table is wrong"), faults
    common = {"proxy": table.common.proxy}  # which may hold a password
    secrets = tuple(secrets_in({**common, **options}, kind.options_schema))
    try:
        provider = kind(table.name, options)
    except OptionError as error:
        faults = [Fault(check.dotted((*path, error.option)), error.message)]
        return ConfiguredProvider(table.name, table.common, off=error.message), faults
    fingerprint = _fingerprint(table.common, options, secret_names)
    made = ConfiguredProvider(
        table.name, table.common, provider, secrets=secrets, fingerprint=fingerprint
    )
    return made, []


def _fingerprint(
    common: ProviderOptions, options: Mapping[str, Any], secret_names: Sequence[str]
) -> str:
    """See `ConfiguredProvider`.

    Time-outs and the size of the pool decide no response. Neither do keys, but headers may, though
    they are secrets, too.
    """
    decisive = {
        name: value
        for name, value in options.items()
        if name not in secret_names or not isinstance(value, str)
    }
    parts = json.dumps([common.type, common.unsupported, decisive], sort_keys=True, default=str)
    return hashlib.sha256(parts.encode()).hexdigest()


def _emptiness(secrets: Sequence[str]) -> str | None:
    """Why a provider without some of its secrets is off."""
    if not secrets:
        return None
    return f"{' and '.join(secrets)} {'is' if len(secrets) == 1 else 'are'} empty"


def _whole_schema(kind: type[Provider]) -> dict[str, Any]:
    """A plugin's own schema, which knows the common options only to suggest them."""
    own = dict(kind.options_schema)
    common = table_schema(ProviderOptions)["properties"]
    own["properties"] = common | dict(own.get("properties", {}))
    own.setdefault("additionalProperties", False)
    return own
