"""Which web pages may call the router from a browser: https://fetch.spec.whatwg.org/#http-cors-protocol."""

from __future__ import annotations

from collections.abc import Mapping

from tornado_router.config.options import CorsOptions

METHODS = "GET, POST, PATCH, PUT, DELETE"

EXPOSED = (
    "Age, Retry-After, X-Request-Id, X-Router-Target, X-Router-Attempts, X-Router-Overhead-Ms, "
    "X-Router-Cache, X-Router-Dropped-Params, "
    "X-RateLimit-Limit-Requests, X-RateLimit-Remaining-Requests, X-RateLimit-Reset-Requests, "
    "X-RateLimit-Limit-Tokens, X-RateLimit-Remaining-Tokens, X-RateLimit-Reset-Tokens"
)
"""Headers of an answer that a page may read."""


def answer_headers(options: CorsOptions, origin: str | None) -> dict[str, str]:
    """What an answer says to the browser that asked for it.

    Args:
        options: of the deployment.
        origin: header of the request.

    Returns:
        Headers; none at all where no page may call.
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


def is_allowed(options: CorsOptions, origin: str) -> bool:
    """Whether pages of an origin may call."""
    return origin in options.origins or "*" in options.origins


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks what it may ask."""
    return method == "OPTIONS" and "Access-Control-Request-Method" in headers


def preflight_headers(options: CorsOptions, headers: Mapping[str, str]) -> dict[str, str]:
    """The answer to a preflight of an allowed origin.

    Nobody is let in by it: keys and tokens travel in `Authorization`, which a page has to know.

    Args:
        options: of the deployment.
        headers: of the request.
    """
    return {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": headers.get("Access-Control-Request-Headers", ""),
        "Access-Control-Max-Age": str(options.max_age_seconds),
    }
