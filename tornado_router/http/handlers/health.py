"""`GET /health`: whether the router serves, and with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tornado_router import __version__
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.objects.service import Health, TargetState

if TYPE_CHECKING:
    from tornado_router.redis.link import RedisLink

MOST_TARGETS = 200


class HealthHandler(BaseHandler):
    """For load balancers, and for a first look."""

    open = True

    async def get(self) -> None:
        """Reports the state of the router, its providers and targets, and its broken plugins."""
        providers: dict[str, Any] = {}
        for item in self.services.serving.providers.values():
            state = {"state": "on"} if item.provider else {"state": "off", "reason": item.off}
            providers[item.name] = {"type": item.common.type, **state}
        services, process = self.services, self.services.process
        # Clients' names make targets too, of any number: those that are not healthy come first.
        targets = sorted(process.health.targets(), key=lambda item: item.state == "closed")
        # As known already: asking a database that is away would delay the response.
        database_away = process.storage.away or process.ledger.stuck
        self.write_json(
            Health(
                status="stopping" if services.requests.stopping else "ok",
                version=__version__,
                database="away" if database_away else "ok",
                redis=_redis(process.redis),
                providers=providers,
                targets=[TargetState.of(item) for item in targets[:MOST_TARGETS]],
                calls=services.bounds.calls,
                loop_lag_ms=round(process.loop_lag * 1000, 1),
                ledger_bytes=process.ledger.backlog,
                broken_plugins=process.plugins.broken,
            )
        )

    head = get  # what some load balancers and uptime checks send


def _redis(link: RedisLink | None) -> Literal["ok", "away", "off"]:
    if link is None:
        return "off"
    return "ok" if link.available else "away"
