"""The headers of a response that the router adds: what served it, and from where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote

from tornado_router.calls.response_cache import CachedResponse
from tornado_router.routing.routes import Target

MAX_HEADER = 2048

_IN_HEADER = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"
"""What may stand in a header as it is, beside letters and digits."""


def target_headers(target: Target, attempts: int, overhead: float) -> dict[str, str]:
    """What served a call, after how many attempts, and the router's own seconds."""
    return {
        "x-router-target": _shown(target),
        "x-router-attempts": str(attempts),
        "x-router-overhead-ms": f"{overhead * 1000:.2f}",
    }


def cache_headers(cached: CachedResponse | None) -> dict[str, str]:
    """Whether the response to a cacheable call came from the cache, and its age."""
    if cached is None:
        return {"x-router-cache": "miss"}
    return {"x-router-cache": "hit", "age": str(int(cached.age))}


def change_headers(dropped: Sequence[str], adapted: Mapping[str, int]) -> dict[str, str]:
    """The parameters that a provider did not get as the client sent them.

    Args:
        dropped: those that were left out: their names are the client's, and may hold anything.
        adapted: those that the router set, with their values.
    """
    headers = {}
    if dropped:
        shown = ", ".join(quote(name, safe="[]._-") for name in dropped)
        headers["x-router-dropped-params"] = shown[:MAX_HEADER]
    if adapted:
        shown = ", ".join(f"{name}={value}" for name, value in adapted.items())
        headers["x-router-adapted-params"] = shown
    return headers


@lru_cache(maxsize=1000)
def _shown(target: Target) -> str:
    """A target in a header: a model's name may be the client's, and hold anything."""
    return quote(target.title, safe=_IN_HEADER)
