"""The endpoints that call a model: read the request, pass it to the gateway, write the response."""

from __future__ import annotations

import asyncio
from typing import Any

from tornado_router.background.held_memory import Hold, request_hold
from tornado_router.calls.client import CACHE_DEFAULTS, ClientLeftError, Envelope
from tornado_router.calls.response_cache import read_cache_control
from tornado_router.endpoints import Endpoint
from tornado_router.error_codes import Refusal
from tornado_router.errors import ApiError
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.handlers.response_writer import ResponseWriter
from tornado_router.http.services import Services
from tornado_router.observability.trace_context import TraceContext, start_trace
from tornado_router.provider import Call


class CallHandler(BaseHandler):
    """One endpoint, such as `POST /v1/chat/completions`."""

    counts_refusals = True
    takes_large_bodies = True

    def initialize(self, services: Services, endpoint: Endpoint) -> None:  # type: ignore[override]
        """Takes the endpoint, which reads requests."""
        super().initialize(services)
        self.endpoint = endpoint
        self._task: asyncio.Task[None] | None = None
        self._client_left = False
        self._writer: ResponseWriter | None = None

    async def post(self) -> None:
        """Serves the call, or refuses it before it costs anything."""
        call = self._begin()
        self._task = asyncio.current_task()
        self.logged = True  # the gateway accounts for it from here on
        writer = self._writer = ResponseWriter(self)
        if self.hold is None:
            self.hold = Hold(self.services.memory)
        request_hold.set(self.hold)
        try:
            await self.services.serving.gateway.run(call, self._envelope(), writer)
        except ClientLeftError:
            pass
        except asyncio.CancelledError:
            if not self._client_left:
                raise
        except Exception:
            if writer.begun:  # to its client, the response must not look whole
                self.connection.abort()
            raise
        finally:
            self.hold.free()
            self._task = self._writer = None  # it holds this handler, and so the request's body
            self.services.bounds.end_call()

    def on_connection_close(self) -> None:
        """Ends the work for a client that left, so that the provider's ends too."""
        self._client_left = True
        if self._task:
            self._task.cancel()

    def cut_off(self) -> None:
        """Has the gateway end the call, as the router stops.

        A call that waits for its client ends by itself, once the client has taken what was written:
        cancelled meanwhile, it could not know whether that was the end of the response.
        """
        if self._task and self._writer and not self._writer.is_waiting:
            self._task.cancel()

    def look_after(self, now: float) -> None:
        """Acts if its response is silent: see `ResponseWriter`."""
        if self._writer:
            self._writer.look_after(now)

    def _begin(self) -> Call:
        """Lets the call begin: all that can refuse it before the gateway has it stands here.

        Raises:
            ApiError: it is refused.
        """
        self.refuse_at_stop()  # it may have come while the key was looked up
        if self._client_left:  # so may this: to serve the call would cost money for nothing
            raise Refusal.client_closed()
        self.services.serving.gateway.check_room()
        call = self._read_call()
        self.services.bounds.begin_call()
        return call

    def _read_call(self) -> Call:
        body: dict[str, Any] = self.read_json()
        self.services.serving.validators[self.endpoint.name].check(body)
        return self.endpoint.read(self.own_id, body, self.request.body)

    def error_body(self, error: ApiError) -> dict[str, Any]:
        """In the endpoint's dialect."""
        return self.endpoint.dialect.error_body(error)

    def _envelope(self) -> Envelope:
        assert self.key is not None, "a call is never open"
        headers = self.request.headers
        may_choose = self.services.serving.config.routing.request_headers
        cache_control = headers.get("Cache-Control")
        return Envelope(
            self.key,
            self.request_id,
            self.started,
            chosen=headers.get("X-Router-Target") if may_choose else None,
            cache_control=read_cache_control(cache_control) if cache_control else CACHE_DEFAULTS,
            trace=self._trace(),
            client_address=self.logged_address,
        )

    def _trace(self) -> TraceContext | None:
        """The trace that the client says the call is part of, or else a new one, if any."""
        otel = self.services.serving.config.otel
        trace = self.trace_context()
        if trace is None and otel.endpoint and otel.traces:
            trace = start_trace(otel.sample_ratio)
        return trace
