"""The router as a Tornado application: finds the handler of each request, and admits its body."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, cast

from tornado.httputil import HTTPConnection, HTTPMessageDelegate, HTTPServerRequest
from tornado.web import Application

from tornado_router.accounts.key_lookup import Key
from tornado_router.background.held_memory import Hold
from tornado_router.background.turns import Turns
from tornado_router.calls.passed.rules import Match
from tornado_router.endpoints import Endpoint
from tornado_router.http import cors
from tornado_router.http.body_limit import SMALL_BODY, BodyLimit, is_within
from tornado_router.http.client_address import address_of
from tornado_router.http.connection import ClientConnection, connection_of
from tornado_router.http.handler_delegate import FormDelegate, HandlerDelegate, RequestDelegate
from tornado_router.http.handlers.base import BaseHandler, NotFoundHandler, PreflightHandler
from tornado_router.http.handlers.passed import PassedHandler
from tornado_router.http.request_target import origin_path
from tornado_router.http.services import Services
from tornado_router.http.streamed_body import StreamedBody, StreamedRequest
from tornado_router.http.urls import ROUTES, route_table
from tornado_router.validation.forms import is_form

AT_ONCE = 16
"""So many requests begin in one turn of the event loop, some 4 ms of work."""


class RouterApplication(Application):
    """The route table, behind bounds on bodies and preflight requests.

    Args:
        services: passed to every handler.
        max_body_bytes: the largest body that a handler gets to see; None for what each endpoint
            takes.

    Attributes:
        small_body_bytes: the largest body that a client without a key may send.
    """

    def __init__(self, services: Services, max_body_bytes: int | None) -> None:
        self._services = services
        self._max_body_bytes = max_body_bytes
        self.small_body_bytes = min(SMALL_BODY, max_body_bytes or SMALL_BODY)
        self._turns = Turns("request", AT_ONCE)
        # Tornado tries one pattern after the other: 2 us for the first, 6 for the last.
        self._fixed = {it.path: it.spec(services) for it in ROUTES if "{" not in it.path}
        super().__init__(
            route_table(services),
            default_handler_class=NotFoundHandler,
            default_handler_args={"services": services},
            log_function=lambda handler: None,  # handlers log themselves
        )

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Called by a front when a request begins."""
        client = cast(ClientConnection, server_conn)
        return RequestDelegate(self.find_handler, client, request_conn)

    def find_handler(  # type: ignore[override]  # Tornado names a private class there
        self, request: HTTPServerRequest, **kwargs: Any
    ) -> HTTPMessageDelegate:
        """What takes a request, by its head."""
        if not request.path.startswith("/"):
            request.path = origin_path(request.path)
        self._services.bounds.receiving(connection_of(request))
        if cors.is_preflight(request.method or "", request.headers) and cors.is_allowed(
            self._services.serving.config.cors, request.headers.get("Origin", "")
        ):
            services = {"services": self._services}
            return self.get_handler_delegate(request, PreflightHandler, services)
        route = self._fixed.get(request.path)
        if route is not None and request.method == "POST":
            return self.get_handler_delegate(request, route.handler_class, route.kwargs)
        # What is there of a path may be at a vendor: chat completions that were stored.
        match = self._services.serving.passed.rules.match(request.path)
        if match is not None:
            return self._streamed(request, match)
        if route is not None:
            return self.get_handler_delegate(request, route.handler_class, route.kwargs)
        return super().find_handler(request, **kwargs)

    def _streamed(self, request: HTTPServerRequest, match: Match) -> HTTPMessageDelegate:
        """What runs the handler of a request that is passed on, from its head on."""
        options = self._services.serving.config.server
        body = StreamedBody(
            request.headers, options.max_upload_bytes, options.body_seconds, connection_of(request)
        )
        arguments = {"services": self._services, "match": match}
        return StreamedRequest(self, request, PassedHandler, arguments, body)

    def get_handler_delegate(  # type: ignore[override]  # Tornado names a private class there
        self,
        request: HTTPServerRequest,
        target_class: type[BaseHandler],
        target_kwargs: dict[str, Any] | None = None,
        path_args: list[bytes] | None = None,
        path_kwargs: dict[str, bytes] | None = None,
    ) -> HTTPMessageDelegate:
        """What runs a handler once the request is here."""
        arguments, args = target_kwargs or {}, path_args or ()
        form_bytes = target_class.largest_form(arguments)
        if form_bytes and is_form(request.headers.get("Content-Type", "")):
            return self._read_form(request, target_class, arguments, args, form_bytes)
        if is_within(request.headers, self.small_body_bytes):
            return HandlerDelegate(self, request, target_class, arguments, args, turns=self._turns)

        def run(**more: Any) -> HTTPMessageDelegate:
            given = {**arguments, **more}
            return HandlerDelegate(self, request, target_class, given, args, turns=self._turns)

        hold = Hold(self._services.memory)
        takes_large = target_class.takes_large_bodies
        return BodyLimit(
            run(hold=hold),
            self._largest(target_kwargs) if takes_large else self.small_body_bytes,
            admit=lambda: self._admit(request, needs_key=takes_large),
            hold=hold,
            refuse=lambda error: run(refusal=error),
        )

    def _read_form(
        self,
        request: HTTPServerRequest,
        target_class: type[BaseHandler],
        arguments: Mapping[str, Any],
        args: Sequence[bytes],
        form_bytes: int,
    ) -> HTTPMessageDelegate:
        """What reads a form, and then runs a handler: its files lie on disk, and count there."""
        hold, on_disk = Hold(self._services.memory), Hold(self._services.disk)
        hold.at_end(on_disk.free)
        arguments = {**arguments, "hold": hold}
        return BodyLimit(
            FormDelegate(
                self, request, target_class, arguments, args, hold=hold, turns=self._turns
            ),
            self._max_body_bytes or form_bytes,
            admit=lambda: self._admit(request, needs_key=True),
            hold=hold,
            counted=on_disk,
            refuse=lambda error: HandlerDelegate(
                self,
                request,
                target_class,
                {**arguments, "refusal": error},
                args,
                turns=self._turns,
            ),
        )

    def _largest(self, target_kwargs: dict[str, Any] | None) -> int:
        """The largest body of a call."""
        endpoint: Endpoint = (target_kwargs or {})["endpoint"]
        return self._max_body_bytes or endpoint.body_bytes

    def _admit(self, request: HTTPServerRequest, *, needs_key: bool) -> Awaitable[Key] | None:
        """Refuses a body that needs a key and has none, before it is read.

        The handler asks for the key again once the body is here, as it may be revoked by then.

        Returns:
            What looks a key up that is not known, and raises as `Authenticator.authenticate`.
        """
        headers, authenticator = request.headers, self._services.authenticator
        authorization = headers.get("Authorization")
        if not needs_key or authenticator.recall(authorization) is not None:
            return None
        return authenticator.authenticate(
            authorization,
            address_of(request, self._services.serving.config.server.trusted_proxies),
            api_key=headers.get("X-Api-Key"),
        )
