"""`GET /health`: whether the router serves, and with what."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, Literal

from tornado_router import __version__
from tornado_router.accounts.keys import KEY_PREFIX
from tornado_router.errors import ApiError
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.objects.service import Health, TargetState
from tornado_router.storage.tables import User

if TYPE_CHECKING:
    from tornado_router.redis.link import RedisLink

MOST_TARGETS = 200


class HealthHandler(BaseHandler):
    """For load balancers, and for a first look."""

    open = True
    waits_for_none = True

    async def get(self) -> None:
        """Reports the state of the router; to its operators also its providers and targets."""
        services, process = self.services, self.services.process
        # As known already: asking a database that is away would delay the response.
        database_away = process.storage.away or process.ledger.stuck
        health = Health(
            status="stopping" if services.requests.stopping else "ok",
            database="away" if database_away else "ok",
            redis=_redis(process.redis),
            calls=services.bounds.calls,
            loop_lag_ms=round(process.loop_lag * 1000, 1),
            ledger_bytes=process.ledger.backlog,
        )
        if await self._is_operator():
            self._add_names(health)
        self.write_json(health)

    head = get  # what some load balancers and uptime checks send

    def _add_names(self, health: Health) -> None:
        """Adds what names providers, models or plugins, of which clients choose some."""
        providers: dict[str, Any] = {}
        for item in self.services.serving.providers.values():
            state = {"state": "on"} if item.provider else {"state": "off", "reason": item.off}
            providers[item.name] = {"type": item.common.type, **state}
        process = self.services.process
        # Clients' names make targets too, of any number: those that are not healthy come first.
        targets = sorted(process.health.targets(), key=lambda item: item.state == "closed")
        health.version = __version__
        health.providers = providers
        health.targets = [TargetState.of(item) for item in targets[:MOST_TARGETS]]
        health.broken_plugins = process.plugins.broken

    async def _is_operator(self) -> bool:
        """Whether the client is an administrator, or can read the router's files.

        Any other is a stranger, and no error: a load balancer may send what it likes.
        """
        authorization = self.request.headers.get("Authorization", "")
        token = authorization.strip().partition(" ")[2].strip()
        if not token:
            return False
        own = self.services.process.operator_token
        if own and hmac.compare_digest(token.encode(), own.encode()):
            return True
        accounts, authenticator = self.services.accounts, self.services.authenticator
        try:
            if token.startswith(KEY_PREFIX):
                key = await authenticator.authenticate(authorization, self.client_address)
                user = await accounts.storage.run(lambda: User.get_or_none(User.id == key.user_id))
            else:
                user = await accounts.storage.run(lambda: accounts.sessions.find_user(token))
        except ApiError:
            return False
        return user is not None and user.is_admin


def _redis(link: RedisLink | None) -> Literal["ok", "away", "off"]:
    if link is None:
        return "off"
    return "ok" if link.available else "away"
