"""The paths that count the tokens of a request, such as `POST /v1/messages/count_tokens`."""

from __future__ import annotations

from typing import Any

from tornado_router.endpoints import Endpoint
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.handlers.calls import forwarded_headers
from tornado_router.http.services import Services
from tornado_router.provider import Call


class CountHandler(BaseHandler):
    """Counts, and calls no model."""

    counts_refusals = True
    takes_large_bodies = True

    def initialize(self, services: Services, endpoint: Endpoint) -> None:  # type: ignore[override]
        """Takes the endpoint whose requests are counted."""
        super().initialize(services)
        self.endpoint = endpoint
        self.dialect = endpoint.dialect

    async def post(self) -> None:
        """Answers with the tokens of the request."""
        assert self.key is not None, "counting is never open"
        await self.look_through()
        call, bounds = self._read_call(), self.services.bounds
        bounds.begin_call()
        try:
            tokens = await self.services.serving.counts.count(call, self.key)
        finally:
            bounds.end_call()
        self.write_json(self.endpoint.counted(tokens))

    def _read_call(self) -> Call:
        body: dict[str, Any] = self.read_json()
        self.services.serving.validators[self.endpoint.count_name].check(body)
        call = self.endpoint.read(self.own_id, body, self.request.body)
        call.headers = forwarded_headers(self.endpoint, self.request.headers)
        return call
