"""`GET /metrics`: what the router counted, for Prometheus."""

from __future__ import annotations

import hmac

from tornado_router.error_codes import Refusal
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.observability.metrics import CONTENT_TYPE


class MetricsHandler(BaseHandler):
    """For requests with the token of `[metrics]`, or for all if it is public."""

    async def authenticate(self) -> None:
        """Takes the token instead of an API key.

        Raises:
            ApiError: 401; 404 if no token is configured: then there is no access at all.
        """
        options = self.services.serving.config.metrics
        if options.public:
            return
        if not options.token:
            raise Refusal.metrics_are_off()
        shown = self.request.headers.get("Authorization", "")
        if not hmac.compare_digest(shown.encode(), f"Bearer {options.token}".encode()):
            raise Refusal.wrong_metrics_token()

    async def get(self) -> None:
        """Sends all metrics in Prometheus's format."""
        self.set_header("Content-Type", CONTENT_TYPE)
        self.services.process.measure()
        self.finish(await self.services.metrics.build_text())

    head = get
