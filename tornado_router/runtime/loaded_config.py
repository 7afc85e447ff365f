"""A router.toml that was read and checked, plugins' part included: all its faults at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from loguru import logger

from tornado_router.accounts.keys import KEY_PREFIX
from tornado_router.accounts.plans import check_plans
from tornado_router.accounts.sessions import check_secret
from tornado_router.calls.passed.rules import check_passthrough
from tornado_router.config import check
from tornado_router.config.credentials import header_secrets, in_all_forms, secrets_in
from tornado_router.config.declaration import table_schema
from tornado_router.config.options import SECTIONS
from tornado_router.config.proxy import proxy_fault, proxy_variables
from tornado_router.config.reader import Config, environment, examine
from tornado_router.errors import ConfigError, Fault
from tornado_router.http.client_address import check_proxies
from tornado_router.http.cors import check_origins
from tornado_router.http.tls import read_tls
from tornado_router.observability.redaction import check_patterns
from tornado_router.observability.telemetry import check_telemetry, read_headers
from tornado_router.plugins.registry import (
    ConfiguredProvider,
    Plugins,
    configure_providers,
    load_plugins,
)
from tornado_router.redis.tls import check_redis
from tornado_router.routing.prices import Prices, check_prices
from tornado_router.routing.routes import Router, check_routes, check_targets
from tornado_router.storage.databases import check_database


@dataclass(frozen=True)
class LoadedConfig:
    """A router.toml without a fault.

    Attributes:
        path: of the file.
        config: its options.
        plugins: that are installed.
        providers: every configured provider, by name.
        server: options of `[server]` that were set instead of the file's.
        proxy_variables: of the environment, a `.env` beside the file included.
    """

    path: Path
    config: Config
    plugins: Plugins
    providers: Mapping[str, ConfiguredProvider]
    server: Mapping[str, Any] = field(default_factory=dict)
    proxy_variables: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def router(self) -> Router:
        """What resolves the names of models."""
        return Router(self.providers, self.config.routes)

    @cached_property
    def prices(self) -> Prices:
        """The prices of all targets."""
        return Prices(self.config.prices, self.config.pricing, self.providers)

    def secrets(self) -> list[str]:
        """Secrets of router.toml, which must not be in a log, row, response or trace."""
        found = [secret for item in self.providers.values() for secret in item.secrets]
        return found + section_secrets(self.config)

    def log_plugin_faults(self) -> None:
        """Logs the faults of plugins, once the log is set up."""
        for label, why in self.plugins.broken.items():
            logger.error("plugin {} is not used: {}", label, why)
        for name, claimants in self.plugins.conflicts.items():
            labels = " and by ".join(claimants)
            logger.error("provider type '{}' is offered by {}; it is not used", name, labels)
        for item in self.providers.values():
            if item.failed:
                logger.error("provider {} is off: {}", item.name, item.off)


def section_secrets(config: Config) -> list[str]:
    """The secrets of the tables that stand once in a router.toml, such as that of the database."""
    found: list[str] = []
    for name, section in SECTIONS.items():
        found += secrets_in(asdict(getattr(config, name)), table_schema(section))
    return found + in_all_forms(header_secrets(read_headers(config.otel.headers)))


def load_config(
    path: Path,
    environ: Mapping[str, str],
    plugins: Plugins | None = None,
    before: LoadedConfig | None = None,
    server: Mapping[str, Any] | None = None,
) -> LoadedConfig:
    """Reads and checks a configuration without serving it.

    Args:
        path: of the router.toml.
        environ: values for `${NAME}`, over those of a `.env` beside the file.
        plugins: that are installed, if they are loaded already.
        before: what was read last time; a provider whose table has not changed is the same object.
        server: options of `[server]` that are set instead of the file's; by default those of
            `before`.

    Raises:
        ConfigError: with every fault of the file.
    """
    environ = environment(path.parent, environ)
    config, faults = examine(path, environ)
    if server is None:
        server = before.server if before else {}
    config = replace(config, server=replace(config.server, **server))
    plugins = plugins or (before.plugins if before else load_plugins())
    same = {
        name: before.providers[name]
        for name, table in config.providers.items()
        if before and before.config.providers.get(name) == table
    }
    providers, wrong_options = configure_providers(config, plugins, same)
    faults += wrong_options
    faults += _check_sections(config)
    faults += _check_vendor_keys(config)
    faults += _check_vendor_proxies(config, environ)
    faults += check_routes(providers, config.routes)
    faults += check_targets(providers, config.targets)
    faults += check_passthrough(config.passthrough, providers)
    faults += check_prices(config.prices, providers)
    if faults:
        raise ConfigError(faults)
    return LoadedConfig(path, config, plugins, providers, server, proxy_variables(environ))


def _check_sections(config: Config) -> Iterator[Fault]:
    """The faults that no schema finds in the tables that stand once in a file, in its order."""
    yield from _check_workers(config)
    yield from _check_bodies(config)
    yield from _check_tls(config)
    yield from check_proxies(config.server.trusted_proxies)
    yield from check_origins(config.cors.origins)
    yield from check_database(config.database_location)
    yield from check_redis(config.redis_location)
    yield from check_secret(config)
    yield from check_plans(config)
    yield from check_telemetry(config.otel)
    yield from check_patterns(config.request_log.redact)


def _check_vendor_keys(config: Config) -> Iterator[Fault]:
    """Finds the router's own keys where a vendor's belong.

    They are easily mixed up, as clients read theirs from `OPENAI_API_KEY` too. With a `base_url`,
    the provider may be another router, whose key looks the same.
    """
    for table in config.providers.values():
        key = table.options.get("api_key")
        if (
            isinstance(key, str)
            and key.startswith(KEY_PREFIX)
            and not table.options.get("base_url")
        ):
            yield Fault(
                f"providers.{table.name}.api_key",
                f"begins with {KEY_PREFIX}, so it is an API key of this router and not the "
                "vendor's (a variable in the environment overrides .env)",
            )


def _check_vendor_proxies(config: Config, environ: Mapping[str, str]) -> Iterator[Fault]:
    for table in config.providers.values():
        if message := proxy_fault(table.common.proxy, environ):
            yield Fault(check.dotted(("providers", table.name, "proxy")), message)


def _check_workers(config: Config) -> Iterator[Fault]:
    if config.server.workers > 1 and not config.redis.host:
        yield Fault("server.workers", "several workers share their limits in Redis: set redis.host")


def _check_bodies(config: Config) -> Iterator[Fault]:
    one = config.server.max_body_bytes
    for name in ("max_memory", "max_disk"):
        together: int = getattr(config.server, name)
        if one is not None and one > together:
            yield Fault(f"server.{name}", f"is less than max_body_bytes: {together} < {one}")


def _check_tls(config: Config) -> list[Fault]:
    try:
        read_tls(config)
    except ConfigError as error:
        return list(error.faults)
    return []
