"""Names that are looked up again, addresses that are tried side by side, and TLS."""

import asyncio
import datetime
import socket
import ssl

import pytest
import trustme
import uvloop

from tornado_router.calls.upstream import connecting
from tornado_router.calls.upstream.connecting import Connector, Names
from tornado_router.calls.upstream.failures import UnreachableError
from tornado_router.calls.upstream.request_head import Origin
from tornado_router.errors import ProviderError

from ...support import no_descriptors
from .vendor import WHOLE, Vendor, post, serving

pytestmark = pytest.mark.usefixtures("llhttp_client")

RUNS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


def address(host, port=80):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    place = (host, port, 0, 0) if ":" in host else (host, port)
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place)


class Resolver:
    """Takes the place of the loop's `getaddrinfo`."""

    def __init__(self, *hosts):
        self.hosts = list(hosts)
        self.asked = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def __call__(self, host, port, **_):
        self.asked += 1
        await self.goes_on.wait()
        if not self.hosts:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [address(item, port) for item in self.hosts]


@pytest.fixture
def resolving(monkeypatch):
    """Runs a test with a resolver on asyncio's loop, whose clock can be set forward."""

    def run(test, *hosts):
        async def main():
            loop, resolver = asyncio.get_running_loop(), Resolver(*hosts)
            loop.getaddrinfo = resolver
            return await test(resolver)

        return asyncio.run(main())

    return run


def places(addresses):
    return [item[4][0] for item in addresses]


class TestNames:
    def test_are_looked_up_again_after_a_while(self, resolving, monkeypatch):
        async def test(resolver):
            names = Names()
            for _ in range(3):
                assert places(await names.find("h", 80)) == ["192.0.2.1"]
            assert resolver.asked == 1
            resolver.hosts = ["192.0.2.2"]
            now = asyncio.get_running_loop().time
            later = connecting.NAME_SECONDS + 1
            monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now() + later)
            assert places(await names.find("h", 80)) == ["192.0.2.2"]
            assert resolver.asked == 2
            assert len(names._found) == 1

        resolving(test, "192.0.2.1")

    def test_at_once_if_no_address_responds(self, resolving, closed_port):
        async def test(resolver):
            connector = Connector()
            for count in (1, 2):
                with pytest.raises(UnreachableError, match=r"Connect call failed|refused"):
                    await connector.connect(Origin("h", closed_port, False), asyncio.Protocol)
                assert resolver.asked == count

        resolving(test, "127.0.0.1")

    def test_by_one_request_for_all(self, resolving):
        async def test(resolver):
            names, loop = Names(), asyncio.get_running_loop()
            resolver.goes_on.clear()
            first, *others = [loop.create_task(names.find("h", 80)) for _ in range(5)]
            await asyncio.sleep(0)
            first.cancel()  # the others still get what it has asked for
            resolver.goes_on.set()
            for found in await asyncio.gather(*others):
                assert places(found) == ["192.0.2.1"]
            assert resolver.asked == 1

        resolving(test, "192.0.2.1")

    def test_all_addresses_get_their_share(self, resolving):
        async def test(resolver):
            names = Names()
            firsts = [places(await names.find("h", 80))[0] for _ in range(4)]
            assert firsts == ["192.0.2.1", "192.0.2.2"] * 2

        resolving(test, "192.0.2.1", "192.0.2.2")

    def test_one_that_is_not_known_fails_each_time(self, resolving):
        async def test(resolver):
            names = Names()
            for _ in range(2):
                with pytest.raises(socket.gaierror):
                    await names.find("h", 80)
            assert resolver.asked == 2
            assert names._found == names._running == {}

        resolving(test)

    def test_closing_ends_a_look_up(self, resolving):
        async def test(resolver):
            names = Names()
            resolver.goes_on.clear()
            task = asyncio.get_running_loop().create_task(names.find("h", 80))
            await asyncio.sleep(0)
            await names.close()
            with pytest.raises(asyncio.CancelledError):
                await task

        resolving(test, "192.0.2.1")


class TestAddresses:
    def test_one_that_hangs_holds_nothing_up(self, resolving, full_port, monkeypatch):
        """The next is tried beside it, and not after it has taken all of the time."""

        async def test(resolver):
            vendor = Vendor([WHOLE])
            async with serving(vendor, connect_timeout=20) as (client, url):
                port = int(url.rsplit(":", 1)[1].split("/")[0])

                async def look_up(host, _, **__):
                    return [address("127.0.0.1", full_port), address("127.0.0.1", port)]

                asyncio.get_running_loop().getaddrinfo = look_up
                begun = asyncio.get_running_loop().time()
                response = await client.send(post("http://vendor.test/v1"))
                assert response.body == b"hello"
                assert asyncio.get_running_loop().time() - begun < 15

        resolving(test, "127.0.0.1")

    @RUNS
    def test_a_process_without_descriptors_waits_for_one(self, run):
        async def test():
            async with serving(Vendor([WHOLE])) as (client, url):
                with no_descriptors(seconds=0.3):
                    return (await client.send(post(f"{url}/v1"))).body

        assert run(test()) == b"hello"

    def test_nor_one_that_refuses(self, resolving, closed_port):
        async def test(resolver):
            vendor = Vendor([WHOLE])
            async with serving(vendor) as (client, url):
                port = int(url.rsplit(":", 1)[1].split("/")[0])

                async def look_up(host, _, **__):
                    return [address("127.0.0.1", closed_port), address("127.0.0.1", port)]

                asyncio.get_running_loop().getaddrinfo = look_up
                return (await client.send(post("http://vendor.test/v1"))).body

        assert resolving(test, "127.0.0.1") == b"hello"

    @RUNS
    def test_of_ipv6(self, run):
        async def main():
            vendor = Vendor([WHOLE])
            try:
                server = await asyncio.start_server(vendor.handle, "::1", 0)
            except OSError:
                pytest.skip("no IPv6 here")
            port = server.sockets[0].getsockname()[1]
            async with serving(Vendor()) as (client, _):
                response = await client.send(post(f"http://[::1]:{port}/v1"))
            server.close()
            return response.body, vendor.requests[0], port

        body, request, port = run(main())
        assert body == b"hello"
        assert b"\r\nHost: [::1]:%d\r\n" % port in request

    def test_a_name_that_is_not_known(self):
        async def main():
            async with serving(Vendor()) as (client, _):
                with pytest.raises(ProviderError) as caught:
                    await client.send(post("http://vendor.invalid/v1"))
            return caught.value

        error = asyncio.run(main())
        assert (error.status, error.code) == (502, "connection_error")
        assert error.words.startswith("vendor.invalid: ")


def outcome(vendor, tls, run, seconds=10):
    """What comes of a request with TLS, and whether the vendor saw it."""

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's side
        async with serving(vendor, tls=tls, connect_timeout=seconds) as (client, url):
            secure = url.replace("http:", "https:")
            try:
                return [(await client.send(post(secure))).body for _ in range(2)]
            except ProviderError as error:
                return error
            finally:
                assert client.pool.in_use == 0

    return run(main())


@RUNS
class TestTLS:
    @pytest.fixture(scope="class")
    def authority(self):
        return trustme.CA()

    @pytest.fixture(autouse=True)
    def trust(self, authority, monkeypatch):
        context = ssl.create_default_context()
        authority.configure_trust(context)
        monkeypatch.setattr(connecting, "trusted", lambda: context)

    def context(self, authority, name, **how):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name, **how).configure_cert(made)
        return made

    def test_the_right_name(self, run, authority):
        names = []
        tls = self.context(authority, "localhost")
        tls.sni_callback = lambda _, name, __: names.append(name)
        vendor = Vendor([WHOLE], [WHOLE])
        assert outcome(vendor, tls, run) == [b"hello", b"hello"]
        assert vendor.connections == 1
        assert names == ["localhost"]

    def test_another_name(self, run, authority):
        vendor = Vendor([WHOLE])
        error = outcome(vendor, self.context(authority, "other.test"), run)
        assert error.code == "tls_error"
        assert "localhost" in error.words
        assert vendor.requests == []

    def test_one_that_has_expired(self, run, authority):
        past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        vendor = Vendor([WHOLE])
        error = outcome(vendor, self.context(authority, "localhost", not_after=past), run)
        assert error.code == "tls_error"
        assert "expired" in error.words
        assert vendor.requests == []

    def test_an_authority_that_is_not_trusted(self, run):
        vendor = Vendor([WHOLE])
        error = outcome(vendor, self.context(trustme.CA(), "localhost"), run)
        assert error.code == "tls_error"
        assert vendor.requests == []

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
    def test_a_version_that_is_too_old(self, run, authority):
        tls = self.context(authority, "localhost")
        tls.set_ciphers("ALL:@SECLEVEL=0")
        tls.minimum_version = ssl.TLSVersion.TLSv1
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
        error = outcome(Vendor([WHOLE]), tls, run)
        assert error.status == 502

    def test_no_tls(self, run):
        class Plain(Vendor):
            async def handle(self, reader, writer):
                writer.write(WHOLE)
                writer.close()

        error = outcome(Plain(), None, run)
        assert (error.status, error.code) == (502, "tls_error")

    def test_a_handshake_that_ends(self, run):
        class Closing(Vendor):
            async def handle(self, reader, writer):
                await reader.read(1)
                writer.close()

        error = outcome(Closing(), None, run)
        assert (error.status, error.code) == (502, "connection_error")

    def test_one_that_does_not(self, run):
        class Silent(Vendor):
            async def handle(self, reader, writer):
                while await reader.read(65536):
                    pass
                writer.close()

        error = outcome(Silent(), None, run, seconds=0.2)
        assert (error.status, error.code) == (504, "timeout")
        assert "could not be connected to in time" in error.message
