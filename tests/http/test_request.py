"""A request has what Tornado's would have, however it was made.

If this fails after an update of Tornado, `http/request` is the one module to change.
"""

from types import SimpleNamespace

import pytest
from tornado.httputil import HTTPHeaders, HTTPInputError, HTTPServerRequest, RequestStartLine

from tornado_router.http.request import Request

CONTEXT = SimpleNamespace(remote_ip="1.2.3.4", protocol="https")


def made(target, headers, version="HTTP/1.1"):
    """The attributes of ours, and of Tornado's own."""
    line = RequestStartLine("POST", target, version)
    connection, client = SimpleNamespace(context=CONTEXT), object()
    ours = Request(line, headers, connection, client)
    own = HTTPServerRequest(
        start_line=line, headers=headers, connection=connection, server_connection=client
    )
    return [{**vars(request), "_start_time": 0} for request in (ours, own)]


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("/v1/models", "router.Example"),
        ("/v1/models", "127.0.0.1:8000"),
        ("/v1/models", "[::1]:8000"),
        ("/v1/models", ""),
        ("/usage?limit=1&limit=2&after=", "x"),
        ("http://x/v1/models", "x"),
        ("*", "x"),
    ],
)
def test_has_the_attributes_of_tornados(target, host):
    ours, own = made(target, HTTPHeaders({"Host": host, "X-One": "1"}))
    assert ours == own


def test_needs_a_host_as_tornado_does():
    ours, own = made("/", HTTPHeaders(), "HTTP/1.0")
    assert ours == own
    two = HTTPHeaders({"Host": "x"})
    two.add("Host", "y")
    for headers in (HTTPHeaders(), HTTPHeaders({"Host": "a b"}), two):
        with pytest.raises(HTTPInputError):
            Request(RequestStartLine("GET", "/", "HTTP/1.1"), headers, None, None)
