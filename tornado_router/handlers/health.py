"""`GET /health`: whether the router serves, and with what."""

from __future__ import annotations

from typing import Any

from tornado_router import __version__
from tornado_router.handlers.base import BaseHandler


class HealthHandler(BaseHandler):
    """For load balancers, and for a first look."""

    open = True

    async def get(self) -> None:
        """Tells the state of the router, of each provider and of each plugin that is broken."""
        providers: dict[str, Any] = {}
        for item in self.services.providers.values():
            state = {"state": "on"} if item.provider else {"state": "off", "reason": item.off}
            providers[item.name] = {"type": item.common.type, **state}
        self.write_json(
            {
                "status": "stopping" if self.services.stopping else "ok",
                "version": __version__,
                "providers": providers,
                "broken_plugins": self.services.plugins.broken,
            }
        )
