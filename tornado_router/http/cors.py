"""Which web pages may call the router from a browser: https://fetch.spec.whatwg.org/#http-cors-protocol."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from tornado_router.config.options import CorsOptions
from tornado_router.errors import Fault

METHODS = "GET, POST, PATCH, PUT, DELETE"

EXPOSED = (
    "Age, Content-Disposition, Retry-After, Retry-After-Ms, X-Should-Retry, X-Request-Id, "
    "X-Router-Target, X-Router-Attempts, X-Router-Overhead-Ms, "
    "X-Router-Cache, X-Router-Cost, X-Router-Dropped-Params, X-Router-Adapted-Params, "
    "X-RateLimit-Limit-Requests, X-RateLimit-Remaining-Requests, X-RateLimit-Reset-Requests, "
    "X-RateLimit-Limit-Tokens, X-RateLimit-Remaining-Tokens, X-RateLimit-Reset-Tokens, "
    "Request-Id, Anthropic-RateLimit-Requests-Limit, Anthropic-RateLimit-Requests-Remaining, "
    "Anthropic-RateLimit-Requests-Reset, Anthropic-RateLimit-Tokens-Limit, "
    "Anthropic-RateLimit-Tokens-Remaining, Anthropic-RateLimit-Tokens-Reset"
)
"""Headers of a response that a page may read."""

_ORIGIN = re.compile(
    r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?:[/?#].*)?"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def response_headers(options: CorsOptions, origin: str | None) -> dict[str, str]:
    """The headers by which a browser decides whether a page may read the response.

    Args:
        options: of the deployment.
        origin: header of the request.

    Returns:
        Nothing if no page may call.
    """
    if not options.origins:
        return {}
    if origin is None or not is_allowed(options, origin):
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": EXPOSED,
        "Vary": "Origin",
    }


def check_origins(origins: Sequence[str]) -> Iterator[Fault]:
    """The faults of `[cors] origins`: an origin that no browser sends has no effect."""
    for index, origin in enumerate(origins):
        where = f"cors.origins[{index}]"
        if origin == "*" or _as_sent(origin) == origin:
            continue
        if origin == "null":
            why = "`null` is what any local file sends, so it allows every page; if so, write `*`"
            yield Fault(where, why)
            continue
        meant = _as_sent(origin if "://" in origin else f"https://{origin}")
        message = f"is not `*` or an origin as browsers send it: {origin!r}; write "
        message += f"{meant!r}" if meant else "it as 'https://app.example.com', port included"
        yield Fault(where, message)


def _as_sent(origin: str) -> str | None:
    """An origin in the form that browsers send (RFC 6454, section 6.2), or None."""
    found = _ORIGIN.fullmatch(origin.lower())
    if not found:
        return None
    scheme, host, port = found.groups()
    if port is None or int(port) == _DEFAULT_PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{int(port)}"


def is_allowed(options: CorsOptions, origin: str) -> bool:
    """Whether pages of an origin may call."""
    return origin in options.origins or "*" in options.origins


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request is a preflight."""
    return method == "OPTIONS" and "Access-Control-Request-Method" in headers


def preflight_headers(options: CorsOptions, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of the response to a preflight of an allowed origin.

    They grant no access: keys and tokens travel in `Authorization`, which a page has to know.

    Args:
        options: of the deployment.
        headers: of the request.
    """
    return {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": headers.get("Access-Control-Request-Headers", ""),
        "Access-Control-Max-Age": str(options.max_age_seconds),
    }
