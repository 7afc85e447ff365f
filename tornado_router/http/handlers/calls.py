"""The endpoints that call a model: read the request, pass it to the gateway, write the response."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from tornado_router.background.held_memory import Hold, request_hold
from tornado_router.calls.client import CACHE_DEFAULTS, ClientLeftError, Envelope
from tornado_router.calls.response_cache import read_cache_control
from tornado_router.endpoints import Endpoint
from tornado_router.endpoints.bridges.astray import form_of, led_back
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import MAX_QUOTED
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.handlers.response_writer import ResponseWriter
from tornado_router.http.head_facts import session_of
from tornado_router.http.services import Services
from tornado_router.observability.redaction import REDACTED
from tornado_router.observability.trace_context import TraceContext, start_trace
from tornado_router.provider import Call
from tornado_router.validation.form_body import form_body
from tornado_router.validation.forms import FORM, Form

W = TypeVar("W", bound=ResponseWriter)


class EnvelopeHandler(BaseHandler):
    """A request that is a call, or the begin of a session."""

    def envelope(self) -> Envelope:
        """What came with the call."""
        assert self.key is not None, "a call is never open"
        facts, config = self.facts, self.services.serving.config
        may_choose = config.routing.request_headers
        return Envelope(  # by position, as each call makes one
            self.key,
            self.request_id,
            self.started,
            facts.target if may_choose else None,
            read_cache_control(facts.cache_control) if facts.cache_control else CACHE_DEFAULTS,
            self._trace(),
            self.logged_address,
            facts.client,
            session_of(self.request.headers, config.log.session_headers),
            self.request.headers,
        )

    def _trace(self) -> TraceContext | None:
        """The trace that the client says the call is part of, or else a new one, if any."""
        otel = self.services.serving.config.otel
        trace = self.trace_context()
        if trace is None and otel.endpoint and otel.traces:
            trace = start_trace(otel.sample_ratio)
        return trace


class CallHandler(EnvelopeHandler):
    """One endpoint, such as `POST /v1/chat/completions`."""

    counts_refusals = True
    takes_large_bodies = True

    def initialize(self, services: Services, endpoint: Endpoint) -> None:  # type: ignore[override]
        """Takes the endpoint, which reads requests."""
        super().initialize(services)
        self.endpoint = endpoint
        self.dialect = endpoint.dialect
        self._task: asyncio.Task[None] | None = None
        self._client_left = False
        self._writer: ResponseWriter | None = None

    @classmethod
    def largest_form(cls, arguments: Mapping[str, Any]) -> int:
        """As the endpoint has it."""
        endpoint: Endpoint = arguments["endpoint"]
        return endpoint.form_bytes

    async def post(self) -> None:
        """Serves the call, or refuses it before it costs anything."""
        if self.hold is not None and self.endpoint.takes_json:
            await self.look_through()
        await self.serve(self._begin())

    def serve(self, call: Call) -> Awaitable[None]:
        """Serves a call that has begun; no coroutine of its own, as each chunk would go by it."""
        return self.run(partial(self.services.serving.gateway.run, call), ResponseWriter(self))

    async def run(self, work: Callable[[Envelope, W], Awaitable[None]], writer: W) -> None:
        """Does what a call that has begun is about.

        Args:
            work: does it; it accounts for the call, whatever becomes of it.
            writer: takes the response.
        """
        self._task = asyncio.current_task()
        self.logged = True  # the gateway accounts for it from here on
        self._writer = writer
        if self.hold is None:
            self.hold = Hold(self.services.memory)
        request_hold.set(self.hold)
        try:
            await work(self.envelope(), writer)
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
            writer.forget()
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
        if self.form is not None:
            return self._read_form(self.form)
        if not self.endpoint.takes_json:
            got = self.request.headers.get("Content-Type", "")
            raise Invalid.unsupported_content_type(got=got[:MAX_QUOTED], expected=FORM)
        body: dict[str, Any] = self.read_json()
        endpoint = self.endpoint
        if type(body) is dict and endpoint.prompt_field not in body:
            endpoint = form_of(endpoint, body)
        self.services.serving.validators[endpoint.name].check(body)
        call = endpoint.read(self.own_id, body, self.request.body)
        if endpoint is not self.endpoint:
            call = led_back(call)
        return self._with_headers(call)

    def _read_form(self, form: Form) -> Call:
        endpoint = self.endpoint
        validator = self.services.serving.validators[endpoint.name]
        body = form_body(form, validator.schema)
        validator.check(body)
        call = endpoint.read(self.own_id, body, b"")
        call.raw, call.files, call.parts = b"", form.files, form.parts
        return self._with_headers(call)

    def _with_headers(self, call: Call) -> Call:
        """A call with what its request says beside the body."""
        if self.services.secrets.holds(call.model):  # no model has such a name, and it is recorded
            call.model = REDACTED
        if self.endpoint.forwarded_headers:
            call.headers = forwarded_headers(self.endpoint, self.request.headers)
        return call


def forwarded_headers(endpoint: Endpoint, sent: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request that are part of the API of its endpoint."""
    return {name: sent[name] for name in endpoint.forwarded_headers if name in sent}
