"""Requests to a vendor through an HTTP proxy: what it sees, and what becomes of its refusals."""

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager

import pytest
import trustme
import uvloop
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler

from tornado_router.calls.upstream import open_upstream
from tornado_router.config.options import ProviderOptions
from tornado_router.errors import ProviderError

from .vendor import WHOLE, Vendor, post, room, serving

BASIC = b"Basic " + base64.b64encode(b"ada:pa/ss")
HELLO = (200, b"hello")


class Proxy:
    """An HTTP proxy that notes the heads it gets; it passes on, tunnels, or refuses."""

    def __init__(self, status=200):
        self.status = status
        self.heads = []

    async def handle(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                if self.status != 200:
                    writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 6\r\n\r\nsecret" % self.status)
                    continue
                method, target, _ = head.split(b" ", 2)
                if method == b"CONNECT":
                    await self.tunnel(reader, writer, *target.decode().rsplit(":", 1))
                    return
                _, _, place, path = target.split(b"/", 3)
                host, port = place.decode().rsplit(":", 1)
                await self.tunnel(reader, writer, host, port, head.replace(target, b"/" + path, 1))
                return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def tunnel(self, reader, writer, host, port, head=b""):
        inner, outer = await asyncio.open_connection(host, int(port))
        if head:
            outer.write(head)
        else:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(copy(reader, outer), copy(inner, writer))


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.fixture
def authority(monkeypatch, tmp_path):
    """Signs the certificates of vendors and proxies; trusted."""
    authority = trustme.CA()

    def trusting(*_, **__):
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting())
    return authority


@pytest.fixture
def tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@asynccontextmanager
async def proxying(proxy, tls=None):
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http{'s' if tls else ''}://ada:pa%2Fss@localhost:{port}"
    finally:
        server.close()
        await asyncio.sleep(0)


def ask(proxy, *, tls=None, proxy_tls=None, times=1, run=asyncio.run):
    """What comes of requests through a proxy: status and body of each, or the error."""

    async def one(client, url):
        try:
            response = await client.send(post(url, Authorization="Bearer key"))
        except ProviderError as error:
            return error
        return response.status, response.body

    async def main():
        vendor = Vendor(*[[WHOLE]] * times)
        async with (
            proxying(proxy, proxy_tls) as address,
            serving(vendor, tls=tls, proxy=address) as (client, url),
        ):
            return [await one(client, url) for _ in range(times)], vendor

    return run(main())


def test_a_request_without_tls_is_sent_to_the_proxy_whole():
    proxy = Proxy()
    outcomes, vendor = ask(proxy)
    assert outcomes == [HELLO]
    (head,) = proxy.heads
    assert head.startswith(b"POST http://localhost:")
    assert b"Proxy-Authorization: " + BASIC in head
    assert b"Authorization: Bearer key" in vendor.requests[0]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_one_with_tls_through_a_tunnel_that_the_proxy_cannot_look_into(tls, run):
    proxy = Proxy()
    outcomes, vendor = ask(proxy, tls=tls, times=3, run=run)
    assert outcomes == [HELLO] * 3
    (head,) = proxy.heads  # the connection is kept
    assert head.startswith(b"CONNECT localhost:")
    assert b"Proxy-Authorization: " + BASIC in head
    assert b"Bearer key" not in head
    assert not [request for request in vendor.requests if b"Proxy-Authorization" in request]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_the_proxy_itself_may_speak_tls(tls, run):
    proxy = Proxy()
    outcomes, _ = ask(proxy, tls=tls, proxy_tls=tls, run=run)
    assert outcomes == [HELLO]
    assert proxy.heads[0].startswith(b"CONNECT localhost:")


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_refused_tunnel_is_not_taken_for_the_vendors_response(tls, status):
    (error,), vendor = ask(Proxy(status), tls=tls)
    assert (error.status, error.code) == (502, "proxy_error")
    assert error.message == f"The proxy before the provider 'acme' responded with status {status}."
    assert not vendor.requests


def test_nor_is_a_request_without_tls_that_the_proxy_wants_a_password_for():
    (error,), vendor = ask(Proxy(407))
    assert (error.status, error.code) == (502, "proxy_error")
    assert error.message == "The proxy before the provider 'acme' responded with status 407."
    assert not vendor.requests


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_proxy_listens(closed_port, scheme):
    async def main():
        proxy = f"http://u:secret@127.0.0.1:{closed_port}"
        client = open_upstream("acme", ProviderOptions(type="t", proxy=proxy), room())
        with pytest.raises(ProviderError) as caught:
            await client.send(post(f"{scheme}://vendor.test/v1"))
        await client.close()
        return caught.value

    error = asyncio.run(main())
    assert (error.status, error.code) == (502, "proxy_error")
    assert error.message == "The proxy before the provider 'acme' cannot be reached."


def test_the_environment_decides_unless_the_provider_does():
    async def reaches(proxy, option):
        async with proxying(proxy) as address:
            options, environ = ProviderOptions(type="t", proxy=option), {"http_proxy": address}
            client = open_upstream("acme", options, room(), environ)
            try:
                # No such host: only a proxy that refuses can have been asked.
                await client.send(post("http://vendor.invalid/v1"))
            except ProviderError as error:
                return error.code
            finally:
                await client.close()

    async def main():
        proxy = Proxy(407)
        return [await reaches(proxy, option) for option in ("environment", "none", "")]

    assert asyncio.run(main()) == ["proxy_error", "connection_error", "connection_error"]


class Echo(WebSocketHandler):
    def on_message(self, message):
        self.write_message(message)


@pytest.mark.parametrize("status", [200, 407])
def test_websockets_go_through_it_as_well(tls, status):
    async def main():
        server = HTTPServer(Application([("/v1", Echo)]), ssl_options=tls)
        sockets = bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        proxy = Proxy(status)
        async with proxying(proxy) as address:
            client = open_upstream("acme", ProviderOptions(type="t", proxy=address), room())
            try:
                url = f"wss://localhost:{sockets[0].getsockname()[1]}/v1"
                async with client.connect(post(url)) as socket:
                    await socket.send("hello")
                    return await socket.receive(), proxy
            except ProviderError as error:
                return error.code, proxy
            finally:
                await client.close()
                server.stop()
                await server.close_all_connections()

    outcome, proxy = asyncio.run(main())
    assert outcome == ("hello" if status == 200 else "proxy_error")
    assert proxy.heads[0].startswith(b"CONNECT localhost:")
