"""Requests whose target is a whole URL, as clients send it that take the router for a proxy."""

import asyncio

import pytest

from tornado_router.http.fronts import FRONTS
from tornado_router.http.request_target import origin_path

from ..support import DEADLINE


@pytest.fixture(params=FRONTS)
def http_front(request):
    """Every front."""
    return request.param


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://host/v1/models", "/v1/models"),
        ("HTTPS://user@host:8443/v1/models", "/v1/models"),
        ("http://[::1]:3000/health", "/health"),
        ("http://host", "/"),
        ("http://host//v1", "//v1"),
        ("http:///v1/models", "http:///v1/models"),
        ("ftp://host/v1", "ftp://host/v1"),
        ("*", "*"),
        ("host:443", "host:443"),
    ],
)
def test_the_path_of_a_target(target, path):
    assert origin_path(target) == path


async def ask(port, method, target, body=b"", **headers):
    """The response to a request whose target is written as it is given."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{method} {target} HTTP/1.1", "Host: other.example", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
    async with asyncio.timeout(DEADLINE):
        response = await reader.read()
    writer.close()
    return response


@pytest.mark.gen_test
async def test_it_is_served_as_its_path(http_server, http_port, key):
    called = b'{"model": "echo", "messages": [{"role": "user", "content": "hello"}]}'
    sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    for method, path, body in (
        ("GET", "/v1/models", b""),
        ("GET", "/v1/models/echo", b""),
        ("POST", "/v1/chat/completions", called),
        ("GET", "/usage?from=2026-01-01", b""),
    ):
        plain = await ask(http_port, method, path, body, **sent)
        whole = await ask(http_port, method, f"http://127.0.0.1{path}", body, **sent)
        assert whole.split(b"\r\n")[0] == plain.split(b"\r\n")[0]
    assert whole.startswith(b"HTTP/1.1 401")  # a key is not a session


@pytest.mark.gen_test
async def test_nothing_is_open_by_it(http_server, http_port):
    response = await ask(http_port, "GET", "http://127.0.0.1/v1/models")
    assert response.startswith(b"HTTP/1.1 401")
