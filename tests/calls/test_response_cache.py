"""Which requests are equal, and what they may ask of the cache."""

import asyncio
import json
from dataclasses import replace

import pytest

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls import response_cache
from tornado_router.calls.response_cache import CacheControl, ResponseCache, read_cache_control
from tornado_router.calls.stores import ProcessStore
from tornado_router.config.options import CacheOptions
from tornado_router.provider import Call, CallFile
from tornado_router.routing.routes import Route, Target

ROUTE = Route((Target("a", "x"),), cache_seconds=60)
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
DEFAULTS = CacheControl()
ME = Key(id=1, user_id=1, name="mine")


def call(endpoint="chat.completions", **changes):
    body = {**BODY, **changes}
    raw = json.dumps(body).encode()
    return Call("req_1", endpoint, body["model"], body, raw, bool(body.get("stream")))


class World:
    def __init__(self, **options):
        self.store = ProcessStore(10_000)
        self.use(**options)

    def use(self, fingerprint="", **options):
        """What a reload does."""
        self.cache = ResponseCache(self.store, CacheOptions(**options), {"a": fingerprint})

    def entry(self, asked=None, key=ME, route=ROUTE, control=DEFAULTS, variant=""):
        return self.cache.entry(route, asked or call(), key, control, variant)

    def put(self, data=b"response", dropped=(), **asked):
        asyncio.run(self.entry(**asked).put(data, dropped))

    def get(self, **asked):
        entry = self.entry(**asked)
        return asyncio.run(entry.get()) if entry else None


@pytest.mark.parametrize(
    ("header", "control"),
    [
        ("", CacheControl()),
        ("no-cache", CacheControl(read=False)),
        ("no-store", CacheControl(read=False, write=False)),
        ("max-age=30", CacheControl(max_age=30)),
        ('Max-Age="30" , no-transform', CacheControl(max_age=30)),
        ("max-age=soon, max-age=-1, public, =", CacheControl()),
        ("only-if-cached", CacheControl(only_if_cached=True)),
        ("NO-CACHE,only-if-cached", CacheControl(read=False, only_if_cached=True)),
    ],
)
def test_cache_control(header, control):
    assert read_cache_control(header) == control


def test_a_hit_has_the_bytes_and_what_was_dropped():
    world = World()
    assert world.get() is None
    world.put(b"line\nline", dropped=("seed",))
    found = world.get()
    assert (found.data, found.dropped) == (b"line\nline", ("seed",))
    assert 0 <= found.age < 60


def test_the_order_of_keys_makes_no_difference():
    world = World()
    world.put()
    assert world.get(asked=call(**dict(reversed(BODY.items()))))


@pytest.mark.parametrize(
    "other",
    [
        {"asked": call(model="n")},
        {"asked": call(temperature=0, seed=1)},
        {"asked": call(stream=True)},
        {"asked": call("embeddings")},
        {"key": Key(id=2, user_id=2, name="yours")},
        {"route": replace(ROUTE, targets=(Target("b", "x"),))},
        {"variant": "asked"},
    ],
    ids=str,
)
def test_whatever_else_differs_does(other):
    world = World()
    world.put()
    assert world.entry(**other)
    assert world.get(**other) is None


def test_so_do_headers_of_the_api():
    world = World()
    with_beta = replace(call(), headers={"anthropic-beta": "context-1m"})
    world.put(b"plain")
    assert world.get(asked=with_beta) is None
    world.put(b"beta", asked=with_beta)
    assert (world.get().data, world.get(asked=with_beta).data) == (b"plain", b"beta")


def test_calls_with_files_are_not_compared():
    asked = replace(call(), files=[CallFile("file", "a.wav", "audio/wav")])
    assert World().entry(asked) is None


def test_ignored_fields_make_no_difference():
    world = World(ignore_fields=("user", "metadata"))
    world.put(asked=call(user="a", metadata={"n": 1}))
    assert world.get(asked=call(user="b"))
    assert world.get()
    assert world.get(asked=call(user="b", seed=1)) is None
    world.use()
    assert world.get(asked=call(user="b")) is None


def test_a_provider_that_has_changed_is_asked_again():
    world = World(fingerprint="1")
    world.put()
    world.use(fingerprint="2")
    assert world.get() is None
    world.use(fingerprint="1")
    assert world.get()


@pytest.mark.parametrize(
    ("scope", "shared"),
    [("user", (True, False)), ("key", (False, False)), ("everybody", (True, True))],
)
def test_scope(scope, shared):
    world = World(scope=scope)
    world.put()
    keys = Key(id=9, user_id=1, name="my other"), Key(id=2, user_id=2, name="yours")
    assert tuple(bool(world.get(key=key)) for key in keys) == shared


@pytest.mark.parametrize(
    ("most", "given", "cached"),
    [(0, 0, True), (0, 0.1, False), (0, None, False), (1, None, True), (0.5, 0.5, True)],
)
def test_temperature(most, given, cached):
    route = replace(ROUTE, cache_max_temperature=most)
    assert bool(World().entry(call(temperature=given), route=route)) is cached


def test_embeddings_have_no_temperature():
    assert World().entry(Call("r", "embeddings", "m", {"input": "x"}, b"", False))


def test_a_route_without_seconds_caches_nothing():
    assert World().entry(route=replace(ROUTE, cache_seconds=0)) is None


def test_a_number_that_is_too_large_is_no_reason_to_fail():
    assert World().entry(call(seed=10**30)) is None


def test_what_a_request_asks_of_the_cache():
    world = World()
    world.put(control=CacheControl(write=False, max_age=1))
    assert world.get() is None
    world.put(control=CacheControl(read=False))
    assert world.get()
    assert world.get(control=CacheControl(read=False)) is None
    assert world.entry(control=CacheControl(read=False, write=False)) is None


def test_age(monkeypatch):
    world = World()
    world.put()
    later = response_cache.time.time() + 31
    monkeypatch.setattr(response_cache.time, "time", lambda: later)
    assert world.get(control=CacheControl(max_age=30)) is None
    assert world.get(control=CacheControl(max_age=32)).age == pytest.approx(31, abs=1)


def test_what_a_reload_makes_too_old_is_a_miss(monkeypatch):
    world = World()
    world.put()
    later = response_cache.time.time() + 31
    monkeypatch.setattr(response_cache.time, "time", lambda: later)
    assert world.get(route=replace(ROUTE, cache_seconds=32))
    assert world.get(route=replace(ROUTE, cache_seconds=30)) is None
    assert (
        world.get(route=replace(ROUTE, cache_seconds=30), control=CacheControl(max_age=60)) is None
    )


@pytest.mark.parametrize(
    "stored",
    [
        *(b"", b"\n", b"\0\xff", b"response", b'{"choices": []}\ndata', b"5\ndata", b"null\ndata"),
        *(b"[1]\ndata", b"[1, [], 2]\ndata", b'["then", []]\ndata', b"[1, 5]\ndata", b"[1, []]"),
        *(b"[null, []]\ndata", b"[" * 2000 + b"\ndata"),
    ],
)
def test_what_cannot_be_read_is_a_miss_and_is_replaced(stored):
    world = World()
    world.put()
    (key,) = world.store._values
    asyncio.run(world.store.put({key: stored}, 60))
    assert world.get() is None
    world.put()
    assert world.get().data == b"response"


def test_keys_have_the_version_of_the_format(monkeypatch):
    world = World()
    world.put()
    monkeypatch.setattr(response_cache, "FORMAT", response_cache.FORMAT + 1)
    assert world.get() is None


def test_a_large_response_is_not_cached():
    world = World(max_answer_bytes=5)
    world.put(b"123456")
    assert world.get() is None
    world.put(b"12345")
    assert world.get()
