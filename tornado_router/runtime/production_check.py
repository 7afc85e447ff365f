"""Lists settings that work but are unsafe in production: `tornado-router check --production`."""

from __future__ import annotations

import ipaddress
import re
import stat
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tornado_router.config.addresses import is_loopback
from tornado_router.config.credentials import SECRET_NAME, url_secrets
from tornado_router.config.declaration import duration_seconds
from tornado_router.config.expand import REFERENCE
from tornado_router.config.options import PlanOptions, file_schema
from tornado_router.config.reader import Config
from tornado_router.errors import Fault
from tornado_router.http.tls import read_tls
from tornado_router.observability.telemetry import read_headers
from tornado_router.runtime.loaded_config import LoadedConfig
from tornado_router.storage.postgres_connection import hosts, ssl_mode

BCRYPT_ROUNDS = 10
"""Fewer are broken in bulk: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html."""

RENEWAL_SECONDS = 14 * 86_400
SESSION_SECONDS = 30 * 86_400
KEY_CACHE_SECONDS = 60
ATTEMPTS_PER_ACCOUNT = 100
TOKEN_LENGTH = 16
DISTINCT_CHARACTERS = 8
"""A secret of fewer was typed, not drawn; 16 random hexadecimal digits have more all but always."""

MOUNTED = (Path("/run/secrets"), Path("/var/run/secrets"))
"""Where containers find their secrets: there are no other users in there to read them."""

_ENCRYPTED = ("require", "verify-ca", "verify-full")


def concerns(loaded: LoadedConfig) -> list[Fault]:
    """What is unsafe for production, in the order of the file.

    Args:
        loaded: a configuration without faults.
    """
    config = loaded.config
    return [
        *_of_the_network(config),
        *_of_secrets(loaded),
        *_of_storage(config),
        *_of_accounts(config),
        *_of_money(config),
        *_of_privacy(config),
        *_of_providers(loaded),
    ]


def _of_the_network(config: Config) -> Iterator[Fault]:
    server = config.server
    if not is_local(server.host) and not server.tls_certificate and not server.trusted_proxies:
        yield Fault(
            "server.tls_certificate",
            "keys travel in the clear: give a certificate, or name the proxy that speaks TLS in "
            "`trusted_proxies`",
        )
    tls = read_tls(config)
    if tls and tls.not_after and tls.not_after < time.time() + RENEWAL_SECONDS:
        date = time.strftime("%Y-%m-%d", time.gmtime(tls.not_after))
        yield Fault(
            "server.tls_certificate",
            f"expires on {date}; make sure that it is renewed automatically",
        )
    if any(not ipaddress.ip_network(proxy).prefixlen for proxy in server.trusted_proxies):
        yield Fault("server.trusted_proxies", "trusts every address: clients can claim any")
    if config.metrics.public:
        yield Fault("metrics.public", "every client that can connect sees models, volume and cost")
    if "*" in config.cors.origins:
        yield Fault("cors.origins", "any web page may call the router; name those that should")
    if _in_the_clear(config.otel.endpoint):
        yield Fault("otel.endpoint", "the collector's credentials and traces travel in the clear")


def _of_secrets(loaded: LoadedConfig) -> Iterator[Fault]:
    table = tomllib.loads(loaded.path.read_text(encoding="utf-8"))
    otel = table.get("otel", {})
    otel["headers"] = read_headers(otel.get("headers", ""))
    inline = list(_inline(table, _schema(loaded)))
    for where in inline:
        yield Fault(where, "is a secret in the file; refer to ${NAME} or ${file:/run/secrets/name}")
    for path in _files_with_secrets(loaded, table, in_file=bool(inline)):
        if path.exists() and path.stat().st_mode & stat.S_IROTH:
            yield Fault(
                str(path), "holds secrets and can be read by every user of the machine: chmod o-r"
            )
    config = loaded.config
    if 0 < len(config.metrics.token) < TOKEN_LENGTH:
        yield Fault("metrics.token", f"can be guessed: use at least {TOKEN_LENGTH} characters")
    if 0 < len(set(config.auth.jwt_secret)) < DISTINCT_CHARACTERS:
        yield Fault("auth.jwt_secret", "can be guessed: make one with `openssl rand -hex 32`")


def _schema(loaded: LoadedConfig) -> dict[str, Any]:
    """The schema of the whole file, that of each provider's table included."""
    schema = file_schema()
    types = loaded.plugins.types
    schema["properties"]["providers"] = {
        "properties": {
            name: types[table.common.type].options_schema
            for name, table in loaded.config.providers.items()
        }
    }
    return schema


def _inline(node: Any, schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The dotted paths of the secrets that are written into a file.

    Args:
        node: a part of the file, its references not resolved.
        schema: JSON Schema of that part.
        path: where it is.
    """
    if isinstance(node, str):
        text = _literal(node)
        secret = schema.get("writeOnly") and "://" not in text
        if (secret and text.strip()) or any(url_secrets(text)):
            yield path
    elif isinstance(node, Mapping):
        properties = schema.get("properties", {})
        for name, value in node.items():
            inner = properties.get(name, {})
            if schema.get("writeOnly"):  # headers, some of which are secrets
                inner = {"writeOnly": bool(SECRET_NAME.search(name))}
            yield from _inline(value, inner, f"{path}.{name}" if path else name)


def _literal(text: str) -> str:
    """What a string says by itself: without references, but with their defaults."""
    plain = REFERENCE.sub(lambda match: match["value"] or "", text)
    return re.sub(r"^(?i:bearer|basic)\s*$", "", plain)


def _files_with_secrets(
    loaded: LoadedConfig, table: Mapping[str, Any], *, in_file: bool
) -> Iterator[Path]:
    folder = loaded.path.parent
    if in_file:
        yield loaded.path
    yield folder / ".env"
    if loaded.config.server.tls_key:
        yield folder / loaded.config.server.tls_key
    for match in REFERENCE.finditer(str(table)):
        path = Path(match["file"] or "")
        if match["file"] and not any(path.is_relative_to(mount) for mount in MOUNTED):
            yield path


def _of_storage(config: Config) -> Iterator[Fault]:
    redis, url = config.redis, config.database.url
    if redis.host and not is_local(redis.host):
        if not redis.password:
            yield Fault(
                "redis.password", "every client that can connect may change limits; set one"
            )
        if not redis.tls:
            yield Fault("redis.tls", "the password and cached responses travel in the clear")
    if url:
        if not all(map(is_local, hosts(url))) and ssl_mode(url) not in _ENCRYPTED:
            yield Fault("database.url", "is not encrypted; add ?sslmode=verify-full")
    else:
        yield from _open_to_others(config)
    if not url and config.limits.processes > config.server.workers:
        yield Fault("database.url", "several routers, but each would have users of its own")
    if config.ledger.when_full == "serve":
        yield Fault(
            "ledger.when_full", "`serve` lets calls pass that are neither recorded nor charged"
        )


def _open_to_others(config: Config) -> Iterator[Fault]:
    """Files of usage, prompts and password hashes that were made wider than the router makes them.

    Their group may be a container's own, so only the rest of the world counts.
    """
    path = config.folder / config.database.path
    for place in (path, *path.parent.glob(f"{path.name}-*"), config.journal_folder):
        if place.exists() and place.stat().st_mode & stat.S_IRWXO:
            yield Fault(str(place), "is open to every user of the machine: chmod o=")


def _of_accounts(config: Config) -> Iterator[Fault]:
    auth = config.auth
    if duration_seconds(auth.jwt_expires_in) > SESSION_SECONDS:
        yield Fault("auth.jwt_expires_in", "a stolen session token works for more than 30 days")
    if auth.key_cache_seconds > KEY_CACHE_SECONDS:
        yield Fault("auth.key_cache_seconds", "a revoked key works for more than a minute")
    if auth.attempts_per_account > ATTEMPTS_PER_ACCOUNT:
        yield Fault("auth.attempts_per_account", "passwords can be guessed")
    if auth.bcrypt_rounds < BCRYPT_ROUNDS:
        yield Fault("auth.bcrypt_rounds", f"passwords are guessed fast; at least {BCRYPT_ROUNDS}")
    is_collected = (
        config.log.format == "json" or config.database.url or not is_local(config.server.host)
    )
    if auth.first_admin and is_collected:
        yield Fault(
            "auth.first_admin",
            "the first start prints an administrator's API key, and logs may keep it: set it to "
            "false, and run `users create --admin`",
        )
    if auth.registration == "open":
        yield from _of_open_registration(config)


def _of_open_registration(config: Config) -> Iterator[Fault]:
    name = config.auth.default_plan
    plan = config.plans.get(name, PlanOptions())
    if plan.credits:
        yield Fault(
            "auth.registration",
            f"each made-up address gets {plan.credits} US dollars, as addresses are not verified",
        )
    if plan.credits is None:
        yield Fault(
            "auth.default_plan",
            f"registration is open, and the plan {name} does not pay from credits",
        )
    if plan.rpm is None and plan.tpm is None:
        yield Fault(
            "auth.default_plan", f"registration is open, and the plan {name} limits no rate"
        )


def _of_money(config: Config) -> Iterator[Fault]:
    pricing, limits = config.pricing, config.limits
    if pricing.unpriced == "free" or (
        pricing.unpriced == "default" and not (pricing.default_input and pricing.default_output)
    ):
        yield Fault(
            "pricing.unpriced", "a model without a price costs users nothing, and you money"
        )
    if config.redis.host and limits.money_without_redis != "refuse":
        yield Fault(
            "limits.money_without_redis", "credits and budgets can be overspent without Redis"
        )
    if config.redis.host and limits.rates_without_redis == "allow":
        yield Fault("limits.rates_without_redis", "no rate limit holds without Redis")


def _of_privacy(config: Config) -> Iterator[Fault]:
    if config.cache.scope == "everybody":
        yield Fault(
            "cache.scope", "a fast response reveals that another user sent the same request"
        )
    if config.request_log.calls == "all":
        yield Fault(
            "request_log.calls",
            "stores every prompt; `chosen` limits it to routes and keys you pick",
        )


def _of_providers(loaded: LoadedConfig) -> Iterator[Fault]:
    providers = loaded.providers
    for item in providers.values():
        where = f"providers.{item.name}"
        if item.common.type == "echo":
            yield Fault(
                where,
                "`echo` is for trying things out: its responses are as long as clients ask for",
            )
        if _in_the_clear(str(loaded.config.providers[item.name].options.get("base_url", ""))):
            yield Fault(f"{where}.base_url", "the vendor's key and all prompts travel in the clear")
    if not any(item.provider for item in providers.values()):
        yield Fault("providers", "all are off, so no call is served")
    for name, route in loaded.config.routes.items():
        used = dict.fromkeys(target.partition("/")[0] for target in route.targets)
        for provider in used:
            off = providers[provider].off if provider in providers else None
            if off:
                yield Fault(f"routes.{name}", f"its provider {provider} is off: {off}")
    for name, why in loaded.plugins.broken.items():
        yield Fault(f"plugin {name}", f"is broken: {why}")


def _in_the_clear(url: str) -> bool:
    return url.startswith("http://") and not is_local(urlsplit(url).hostname or "")


def is_local(host: str) -> bool:
    """Whether only this machine is there: a loopback address, or the folder of a socket."""
    return not host or host.startswith("/") or is_loopback(host)
