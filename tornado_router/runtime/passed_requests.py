"""Wires what passes requests on to vendors together, by one reading of router.toml."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from tornado_router.accounts.plans import Plans
from tornado_router.calls.account import CallAccounts
from tornado_router.calls.passed.batches.money import BatchMoney
from tornado_router.calls.passed.batches.service import Batches
from tornado_router.calls.passed.gate import Gate
from tornado_router.calls.passed.rules import Rules
from tornado_router.calls.passed.story import PassThroughs
from tornado_router.calls.resources import Resources
from tornado_router.errors import DatabaseAwayError
from tornado_router.http.services import AccountServices, Services
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
    refuses = config.pricing.unpriced == "refuse"
    gate = Gate(resources, refuse_unpriced=refuses)
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
    )
    return PassThroughs(
        loaded.providers,
        clients,
        accounts,
        resources=resources,
        gate=gate,
        router=loaded.router,
        rules=Rules(config.passthrough),
        batches=batches,
    )


async def look_after_batches(services: Services) -> None:
    """Has vendors be asked for batches, for as long as the process runs.

    Args:
        services: of the process; what router.toml decides changes in it.
    """
    while True:
        options = services.serving.config.passthrough
        await asyncio.sleep(options.batch_seconds / 2)
        if options.provider or options.vendors:
            with suppress(DatabaseAwayError):  # later, then
                await services.serving.passed.batches.look_after()


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
