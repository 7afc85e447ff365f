"""Gives an answer again to an equal request, where a route says so.

Equal is a request whose whole JSON body is, the order of its keys aside; a stream is answered by
a stream, of the same events. Requests steer it by `Cache-Control`, as RFC 9111 section 5.2.1 says.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from tornado_router.auth import Key
from tornado_router.config.options import CacheOptions
from tornado_router.errors import ApiError
from tornado_router.provider import Call
from tornado_router.routing import Route
from tornado_router.stores import Store

OPENAI_TEMPERATURE = 1.0
"""Of a request that names none: https://platform.openai.com/docs/api-reference/chat/create."""


class CacheWishes(NamedTuple):
    """What a request asks of the cache.

    Attributes:
        find: whether a kept answer will do.
        keep: whether the answer may be kept.
        max_age: seconds that a kept answer may be old; None for any age.
        only: whether nothing but a kept answer will do.
    """

    find: bool = True
    keep: bool = True
    max_age: float | None = None
    only: bool = False


class CachedAnswer(NamedTuple):
    """An answer that was kept.

    Attributes:
        age: seconds since it was made.
        dropped: parameters of the request that the provider left out.
        data: the bytes that the client got, of a body or of the events of a stream.
    """

    age: float
    dropped: tuple[str, ...]
    data: bytes


def read_cache_control(header: str) -> CacheWishes:
    """The wishes in a `Cache-Control` header; what is unknown there or makes no sense has none."""
    find, keep, only, max_age = True, True, False, None
    for directive in header.lower().split(","):
        name, _, value = directive.strip().partition("=")
        if name == "no-store":
            find = keep = False
        elif name == "no-cache":
            find = False
        elif name == "only-if-cached":
            only = True
        elif name == "max-age":
            seconds = value.strip('"')
            if seconds.isascii() and seconds.isdecimal():
                max_age = float(seconds)
    return CacheWishes(find, keep, max_age, only)


@dataclass(slots=True)
class CacheEntry:
    """Where the answer to one request is, or will be.

    Attributes:
        room: the most bytes that an answer may have to be kept; 0 if it may not be at all.
    """

    room: int
    _store: Store
    _key: str
    _seconds: float
    _wishes: CacheWishes

    async def find(self) -> CachedAnswer | None:
        """The answer that was kept, if there is one that will do.

        Raises:
            ApiError: 504, there is none, and the client wants no other.
        """
        answer = await self._read() if self._wishes.find else None
        if answer is None and self._wishes.only:
            raise ApiError(504, "There is no kept answer to this request.", code="not_cached")
        return answer

    async def keep(self, data: bytes, dropped: tuple[str, ...]) -> None:
        """Keeps an answer that went well, if it may be."""
        if len(data) <= self.room:
            head = orjson.dumps([time.time(), dropped])
            await self._store.put({self._key: head + b"\n" + data}, self._seconds)

    async def _read(self) -> CachedAnswer | None:
        (found,) = await self._store.get([self._key])
        if found is None:
            return None
        head, _, data = found.partition(b"\n")
        made_at, dropped = orjson.loads(head)
        age = max(0.0, time.time() - made_at)
        if self._wishes.max_age is not None and age > self._wishes.max_age:
            return None
        return CachedAnswer(age, tuple(dropped), data)


class ResponseCache:
    """Says where the answers to requests are kept.

    Args:
        store: that keeps them.
        options: who may be given them, and how large they may be.
    """

    def __init__(self, store: Store, options: CacheOptions) -> None:
        self._store = store
        self._options = options

    def entry(
        self, route: Route, call: Call, key: Key, wishes: CacheWishes, variant: str
    ) -> CacheEntry | None:
        """The place of a request's answer; None if it is neither to be found nor kept.

        Args:
            route: that serves it.
            call: what the client asked for.
            key: whose call it is.
            wishes: of the request.
            variant: tells apart requests that are equal and answered differently all the same.
        """
        if not route.cache_seconds or not (wishes.find or wishes.keep or wishes.only):
            return None
        if call.endpoint == "chat.completions" and not _is_cool(call, route):
            return None
        # A digest, so that nothing of a request can be read from Redis's keys.
        parts = [self._whose(key), call.endpoint, variant, route.targets, call.body]
        try:
            data = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            return None  # a number of more than 64 bits: no reason to refuse the call
        digest = hashlib.sha256(data).hexdigest()
        room = self._options.max_answer_bytes if wishes.keep else 0
        return CacheEntry(room, self._store, f"cache:{digest}", route.cache_seconds, wishes)

    def _whose(self, key: Key) -> str:
        scope = self._options.scope
        if scope == "everybody":
            return ""
        return f"key:{key.id}" if scope == "key" else f"user:{key.user_id}"


def _is_cool(call: Call, route: Route) -> bool:
    temperature = call.body.get("temperature")
    given = OPENAI_TEMPERATURE if temperature is None else float(temperature)
    return given <= route.cache_max_temperature
