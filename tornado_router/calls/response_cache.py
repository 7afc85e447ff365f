"""The exact-match response cache: an equal request gets the same response again.

Two requests are equal if their whole JSON bodies are, apart from the order of the keys and from
`ignore_fields`, and the API's own headers beside them; those with files are not compared. A stream
comes again as a stream of the same events. Requests steer the cache with `Cache-Control`, as RFC
9111 section 5.2.1 defines it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.stores import Store
from tornado_router.config.options import CacheOptions
from tornado_router.endpoints import ENDPOINTS
from tornado_router.provider import Call
from tornado_router.routing.routes import Route

KEY_PREFIX = "cache:"
"""What every key of the cache in its store begins with."""

FORMAT = 1
"""Of what is stored; part of each key, so that no version reads what another has written."""


class CacheControl(NamedTuple):
    """What a request asks of the cache.

    Attributes:
        read: whether a cached response may be used.
        write: whether the response may be cached.
        max_age: how old a cached response may be, in seconds; None for any age.
        only_if_cached: whether nothing but a cached response will do.
    """

    read: bool = True
    write: bool = True
    max_age: float | None = None
    only_if_cached: bool = False


class CachedResponse(NamedTuple):
    """A response from the cache.

    Attributes:
        age: seconds since it was made.
        dropped: parameters of the request that the provider left out.
        data: the bytes that the client got: a body, or the events of a stream.
    """

    age: float
    dropped: tuple[str, ...]
    data: bytes


def read_cache_control(header: str) -> CacheControl:
    """Reads a `Cache-Control` header; directives that are unknown or malformed are ignored."""
    read, write, only, max_age = True, True, False, None
    for directive in header.lower().split(","):
        name, _, value = directive.strip().partition("=")
        if name == "no-store":
            read = write = False
        elif name == "no-cache":
            read = False
        elif name == "only-if-cached":
            only = True
        elif name == "max-age":
            seconds = value.strip('"')
            if seconds.isascii() and seconds.isdecimal():
                max_age = float(seconds)
    return CacheControl(read, write, max_age, only)


@dataclass(slots=True)
class CacheEntry:
    """The place in the cache of the response to one request, cached already or not.

    Attributes:
        room: the most bytes that a response may have to be cached; 0 if it may not be at all.
    """

    room: int
    _store: Store
    _key: str
    _seconds: float
    _control: CacheControl

    async def get(self) -> CachedResponse | None:
        """The cached response, if there is one that the request accepts."""
        return await self._read() if self._control.read else None

    async def put(self, data: bytes, dropped: tuple[str, ...]) -> None:
        """Caches a successful response, if the request allows it and the response fits."""
        if len(data) <= self.room:
            stored = _pack(time.time(), dropped, data)
            await self._store.put({self._key: stored}, self._seconds)

    async def _read(self) -> CachedResponse | None:
        (stored,) = await self._store.get([self._key])
        response = _unpack(stored) if stored is not None else None
        if response is None:
            return None
        # A reload may have shortened the route's time since it was stored.
        max_age = self._seconds if self._control.max_age is None else self._control.max_age
        return response if response.age <= min(max_age, self._seconds) else None


class ResponseCache:
    """Finds the entry of each request.

    Args:
        store: where the responses are.
        options: how they are shared, and how large they may be.
        fingerprints: of the providers, by name; when one changes, its responses before are not
            used any more.
    """

    def __init__(
        self, store: Store, options: CacheOptions, fingerprints: Mapping[str, str]
    ) -> None:
        self._store = store
        self._options = options
        self._fingerprints = fingerprints

    def entry(
        self, route: Route, call: Call, key: Key, control: CacheControl, variant: str
    ) -> CacheEntry | None:
        """The entry of a request; None if its response is neither to be read nor written.

        Args:
            route: that serves it.
            call: what the client asked for.
            key: whose call it is.
            control: what the request asks of the cache.
            variant: distinguishes equal requests whose responses differ all the same.
        """
        if not route.cache_seconds or not (control.read or control.write) or call.files:
            return None
        endpoint = ENDPOINTS[call.endpoint]
        if endpoint.is_media:
            return None
        temperature = endpoint.ask(call).temperature()
        if temperature is not None and temperature > route.cache_max_temperature:
            return None
        targets = [
            (target.provider, self._fingerprints.get(target.provider), target.model)
            for target in route.targets
        ]
        try:
            name = _key([self._whose(key), call.endpoint, variant, targets, *self._compared(call)])
        except TypeError:
            return None  # an integer of more than 64 bits: no reason to refuse the call
        room = self._options.max_answer_bytes if control.write else 0
        return CacheEntry(room, self._store, name, route.cache_seconds, control)

    def _compared(self, call: Call) -> list[Mapping[str, Any]]:
        body, ignored = call.body, self._options.ignore_fields
        if ignored:
            body = {name: value for name, value in body.items() if name not in ignored}
        return [body, call.headers] if call.headers else [body]

    def _whose(self, key: Key) -> str:
        scope = self._options.scope
        if scope == "everybody":
            return ""
        return f"key:{key.id}" if scope == "key" else f"user:{key.user_id}"


def _key(parts: Sequence[Any]) -> str:
    """A digest, so that Redis's keys reveal nothing of a request."""
    data = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    return f"{KEY_PREFIX}{FORMAT}:{hashlib.sha256(data).hexdigest()}"


def _pack(made_at: float, dropped: Sequence[str], data: bytes) -> bytes:
    return orjson.dumps([made_at, dropped]) + b"\n" + data


def _unpack(stored: bytes) -> CachedResponse | None:
    """What was stored; None if it is nothing that `_pack` makes."""
    head, newline, data = stored.partition(b"\n")
    try:
        made_at, dropped = orjson.loads(head)
        age = max(0.0, time.time() - made_at)
        names = tuple(map(str, dropped))
    except (TypeError, ValueError):
        return None
    return CachedResponse(age, names, data) if newline else None
