"""The endpoints that call a model: parse and validate the body, hand it on, write what comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from tornado_router.calls.gateway import CACHE_DEFAULTS
from tornado_router.calls.response_cache import read_cache_control
from tornado_router.endpoints import Endpoint
from tornado_router.errors import ApiError
from tornado_router.http.connection import ClientGoneError
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.services import Services
from tornado_router.observability.trace_context import TraceContext, start_trace
from tornado_router.provider import Call

MAX_HEADER = 2048


class CallHandler(BaseHandler):
    """One endpoint, such as `POST /v1/chat/completions`."""

    counts_refusals = True

    def initialize(self, services: Services, endpoint: Endpoint) -> None:  # type: ignore[override]
        """Takes the endpoint, which reads requests."""
        super().initialize(services)
        self.endpoint = endpoint
        self._task: asyncio.Task[None] | None = None
        self._client_gone = False
        self._flushing = False

    async def post(self) -> None:
        """Serves the call, or refuses it before it costs anything."""
        call = self._begin()
        self._task = asyncio.current_task()
        self.logged = True  # the gateway accounts for it from here on
        try:
            await self._serve(call)
        except ClientGoneError:
            pass  # the client went away while it was written to
        except asyncio.CancelledError:
            if not self._client_gone:
                raise
        finally:
            self._task = None
            self.services.bounds.end_call()

    def on_connection_close(self) -> None:
        """Ends the work for a client that went away, so that the provider's ends too."""
        self._client_gone = True
        if self._task:
            self._task.cancel()

    def cut_off(self) -> None:
        """Has the gateway end the call, as the router stops.

        A call that waits for its client ends by itself, once the client has taken what was written:
        cancelled meanwhile, it could not tell whether that was the end of the answer.
        """
        if self._task and not self._flushing:
            self._task.cancel()

    def _begin(self) -> Call:
        """Lets the call begin.

        Raises:
            ApiError: it is refused, and the gateway never hears of it.
        """
        self.refuse_at_stop()  # it may have come while the key was looked up
        self.services.serving.gateway.check_room()
        call = self._read_call()
        self.services.bounds.begin_call()
        return call

    def _read_call(self) -> Call:
        body = self.read_body(self.services.serving.validators[self.endpoint.name])
        return self.endpoint.read(self.own_id, body, self.request.body)

    def error_body(self, error: ApiError) -> dict[str, Any]:
        """In the endpoint's dialect."""
        return self.endpoint.dialect.error_body(error)

    async def _serve(self, call: Call) -> None:
        assert self.key is not None, "a call is never open"
        chosen = None
        if self.services.serving.config.routing.request_headers:
            chosen = self.request.headers.get("X-Router-Target")
        header = self.request.headers.get("Cache-Control")
        reply = await self.services.serving.gateway.run(
            call,
            self.key,
            self.request_id,
            self.started,
            chosen=chosen,
            trace=self._trace(),
            cache_control=read_cache_control(header) if header else CACHE_DEFAULTS,
            client_address=self.logged_address,
        )
        for name, value in reply.headers.items():
            self.set_header(name, value)
        if reply.dropped:
            self.set_header("X-Router-Dropped-Params", _header(reply.dropped))
        if reply.events is not None:
            await self._write_events(reply.events)
        else:
            self.finish(reply.body)

    def _trace(self) -> TraceContext | None:
        """The trace that the client says the call is part of, or else a new one, if any."""
        otel = self.services.serving.config.otel
        trace = self.trace_context()
        if trace is None and otel.endpoint and otel.traces:
            trace = start_trace(otel.sample_ratio)
        return trace

    async def _write_events(self, events: AsyncGenerator[bytes, None]) -> None:
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")  # nginx would gather chunks
        async with aclosing(events):
            async for data in events:
                self.write(data)
                # Waits until the client has taken it, and the provider waits with us: what a slow
                # reader has not read is never held here.
                self._flushing = True
                await self.flush()
                self._flushing = False


def _header(names: Sequence[str]) -> str:
    """A list for a header. Names of fields are the client's, so they may hold anything."""
    return ", ".join(quote(name, safe="[]._-") for name in names)[:MAX_HEADER]
