"""What of a configuration works, but should not serve a company.

`tornado-router check --production` lists it.
"""

from __future__ import annotations

import ipaddress
import stat
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tornado_router.config import Config
from tornado_router.config.options import PlanOptions
from tornado_router.deployment import Deployment
from tornado_router.errors import Fault

SECRETS = ("api_key", "password", "jwt_secret", "token", "secret", "url")
"""Options whose value, or a part of it, nobody should read."""

BCRYPT_ROUNDS = 10
"""Fewer are broken in bulk: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html."""


def concerns(deployment: Deployment) -> list[Fault]:
    """What is unsafe for production, in the order of the file.

    Args:
        deployment: whose configuration is right as such.
    """
    config = deployment.config
    return [
        *_of_the_network(config),
        *_of_secrets(deployment),
        *_of_storage(config),
        *_of_accounts(config),
        *_of_money(config),
        *_of_providers(deployment),
    ]


def _of_the_network(config: Config) -> Iterator[Fault]:
    server = config.server
    if is_local(server.host):
        return
    if not server.tls_certificate and not server.trusted_proxies:
        yield Fault(
            "server.tls_certificate",
            "keys travel in the clear: give a certificate, or name the proxy that speaks TLS in "
            "`trusted_proxies`",
        )
    if config.metrics.public:
        yield Fault("metrics.public", "anybody who can connect sees models, users' volume and cost")
    if "*" in config.cors.origins:
        yield Fault("cors.origins", "any web page may call; name those that shall")


def _of_secrets(deployment: Deployment) -> Iterator[Fault]:
    table = tomllib.loads(deployment.path.read_text(encoding="utf-8"))
    inline = list(_inline(table))
    for where in inline:
        yield Fault(where, "is a secret in the file; refer to ${NAME} or ${file:/run/secrets/name}")
    for path in (deployment.path, deployment.path.parent / ".env"):
        holds_secrets = path.name == ".env" or inline
        if holds_secrets and path.exists() and path.stat().st_mode & stat.S_IROTH:
            yield Fault(str(path), "holds secrets and can be read by everybody: chmod o-r")


def _inline(node: Any, path: str = "") -> Iterator[str]:
    """The dotted paths of the secrets that stand in a file themselves."""
    items = node.items() if isinstance(node, Mapping) else enumerate(node)
    for name, value in items:
        where = f"{path}.{name}" if path else str(name)
        if isinstance(value, Mapping | list):
            yield from _inline(value, where)
        elif isinstance(value, str) and _is_secret(str(name), value):
            yield where


def _is_secret(name: str, value: str) -> bool:
    if not value or "${" in value:
        return False
    return bool(urlsplit(value).password) if name == "url" else name in SECRETS


def _of_storage(config: Config) -> Iterator[Fault]:
    redis, url = config.redis, config.database.url
    if redis.host and not is_local(redis.host) and not redis.password:
        yield Fault("redis.password", "anybody who reaches Redis changes limits; set a password")
    if url:
        parts = urlsplit(url)
        mode = parse_qs(parts.query).get("sslmode", [""])[-1]
        if not is_local(parts.hostname or "") and mode not in (
            "require",
            "verify-ca",
            "verify-full",
        ):
            yield Fault("database.url", "is not encrypted; add ?sslmode=verify-full")
    if config.ledger.when_full == "serve":
        yield Fault("ledger.when_full", "`serve` lets calls pass that nobody records or pays for")


def _of_accounts(config: Config) -> Iterator[Fault]:
    auth = config.auth
    if auth.bcrypt_rounds < BCRYPT_ROUNDS:
        yield Fault("auth.bcrypt_rounds", f"passwords are guessed fast; at least {BCRYPT_ROUNDS}")
    if auth.registration != "open":
        return
    plan = config.plans.get(auth.default_plan, PlanOptions())
    if plan.credits:
        yield Fault(
            "auth.registration",
            f"anybody gets {plan.credits} US dollars for each address they make up; addresses are "
            "not verified",
        )
    if plan.credits is None:
        yield Fault(
            "auth.default_plan",
            f"anybody may register, and the plan {auth.default_plan} does not pay from credits",
        )
    if plan.rpm is None and plan.tpm is None:
        yield Fault(
            "auth.default_plan",
            f"anybody may register, and the plan {auth.default_plan} limits no rate",
        )


def _of_money(config: Config) -> Iterator[Fault]:
    if config.pricing.unpriced == "free":
        yield Fault(
            "pricing.unpriced", "a model without a price costs users nothing, and you money"
        )
    if config.redis.host and config.limits.money_without_redis != "refuse":
        yield Fault(
            "limits.money_without_redis", "credits and budgets can be overspent without Redis"
        )


def _of_providers(deployment: Deployment) -> Iterator[Fault]:
    for item in deployment.providers.values():
        where = f"providers.{item.name}"
        if item.common.type == "echo":
            yield Fault(where, "`echo` is for trying things out: it answers as long as asked")
        elif item.provider is None:
            yield Fault(where, f"is off: {item.off}")
        base_url = str(deployment.config.providers[item.name].options.get("base_url", ""))
        if base_url.startswith("http://") and not is_local(urlsplit(base_url).hostname or ""):
            yield Fault(f"{where}.base_url", "the vendor's key and all prompts travel in the clear")
    for name, why in deployment.plugins.broken.items():
        yield Fault(f"plugin {name}", f"is broken: {why}")


def is_local(host: str) -> bool:
    """Whether nobody but this machine is there: a loopback address, or a socket's folder."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("", "localhost") or host.startswith("/")
