"""Responses that a client does not read: they count until it has them, and not for ever."""

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import replace

import orjson
import pytest
import trustme

from tornado_router.http import client_bounds, openapi, urls
from tornado_router.http.fronts import FRONTS, make_front
from tornado_router.http.handlers import documentation
from tornado_router.http.handlers.documentation import DocsHandler
from tornado_router.http.tls import Tls

from ..support import DEADLINE

LARGE = 4 * 2**20
"""More than the buffers of both systems hold."""

pytestmark = pytest.mark.sqlite_suffices


@pytest.fixture(params=FRONTS)
def http_front(request):
    """Every front."""
    return request.param


@pytest.fixture(autouse=True)
def quick_sweeps(monkeypatch):
    monkeypatch.setattr(client_bounds, "SWEEP_SECONDS", 0.01)


def unread(port):
    """A socket whose system takes little of what is not read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return sock


def call(key):
    content = "x" * LARGE
    body = orjson.dumps({"model": "echo", "messages": [{"role": "user", "content": content}]})
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
        % (key.encode(), len(body), body)
    )


async def until(ask):
    async with asyncio.timeout(DEADLINE):
        while not ask():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)


def is_unread(app):
    return any(connection.unsent for connection in app.services.bounds.connections)


@pytest.mark.gen_test
async def test_a_call_counts_until_its_client_has_the_response(http_server, http_port, app, key):
    loop, memory = asyncio.get_running_loop(), app.services.memory
    with unread(http_port) as sock:
        await loop.sock_sendall(sock, call(key))
        await until(lambda: is_unread(app))
        await asyncio.sleep(0.1)
        assert memory.held > LARGE / 2
        while is_unread(app):
            await loop.sock_recv(sock, 2**20)
        await until(lambda: memory.held == 0)


@pytest.mark.gen_test
async def test_and_is_cut_off_if_that_does_not_come(http_server, http_port, app, key):
    app.services.bounds._stalled_seconds = 0.1
    app.services.bounds.start()
    with unread(http_port) as sock:
        await asyncio.get_running_loop().sock_sendall(sock, call(key))
        await until(lambda: app.services.memory.held)
        await until(lambda: app.services.memory.held == 0)
        await until(lambda: not app.services.bounds.connections)
    app.services.bounds.close()


@pytest.mark.gen_test
async def test_the_documentation_is_held_by_the_piece(
    http_server, http_port, app, monkeypatch, capfd
):
    monkeypatch.setattr(openapi, "page", lambda document: b"x" * LARGE)
    monkeypatch.setattr(urls, "_made", urls._made.__wrapped__)  # else others would get it, too
    with unread(http_port) as sock:
        await asyncio.get_running_loop().sock_sendall(
            sock, b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        await until(lambda: is_unread(app))
        await asyncio.sleep(0.1)
        (connection,) = app.services.bounds.connections
        assert 0 < connection.unsent < 4 * documentation.PIECE
    # The client has left, so the request is over, and the log has nothing to say of it.
    await until(lambda: not app.services.requests.count)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.gen_test
async def test_a_response_that_fails_on_its_way_is_over(http_server, http_port, app, monkeypatch):
    async def get(handler):
        handler.set_header("Content-Length", 10)
        handler.write(b"half")
        await handler.flush()
        raise ZeroDivisionError

    monkeypatch.setattr(DocsHandler, "get", get)
    reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
    writer.write(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n")
    with suppress(ConnectionError):
        assert (await reader.read()).endswith(b"half")  # and no more
    await until(lambda: not app.services.requests.count)
    writer.close()


@pytest.mark.gen_test
async def test_with_tls_it_is_no_different(app, http_front, tmp_path, monkeypatch):
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    made.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    made.private_key_pem.write_to_path(tmp_path / "tls.key")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    monkeypatch.setattr(DocsHandler, "get", lambda self: self.finish(b"x" * 2**24))
    services = app.services
    services.bounds._stalled_seconds = 0.2
    front = make_front(
        app.application,
        services.bounds,
        replace(services.serving.config.server, http=http_front),
        tls=Tls(tmp_path / "tls.crt", tmp_path / "tls.key"),
    )
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    await front.listen([listening])
    services.bounds.start()
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", listening.getsockname()[1], ssl=context, server_hostname="localhost"
    )
    writer.write(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readexactly(1)  # after that, its buffer fills
    await until(lambda: services.bounds.connections)
    await until(lambda: not services.bounds.connections)
    services.bounds.close()
    front.stop_listening()
    await front.close()
    writer.transport.abort()
