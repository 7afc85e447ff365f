"""Counts the tokens of requests that are not sent: as their vendor does, or by an estimate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from loguru import logger

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.missing_model import missing_model
from tornado_router.calls.origins import names_kept
from tornado_router.calls.permissions import check_permissions
from tornado_router.calls.stored_responses import Origin
from tornado_router.endpoints import ENDPOINTS
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError
from tornado_router.limits.holders import HolderKind
from tornado_router.limits.kinds import Rates
from tornado_router.limits.limiter import Demand, Limiter, LimiterAwayError, LimitReachedError
from tornado_router.limits.retry_after import duration, retry_headers
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import Body, Call, Relayed
from tornado_router.routing.routes import Router, Target

COUNTS_PER_MINUTE = 600
"""Of one key. Editors ask for some fifty in a second as they start."""

_REFUSALS = frozenset((400, 413, 422))
"""Statuses by which a vendor refuses the request itself, so that no estimate would be right."""

Ask = Callable[[Call, str], Awaitable[Body]]
"""Has a provider serve a call that costs nothing."""


class TokenCounts:
    """Counts tokens. It costs nothing, is not recorded, and is bounded for itself alone.

    Args:
        router: knows the targets of each model.
        providers: every configured provider, by name.
        ask: has a provider count.
        limiter: bounds how often a key may ask.
        origin: looks up what the request of a user goes on from.
    """

    def __init__(
        self,
        router: Router,
        providers: Mapping[str, ConfiguredProvider],
        ask: Ask,
        limiter: Limiter,
        origin: Callable[[Call, int], Awaitable[Origin]],
    ) -> None:
        self._router = router
        self._providers = providers
        self._ask = ask
        self._limiter = limiter
        self._origin = origin

    async def count(self, call: Call, key: Key) -> int:
        """The tokens of a request, by the first target of its model.

        Args:
            call: what would be asked for.
            key: whose request it is.

        Raises:
            ApiError: 404, there is no such model; 403, the key may not use it; 429, there were too
                many; 400, the vendor refuses the request, or what it goes on from is not there.
        """
        await self._bound(key)
        check_permissions(call.endpoint, call.model, key)
        origin = await self._origin(call, key.user_id) if names_kept(call) else Origin(call)
        call, target = origin.call, self._target(origin, key)
        counted = await self._counted(call, target)
        return ENDPOINTS[call.endpoint].count(call, target.model) if counted is None else counted

    async def _bound(self, key: Key) -> None:
        rates = (Rates(HolderKind.COUNTS.id(key.id), requests=COUNTS_PER_MINUTE),)
        try:
            lease = await self._limiter.admit(Demand("", rates))
        except LimitReachedError as reached:
            wait = reached.retry_after or 1.0
            raise Refusal.too_many_counts(
                wait=duration(wait), headers=retry_headers(wait)
            ) from None
        except LimiterAwayError:
            raise Refusal.limits_unavailable() from None
        self._limiter.settle(lease, 0, 0)

    def _target(self, origin: Origin, key: Key) -> Target:
        call = origin.call
        try:
            return origin.of(self._router.route(call.model, call.endpoint)).targets[0]
        except ApiError as error:
            if error.code != Invalid.model_not_found.code:
                raise
            raise missing_model(self._router, call.model, key) from None

    async def _counted(self, call: Call, target: Target) -> int | None:
        """The vendor's count; None if it has none, or cannot be asked now."""
        name = ENDPOINTS[call.endpoint].count_name
        provider = self._providers[target.provider].provider
        if provider is None or not provider.supports(name):
            return None
        call = ENDPOINTS[call.endpoint].unmarked(call, target.provider)
        asked = replace(call, endpoint=name, model=target.model)
        try:
            body = await self._ask(asked, target.provider)
        except ApiError as error:
            if error.status in _REFUSALS:
                raise
            logger.info("{} did not count tokens: status {}", target.title, error.status)
            return None
        counted = (body.body if isinstance(body, Relayed) else body).get("input_tokens")  # type: ignore[union-attr]
        return counted if isinstance(counted, int) else None
