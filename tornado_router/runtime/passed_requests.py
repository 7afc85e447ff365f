"""Wires what passes requests on to vendors together, by one reading of router.toml."""

from __future__ import annotations

from collections.abc import Mapping

from tornado_router.accounts.plans import Plans
from tornado_router.calls.account import CallAccounts
from tornado_router.calls.passed.batches.money import BatchMoney
from tornado_router.calls.passed.batches.service import Batches
from tornado_router.calls.passed.gate import Gate
from tornado_router.calls.passed.rules import Rules
from tornado_router.calls.passed.story import PassThroughs
from tornado_router.calls.resources import Resources
from tornado_router.http.services import AccountServices
from tornado_router.provider import HTTPClient
from tornado_router.routing.output_length import OutputBounds
from tornado_router.runtime.loaded_config import LoadedConfig
from tornado_router.validation import Validator


def make_passed(
    loaded: LoadedConfig,
    clients: Mapping[str, HTTPClient],
    accounts: CallAccounts,
    validators: Mapping[str, Validator],
    *,
    resources: Resources,
    services: AccountServices,
    bounds: OutputBounds,
    plans: Plans,
) -> PassThroughs:
    """What passes requests on.

    Args:
        loaded: the router.toml.
        clients: the connections of the providers that are on, by name.
        accounts: of calls.
        validators: of requests, by endpoint.
        resources: knows whose things are.
        services: the database, and the limits.
        bounds: of responses to calls that set none.
        plans: of users.
    """
    config = loaded.config
    gate = Gate(resources, refuse_unpriced=config.pricing.unpriced == "refuse")
    batches = Batches(
        services.storage,
        loaded.providers,
        clients,
        resources=resources,
        gate=gate,
        router=loaded.router,
        validators=validators,
        money=_money(loaded, accounts, services, bounds, plans),
        max_values=config.server.max_json_values,
        seconds=config.passthrough.batch_seconds,
        options=config.batches,
    )
    return PassThroughs(
        loaded.providers,
        clients,
        accounts,
        resources=resources,
        gate=gate,
        router=loaded.router,
        rules=Rules(config.passthrough, keeps=config.batches.by_router),
        batches=batches,
    )


def _money(
    loaded: LoadedConfig,
    accounts: CallAccounts,
    services: AccountServices,
    bounds: OutputBounds,
    plans: Plans,
) -> BatchMoney:
    return BatchMoney(
        services.storage,
        services.limiter,
        prices=loaded.prices,
        bounds=bounds,
        accounts=accounts,
        publisher=services.invalidation,
        plans=plans,
        refuse_unpriced=loaded.config.pricing.unpriced == "refuse",
    )
