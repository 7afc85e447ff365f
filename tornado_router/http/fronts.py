"""Which front accepts connections: `[server] http` says so."""

from __future__ import annotations

from tornado.httputil import HTTPServerConnectionDelegate

from tornado_router.config.options import ServerOptions
from tornado_router.http.connection import ConnectionObserver, Front
from tornado_router.http.llhttp.front import LlhttpFront
from tornado_router.http.tls import Tls
from tornado_router.http.tornado_front import TornadoFront

FRONTS: dict[str, type[LlhttpFront] | type[TornadoFront]] = {
    "llhttp": LlhttpFront,
    "tornado": TornadoFront,
}


def make_front(
    application: HTTPServerConnectionDelegate,
    observer: ConnectionObserver,
    options: ServerOptions,
    discarded_bodies: int = 1,
    tls: Tls | None = None,
) -> Front:
    """The front that is configured.

    Args:
        application: serves the requests.
        observer: called for each connection.
        options: `[server]`.
        discarded_bodies: a body of up to so many times the limit is read all the same, so that its
            sender gets to see why it was refused; the connection of a larger one is closed.
        tls: how connections are encrypted, or None.
    """
    return FRONTS[options.http](application, observer, options, discarded_bodies, tls)
