"""Redis behind TLS: everybody who connects verifies it, and says what is wrong with it."""

import asyncio
import ssl

import pytest
import trustme
from loguru import logger

from tornado_router.accounts.redis_invalidation import RedisPublisher
from tornado_router.config.options import RedisOptions
from tornado_router.redis.link import RedisLink
from tornado_router.redis.protocol import RedisAwayError
from tornado_router.redis.store import RedisStore, clear
from tornado_router.redis.subscription import RedisSubscription
from tornado_router.redis.tls import check_redis, explain, redis_context

from ..servers import own_redis, tls_proxy
from ..support import DEADLINE


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with own_redis(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def ca(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def log():
    lines = []
    sink = logger.add(lines.append, format="{message}", level="INFO")
    yield lines
    logger.remove(sink)


def behind_tls(redis, certificate, story, **options):
    """Runs a story with the options that lead to a Redis behind TLS."""

    async def run():
        async with tls_proxy(redis.port, certificate) as port:
            base = {"host": "127.0.0.1", "port": port, "timeout": 5.0, "tls": True}
            return await story(RedisOptions(**base | options))

    return asyncio.run(run())


async def ping(options):
    link = RedisLink(options)
    try:
        return await link.call("PING")
    finally:
        await link.close()


class TestConnecting:
    def test_commands_and_values(self, redis, authority, ca):
        async def story(options):
            link = RedisLink(options)
            store = RedisStore(link, 1000)
            try:
                assert await link.call("PING") == b"PONG"
                await store.put({"key": b"value"}, 60)
                found = await store.get(["key", "other"])
                return found, await asyncio.to_thread(clear, options, "")
            finally:
                await store.close()
                await link.close()

        made = authority.issue_cert("127.0.0.1")
        assert behind_tls(redis, made, story, tls_ca=ca) == ([b"value", None], 1)

    def test_word_of_changes(self, redis, authority, ca):
        heard = []

        async def story(options):
            subscription = RedisSubscription(options)
            subscription.listen("tornado-router:changes", heard.append)
            async with asyncio.timeout(DEADLINE):
                while not subscription.live:  # noqa: ASYNC110 - nothing tells when
                    await asyncio.sleep(0.005)
                await publish(options, 7)
                while not heard:  # noqa: ASYNC110 - the same
                    await asyncio.sleep(0.005)
            await subscription.close()

        behind_tls(redis, authority.issue_cert("127.0.0.1"), story, tls_ca=ca)
        assert heard == [b"7"]


async def publish(options, user_id):
    link = RedisLink(options)
    try:
        await RedisPublisher(link).publish(user_id)
    finally:
        await link.close()


class TestRefusals:
    """Each in one line of the log, and nothing is sent."""

    def refused(self, redis, certificate, **options):
        async def story(options):
            with pytest.raises(RedisAwayError):
                await ping(options)
            store = RedisStore(Present(options), 1000)
            await store.put({"secret": b"value"}, 60)
            await store.close()
            await publish(options, 7)

        behind_tls(redis, certificate, story, **options)
        assert redis.ask("EXISTS", "tornado-router:secret") == 0

    def test_an_unknown_authority(self, redis, authority, log):
        self.refused(redis, authority.issue_cert("127.0.0.1"))
        assert log[0] == (
            "Redis is away: cannot connect: its certificate was not accepted: "
            "unable to get local issuer certificate\n"
        )

    def test_another_name(self, redis, authority, ca, log):
        self.refused(redis, authority.issue_cert("redis.example"), tls_ca=ca)
        assert "not accepted: IP address mismatch, certificate is not valid for" in log[0]

    def test_no_tls_on_that_port(self, redis, ca, log):
        with pytest.raises(RedisAwayError):
            asyncio.run(ping(RedisOptions(host="127.0.0.1", port=redis.port, tls=True, tls_ca=ca)))
        assert "Redis is away: cannot connect: " in log[0]

    def test_a_ca_file_is_trusted_and_the_system_s_are_not(self, ca):
        context = redis_context(RedisOptions(tls=True, tls_ca=ca))
        assert len(context.get_ca_certs()) == 1
        assert context.check_hostname
        assert context.verify_mode == ssl.CERT_REQUIRED


class Present:
    """A link to a Redis that is there, for whoever asks."""

    available = True

    def __init__(self, options):
        self.options = options


def test_a_user(tmp_path, log):
    with own_redis(tmp_path) as redis:
        redis.ask("ACL", "SETUSER", "router", "on", ">a-secret", "~*", "&*", "+@all")
        redis.ask("ACL", "SETUSER", "default", "off")
        options = {"host": "127.0.0.1", "port": redis.port, "timeout": 5.0}

        async def story():
            link = RedisLink(RedisOptions(**options, username="router", password="a-secret"))
            store = RedisStore(link, 1000)
            try:
                await link.call("PING")
                await store.put({"key": b"value"}, 60)
                return await store.get(["key"])
            finally:
                await store.close()
                await link.close()

        assert asyncio.run(story()) == [b"value"]
        with pytest.raises(RedisAwayError):
            asyncio.run(ping(RedisOptions(**options, username="router", password="wrong-secret")))
    assert "WRONGPASS" in log[0]
    assert "secret" not in "".join(log)


class TestChecking:
    def faults(self, **options):
        return [str(fault) for fault in check_redis(RedisOptions(**options))]

    def test_what_can_be_used(self, ca):
        assert self.faults() == []
        assert self.faults(tls=True) == []
        assert self.faults(tls=True, tls_ca=ca) == []

    def test_an_authority_without_tls(self, ca):
        assert self.faults(tls_ca=ca) == ["redis.tls_ca: has no effect without `tls = true`"]

    def test_a_file_that_is_not_there(self, tmp_path):
        path = tmp_path / "ca.pem"
        (fault,) = self.faults(tls=True, tls_ca=str(path))
        assert fault == f"redis.tls_ca: {path} cannot be read: No such file or directory"

    def test_a_file_that_is_none(self, tmp_path):
        path = tmp_path / "ca.pem"
        path.write_text("hello")
        (fault,) = self.faults(tls=True, tls_ca=str(path))
        assert fault == f"redis.tls_ca: {path} holds no PEM certificates"


def test_what_has_no_words_is_still_explained():
    assert explain(TimeoutError()) == "no response"
    assert explain(ConnectionRefusedError("refused")) == "refused"
