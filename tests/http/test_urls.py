"""Every route is closed unless its handler says that it is open."""

import pytest
from tornado.httpclient import HTTPRequest

from tornado_router.endpoints import ENDPOINTS
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.handlers.metrics import MetricsHandler
from tornado_router.http.urls import PATTERNS, route_table
from tornado_router.validation import load_schema

pytestmark = pytest.mark.sqlite_suffices

OPEN = {"/", "/health", "/auth/register", "/auth/login", "/openapi.json", "/docs"}
"""What anybody may ask. Whoever adds a path here has thought about it."""

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@pytest.fixture
def table(app):
    return route_table(app.services)


def example(spec):
    """A path that a route matches."""
    path = spec.matcher.regex.pattern.rstrip("$")
    for pattern in PATTERNS.values():
        path = path.replace(pattern, "7")
    assert spec.matcher.regex.fullmatch(path)
    return path


def request(base_url, path, method, **headers):
    return HTTPRequest(
        base_url + path,
        method=method,
        headers=headers,
        body=b"{}" if method in ("POST", "PUT", "PATCH") else None,
        allow_nonstandard_methods=True,
    )


def test_only_handlers_that_say_so_are_open(table):
    assert all(issubclass(spec.handler_class, BaseHandler) for spec in table)
    assert {example(spec) for spec in table if spec.handler_class.open} == OPEN
    assert BaseHandler.open is False


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.gen_test
async def test_a_closed_route_answers_401_without_a_key(http_client, base_url, table, method):
    # No credentials would open metrics that are off: see test_metrics.
    closed = [
        example(spec)
        for spec in table
        if not spec.handler_class.open and spec.handler_class is not MetricsHandler
    ]
    assert len(closed) >= 3
    for path in closed:
        for headers in ({}, {"Authorization": "Bearer sk-tr-nope"}):
            asked = request(base_url, path, method, **headers)
            answer = await http_client.fetch(asked, raise_error=False)
            assert (path, answer.code) == (path, 401)
            assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.gen_test
async def test_an_open_route_answers_without_a_key(http_client, base_url):
    for path in OPEN:
        answer = await http_client.fetch(base_url + path, raise_error=False)
        assert answer.code == (405 if path.startswith("/auth") else 200)


def test_every_route_has_a_name(table):
    names = [spec.name for spec in table]
    assert all(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint_has_a_schema(endpoint):
    assert load_schema(f"{endpoint}.request")["properties"]


def test_every_endpoint_is_below_v1():
    assert all(it.path.startswith("/v1/") for it in ENDPOINTS.values())
