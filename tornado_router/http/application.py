"""The router as a Tornado application: finds the handler of each request."""

from __future__ import annotations

from typing import Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.web import Application

from tornado_router.error_codes import Invalid
from tornado_router.http import cors
from tornado_router.http.body_limit import BodyLimit, may_exceed
from tornado_router.http.connection import connection_of
from tornado_router.http.handlers.base import NotFoundHandler, PreflightHandler, RefusalHandler
from tornado_router.http.request_target import origin_path
from tornado_router.http.services import Services
from tornado_router.http.urls import route_table


class RouterApplication(Application):
    """The route table, behind bounds on bodies and preflight requests.

    Args:
        services: passed to every handler.
        max_body_bytes: the largest body that a handler gets to see.
    """

    def __init__(self, services: Services, max_body_bytes: int) -> None:
        self._services = services
        self.max_body_bytes = max_body_bytes
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
        delegate = self._find_delegate(request, **kwargs)
        limit = self.max_body_bytes
        if may_exceed(request.headers, limit):
            return BodyLimit(delegate, limit, lambda: self._refuse(request, limit))
        return delegate

    def _find_delegate(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate:
        if cors.is_preflight(request.method or "", request.headers) and cors.is_allowed(
            self._services.serving.config.cors, request.headers.get("Origin", "")
        ):
            services = {"services": self._services}
            return self.get_handler_delegate(request, PreflightHandler, services)
        return super().find_handler(request, **kwargs)

    def _refuse(self, request: HTTPServerRequest, limit: int) -> HTTPMessageDelegate:
        error = Invalid.request_too_large(limit=limit)
        arguments = {"services": self._services, "error": error}
        return self.get_handler_delegate(request, RefusalHandler, arguments)
