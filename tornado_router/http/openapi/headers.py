"""The headers that the document describes: of responses, and of requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tornado_router.http.openapi.schemas import COUNT, TEXT
from tornado_router.validation.schema import Schema


def _header(description: str, schema: Schema = TEXT, **more: Any) -> dict[str, Any]:
    return {"description": description, **more, "schema": schema}


EVERY_RESPONSE = ("X-Request-Id", "X-Content-Type-Options")

ROUTING = ("X-Router-Target", "X-Router-Attempts", "X-Router-Overhead-Ms")
"""Of calls that reached a target, successful or not."""

RATE_LIMITS = tuple(
    f"X-RateLimit-{what}-{of}"
    for of in ("Requests", "Tokens")
    for what in ("Limit", "Remaining", "Reset")
)
"""Of calls that a limit applies to."""

RETRY = ("Retry-After", "Retry-After-Ms", "X-Should-Retry")

CALL_RESPONSE = (
    *ROUTING,
    "X-Router-Dropped-Params",
    "X-Router-Adapted-Params",
    "X-Router-Cost",
    "X-Router-Cache",
    "Age",
    *RATE_LIMITS,
)

_ALWAYS_SENT: dict[str, Any] = {"required": True}

RESPONSE_HEADERS: Mapping[str, dict[str, Any]] = {
    "X-Request-Id": _header(
        "The request's id: the client's own, if it sent a valid one. Quote it when reporting a "
        "problem.",
        **_ALWAYS_SENT,
        example="req_187c3a5b2f40e1d20a9c44f1b7d3e856",
    ),
    "X-Content-Type-Options": _header(
        "Keeps browsers from guessing a media type.",
        {"type": "string", "const": "nosniff"},
        **_ALWAYS_SENT,
    ),
    "X-Router-Target": _header(
        "The `provider/model` that served the call; absent from cached responses.",
        example="openai/gpt-4o-mini",
    ),
    "X-Router-Attempts": _header("How many attempts were made.", COUNT, example=1),
    "X-Router-Overhead-Ms": _header(
        "Milliseconds the call spent inside the router before its response began.",
        {"type": "number"},
        example=1.42,
    ),
    "X-Router-Dropped-Params": _header(
        "Parameters of the request that the provider has no equivalent for and that were left out, "
        "separated by commas.",
        example="logit_bias, seed",
    ),
    "X-Router-Adapted-Params": _header(
        "A parameter that the provider got otherwise than it was sent, and its value: the bound of "
        "a response, where money is short.",
        example="max_completion_tokens=1600",
    ),
    "X-Router-Cost": _header(
        "What the call costs, in US dollars: of whole responses by a model that has a price.",
        example="0.000135",
    ),
    "X-Router-Cache": _header(
        "Whether the response came from the response cache; absent if the request does not use it.",
        {"type": "string", "enum": ["hit", "miss"]},
    ),
    "Age": _header("Seconds since a cached response was made.", COUNT),
    **{
        f"X-RateLimit-{what}-{of}": _header(f"{text} {of.lower()}{rest}", schema)
        for of in ("Requests", "Tokens")
        for what, text, rest, schema in (
            ("Limit", "The most", " per minute.", COUNT),
            ("Remaining", "The", " left at the moment.", COUNT),
            ("Reset", "When all", " are available again, such as `6m0s`.", TEXT),
        )
    },
    "Retry-After": _header(
        "When to retry: seconds, or a date that the provider sent. Absent where waiting does not "
        "help.",
        example="2",
    ),
    "Retry-After-Ms": _header("The same in milliseconds, for OpenAI's SDKs.", COUNT),
    "X-Should-Retry": _header(
        "`false` where waiting does not help, for OpenAI's SDKs.",
        {"type": "string", "enum": ["false"]},
    ),
    "WWW-Authenticate": _header(
        "The scheme to authenticate with.", {"type": "string", "const": "Bearer"}, **_ALWAYS_SENT
    ),
    "No-Store": _header(
        "Responses are not to be cached.", {"type": "string", "const": "no-store"}, **_ALWAYS_SENT
    ),
    "Revalidate": _header(
        "Responses may be cached, but must be revalidated with `If-None-Match`.",
        {"type": "string", "const": "no-cache"},
        **_ALWAYS_SENT,
    ),
    "ETag": _header("Identifies this version, for `If-None-Match`.", **_ALWAYS_SENT),
    "Location": _header("Where the page is, relative to this one.", **_ALWAYS_SENT),
    "Content-Disposition": _header("Of CSV: suggests a name for the file."),
}
"""Header Objects by their name among the components: the header's own, but for `SENT_AS`."""

SENT_AS = {"No-Store": "Cache-Control", "Revalidate": "Cache-Control"}

REQUEST_HEADERS: Mapping[str, dict[str, Any]] = {
    name: {"name": name, "in": "header", **header}
    for name, header in {
        "X-Request-Id": _header(
            "An id for the request; it is returned, logged, and recorded with the call's usage. "
            "Up to 128 letters, digits and `._:/+=@-`; anything else is replaced by a new id.",
        ),
        "X-Router-Target": _header(
            "Picks one of the route's targets, as `provider/model`. Read only with "
            "`request_headers = true` in `[routing]`.",
        ),
        "X-Router-Cost": _header(
            "`true` for the cost, in US dollars, as `cost` in the usage of a stream.",
        ),
        "Cache-Control": _header(
            "Controls the response cache: `no-store`, `no-cache`, `max-age=SECONDS`, or "
            "`only-if-cached`, which is a 504 without a cached response.",
        ),
        "traceparent": _header(
            "W3C Trace Context: the span that the call belongs to. Read with `[otel]`.",
        ),
        "tracestate": _header("W3C Trace Context, beside `traceparent`."),
        "If-None-Match": _header(
            "An `ETag` received before; if it still holds, the response is a 304."
        ),
    }.items()
}
"""Parameter Objects by the header's name."""

TRACE = ("traceparent", "tracestate")
CALL_REQUEST = ("X-Router-Target", "X-Router-Cost", "Cache-Control", *TRACE)


def response_headers(names: Iterable[str]) -> dict[str, Any]:
    """References to response headers, by the name that they are sent under."""
    return {
        SENT_AS.get(name, name): {"$ref": f"#/components/headers/{name}"}
        for name in (*EVERY_RESPONSE, *names)
    }


def request_headers(names: Iterable[str]) -> list[dict[str, Any]]:
    """References to the parameters of a request's headers."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in ("X-Request-Id", *names)]
