"""The router as a Tornado application: finds the handler of each request, and admits its body."""

from __future__ import annotations

from typing import Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.web import Application, RequestHandler

from tornado_router.background.held_memory import Hold
from tornado_router.http import cors
from tornado_router.http.body_limit import SMALL_BODY, BodyLimit, is_within
from tornado_router.http.client_address import address_of
from tornado_router.http.connection import connection_of
from tornado_router.http.handlers.base import BaseHandler, NotFoundHandler, PreflightHandler
from tornado_router.http.request_target import origin_path
from tornado_router.http.services import Services
from tornado_router.http.urls import route_table


class RouterApplication(Application):
    """The route table, behind bounds on bodies and preflight requests.

    Args:
        services: passed to every handler.
        max_body_bytes: the largest body that a handler gets to see.

    Attributes:
        max_body_bytes: the same.
        small_body_bytes: the largest body that a client without a key may send.
    """

    def __init__(self, services: Services, max_body_bytes: int) -> None:
        self._services = services
        self.max_body_bytes = max_body_bytes
        self.small_body_bytes = min(SMALL_BODY, max_body_bytes)
        super().__init__(
            route_table(services),
            default_handler_class=NotFoundHandler,
            default_handler_args={"services": services},
            log_function=lambda handler: None,  # handlers log themselves
        )

    def find_handler(  # type: ignore[override]  # Tornado names a private class there
        self, request: HTTPServerRequest, **kwargs: Any
    ) -> HTTPMessageDelegate:
        """Called by Tornado with the head of every request."""
        if not request.path.startswith("/"):
            request.path = origin_path(request.path)
        self._services.bounds.receiving(connection_of(request))
        if cors.is_preflight(request.method or "", request.headers) and cors.is_allowed(
            self._services.serving.config.cors, request.headers.get("Origin", "")
        ):
            services = {"services": self._services}
            return self.get_handler_delegate(request, PreflightHandler, services)
        return super().find_handler(request, **kwargs)

    def get_handler_delegate(  # type: ignore[override]  # Tornado names a private class there
        self,
        request: HTTPServerRequest,
        target_class: type[RequestHandler],
        target_kwargs: dict[str, Any] | None = None,
        path_args: list[bytes] | None = None,
        path_kwargs: dict[str, bytes] | None = None,
    ) -> HTTPMessageDelegate:
        """What runs a handler once the request is here."""
        make = super().get_handler_delegate
        if is_within(request.headers, self.small_body_bytes):
            return make(request, target_class, target_kwargs, path_args, path_kwargs)

        def run(**more: Any) -> HTTPMessageDelegate:
            arguments = {**(target_kwargs or {}), **more}
            return make(request, target_class, arguments, path_args, path_kwargs)

        hold = Hold(self._services.memory)
        takes_large = issubclass(target_class, BaseHandler) and target_class.takes_large_bodies
        return BodyLimit(
            run(hold=hold),
            self.max_body_bytes if takes_large else self.small_body_bytes,
            admit=lambda: self._admit(request, needs_key=takes_large),
            hold=hold,
            refuse=lambda error: run(refusal=error),
        )

    async def _admit(self, request: HTTPServerRequest, *, needs_key: bool) -> None:
        """Refuses a body that needs a key and has none, before it is read.

        The handler asks for the key again once the body is here, as it may be revoked by then.

        Raises:
            ApiError: as `Authenticator.authenticate`.
        """
        if needs_key:
            proxies = self._services.serving.config.server.trusted_proxies
            await self._services.authenticator.authenticate(
                request.headers.get("Authorization"), address_of(request, proxies)
            )
