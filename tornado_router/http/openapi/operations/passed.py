"""What `[passthrough]` serves, as the objects of its endpoints describe it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tornado_router.calls.passed.rules import ServedPath
from tornado_router.endpoints.passed import KINDS, PASSED
from tornado_router.http.handlers.passed import PassedHandler
from tornado_router.http.openapi.headers import RATE_LIMITS, ROUTING
from tornado_router.http.openapi.operations.base import JSON, VENDOR, Operation
from tornado_router.validation.schema import Schema

TAG = "Kept by vendors"

_ANY: Schema = {"type": "object", "properties": {}}
_BYTES: Schema = {"type": "string", "format": "binary"}
_WHOLE = {JSON: _ANY}
_PARTS = {JSON: _ANY, "*/*": _BYTES}
_UNLISTED = frozenset(kind.name for kind in KINDS if not kind.listed)


class PassedRoute(NamedTuple):
    """A path that is passed on, as the document has it.

    Attributes:
        name: of its operations.
        path: with what changes in braces.
        handler: of its requests.
        operations: by their methods.
    """

    name: str
    path: str
    handler: type[PassedHandler]
    operations: Mapping[str, Operation]


def passed_routes(served: Iterable[ServedPath]) -> Iterator[PassedRoute]:
    """What is passed on: for each kind of things its path, and all that is below it."""
    for it in served:
        name = it.path.removeprefix("/v1/").strip("/{}").replace("/", "_")
        whole = _asked(it, _of_all(it))
        if whole and "{" not in it.path:
            yield PassedRoute(name, it.path, PassedHandler, whole)
        yield PassedRoute(
            f"{name}_below", it.path + "/{path}", PassedHandler, _asked(it, _of_one(it))
        )


def _of_all(served: ServedPath) -> Mapping[str, Operation]:
    things = _things(served)
    listed = {} if served.endpoint in _UNLISTED else {"get": _operation(served, f"List {things}")}
    if served.path.endswith("/chat/completions"):
        return listed  # they are made by a call
    return {**listed, "post": _operation(served, f"Create {things}")}


def _of_one(served: ServedPath) -> Mapping[str, Operation]:
    things = _things(served)
    return {
        "get": _operation(served, f"Get {things}, or what is in them", _PARTS),
        "post": _operation(served, f"Change {things}, or act on them", _PARTS),
        "delete": _operation(served, f"Delete {things}, or what is in them"),
    }


def _things(served: ServedPath) -> str:
    return PASSED[served.endpoint].documentation.summary


def _asked(served: ServedPath, operations: Mapping[str, Operation]) -> Mapping[str, Operation]:
    """Those with a method that is passed on, and with a body where it has one."""
    return {method: it for method, it in operations.items() if method.upper() in served.methods}


def _operation(
    served: ServedPath, summary: str, content: Mapping[str, Schema] | None = None
) -> Operation:
    takes_body = summary.startswith(("Create", "Change"))
    return Operation(
        summary=summary,
        description=PASSED[served.endpoint].documentation.description,
        body=_ANY if takes_body else None,
        body_required=False,
        forms={} if takes_body else None,
        content=content or _WHOLE,
        headers=(*ROUTING, *RATE_LIMITS),
        errors=(403, 404, 429, 502, 504, VENDOR),
        tag=TAG,
    )
