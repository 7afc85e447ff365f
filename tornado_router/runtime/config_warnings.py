"""What is allowed in a router.toml and yet hardly meant: `check` and `serve` warn of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from tornado_router.config import check
from tornado_router.config.credentials import secrets_in
from tornado_router.config.declaration import table_schema
from tornado_router.config.options import SECTIONS
from tornado_router.errors import Fault
from tornado_router.observability.known_secrets import can_hide
from tornado_router.routing.model_names import ModelNames, overlap
from tornado_router.routing.pattern_table import is_pattern
from tornado_router.runtime.loaded_config import LoadedConfig
from tornado_router.runtime.price_warnings import price_warnings

START = "`tornado-router init` writes a file to begin with"


def config_warnings(loaded: LoadedConfig) -> list[Fault]:
    """What is hardly meant, in the order of the file.

    Args:
        loaded: a configuration without faults.
    """
    return [
        *_of_the_request_log(loaded),
        *_of_secrets(loaded),
        *_of_providers(loaded),
        *_of_routes(loaded),
        *_of_names(loaded),
        *price_warnings(loaded),
    ]


def _of_the_request_log(loaded: LoadedConfig) -> Iterator[Fault]:
    config = loaded.config
    if config.request_log.calls == "none":
        for name, route in config.routes.items():
            if route.log_requests:
                where = check.dotted(("routes", name, "log_requests"))
                yield Fault(where, 'has no effect: set calls = "chosen" in [request_log]')


def _of_secrets(loaded: LoadedConfig) -> Iterator[Fault]:
    """Secrets that would take too much out of the log with them."""
    config = loaded.config
    tables: list[tuple[tuple[str, ...], Mapping[str, Any], Mapping[str, Any]]] = [
        ((name,), asdict(getattr(config, name)), table_schema(section))
        for name, section in SECTIONS.items()
    ]
    for item in loaded.providers.values():
        if item.provider:
            options = config.providers[item.name].options
            tables.append((("providers", item.name), options, item.provider.options_schema))
    for path, options, schema in tables:
        for option, value in options.items():
            if not all(map(can_hide, secrets_in({option: value}, schema))):
                yield Fault(
                    check.dotted((*path, option)),
                    "is so short that it cannot be kept out of the log: use a secret of 8 "
                    "characters or more, or leave it out if none is needed",
                )


def _of_providers(loaded: LoadedConfig) -> Iterator[Fault]:
    providers = loaded.providers
    if not providers:
        yield Fault("providers", f"there is none, so no model can be served: {START}")
    elif not any(item.provider for item in providers.values()):
        yield Fault("providers", "none is on, so no model can be served")
    owners: dict[str, list[str]] = defaultdict(list)
    for item in providers.values():
        for model in dict.fromkeys(item.common.models):
            if not is_pattern(model) and model not in loaded.config.routes:
                owners[model].append(item.name)
    for model, names in owners.items():
        if len(names) > 1:
            first = next((name for name in names if providers[name].provider), names[0])
            yield Fault(
                check.dotted(("providers", first, "models")),
                f"'{model}' is served by {first} alone, though {', '.join(names)} offer it: a "
                "route of that name says which of them serve it, and in which order",
            )


def _of_routes(loaded: LoadedConfig) -> Iterator[Fault]:
    for name, route in loaded.config.routes.items():
        where = check.dotted(("routes", name))
        targets = dict.fromkeys(route.targets)
        for target in targets:
            if route.targets.count(target) > 1:
                yield Fault(f"{where}.targets", f"'{target}' is listed more than once")
        if route.hedge_seconds is not None and len(targets) == 1:
            yield Fault(f"{where}.hedge_seconds", "has no effect: there is one target only")
        owners = {name: loaded.providers[name].off for name in map(_provider, targets)}
        if all(owners.values()):
            why = ", ".join(f"{name} is off: {off}" for name, off in owners.items())
            yield Fault(where, f"is not served: {why}")


def _of_names(loaded: LoadedConfig) -> Iterator[Fault]:
    """Names of models, in other tables, that mean no model of this file."""
    config = loaded.config
    names = ModelNames(config)
    for plan, options in config.plans.items():
        for index, name in enumerate(options.models):
            if not names.may_be_asked(name):
                hint = check.meant(name, names.asked)
                where = check.dotted(("plans", plan, "models", index))
                yield Fault(where, f"no model is called '{name}'{hint}")
    for section, known in (("targets", names.targets), ("prices", names.targets | names.bare)):
        for name in getattr(config, section):
            if not any(overlap(name, other) for other in known):
                where = check.dotted((section, name))
                yield Fault(where, f"no provider offers '{name}'{check.meant(name, known)}")


def _provider(target: str) -> str:
    return target.partition("/")[0]
