"""The headers that the router adds to a response."""

from tornado_router.calls.response_cache import CachedResponse
from tornado_router.calls.response_headers import (
    MAX_HEADER,
    cache_headers,
    change_headers,
    target_headers,
)
from tornado_router.routing.routes import Target


def test_what_served_a_call():
    assert target_headers(Target("p", "a b\r\nX: é"), 2, 0.0012345) == {
        "x-router-target": "p/a%20b%20%20X:%20%C3%A9",
        "x-router-attempts": "2",
        "x-router-overhead-ms": "1.23",
    }


def test_what_the_cache_had():
    assert cache_headers(None) == {"x-router-cache": "miss"}
    hit = cache_headers(CachedResponse(12.9, (), b""))
    assert hit == {"x-router-cache": "hit", "age": "12"}


def test_what_was_changed_of_the_request():
    assert change_headers((), {}) == {}
    assert change_headers(["seed", "messages[0].content[1]", "a,b"], {"max_tokens": 7}) == {
        "x-router-dropped-params": "seed, messages[0].content[1], a%2Cb",
        "x-router-adapted-params": "max_tokens=7",
    }


def test_a_header_is_never_too_long():
    headers = change_headers(["x" * 100] * 1000, {})
    assert len(headers["x-router-dropped-params"]) == MAX_HEADER
