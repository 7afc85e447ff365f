"""The refusal of a path that the router has not: often the base URL of the client is at fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tornado_router.config.check import nearest
from tornado_router.endpoints import ANTHROPIC, ENDPOINTS, MESSAGES, OPENAI, Dialect
from tornado_router.endpoints.passed import KINDS
from tornado_router.endpoints.vendor_paths import path_within
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError

MAX_SHOWN = 200

_MODELS = "/v1/models"
_KEY = "/v1/key"

_LIKENESS = 0.9
"""That a path has to have with one that is served, to be taken for a slip of the pen."""

_KEPT = ("batches", "files")
"""Kinds of things that the router may keep itself."""

_OWN = ("/admin/", "/api-keys/", "/auth/", "/docs/", "/usage/")
"""What the router's own paths begin with, that no base URL of a client can lead to."""


def dialect_of(path: str, headers: Mapping[str, str]) -> Dialect:
    """The form in which the client of a path that is not in the route table reads errors."""
    meant = path_within(path) or path
    if meant.startswith(MESSAGES.path) or "Anthropic-Version" in headers:
        return ANTHROPIC
    return OPENAI


def unknown_path(method: str, path: str, passed: Sequence[str] = ()) -> ApiError:
    """The refusal of a path that is not in the route table, nor passed on to a vendor.

    Args:
        method: of the request.
        path: as the client sent it.
        passed: what paths begin with that are passed on; one of them may be spoilt.
    """
    shown = path[:MAX_SHOWN]
    meant = None if path.startswith(_OWN) else path_within(path)
    served = [*(endpoint.path for endpoint in ENDPOINTS.values()), *passed, _MODELS]
    if meant is None:
        near = nearest(shown, [*served, _KEY], _LIKENESS)
        if near:
            return Invalid.misspelt_url(method=method, path=shown, meant=near)
        return Invalid.unknown_url(method=method, path=shown)
    if any(f"{meant}/".startswith(f"{begin}/") for begin in passed) and meant == path:
        return Invalid.unknown_url(method=method, path=shown)  # it is not one that could be read
    if meant in served or any(meant.startswith(f"{begin}/") for begin in passed):
        return Invalid.mistaken_url(method=method, path=shown, meant=meant[:MAX_SHOWN])
    shown, listed = meant[:MAX_SHOWN], ", ".join(served)
    for kind in KINDS:
        if f"{meant}/".startswith(f"/v1/{kind.path}/"):
            option = _option(kind.name, has_others=bool(passed))
            return Invalid.not_passed_on(path=shown, option=option, served=listed)
    return Invalid.endpoint_not_served(path=shown, served=listed)


def _option(kind: str, *, has_others: bool) -> str:
    """What would have to be set so that requests for a kind of things are passed on."""
    if has_others:
        return "[passthrough] paths do not list it"
    own = ", nor is [batches] by_router on" if kind in _KEPT else ""
    return f"[passthrough] provider is not set{own}"
