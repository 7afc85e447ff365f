"""The refusal of a path that the router has not: often the base URL of the client is at fault."""

from __future__ import annotations

from collections.abc import Mapping

from tornado_router.config.check import nearest
from tornado_router.endpoints import ANTHROPIC, ENDPOINTS, MESSAGES, OPENAI, Dialect
from tornado_router.endpoints.vendor_paths import path_within
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError

MAX_SHOWN = 200

_MODELS = "/v1/models"
_KEY = "/v1/key"

_LIKENESS = 0.9
"""That a path has to have with one that is served, to be taken for a slip of the pen."""

_OWN = ("/admin/", "/api-keys/", "/auth/", "/docs/", "/usage/")
"""What the router's own paths begin with, that no base URL of a client can lead to."""


def dialect_of(path: str, headers: Mapping[str, str]) -> Dialect:
    """The form in which the client of a path that is not in the route table reads errors."""
    meant = path_within(path) or path
    if meant.startswith(MESSAGES.path) or "Anthropic-Version" in headers:
        return ANTHROPIC
    return OPENAI


def unknown_path(method: str, path: str) -> ApiError:
    """The refusal of a path that is not in the route table.

    Args:
        method: of the request.
        path: as the client sent it.
    """
    shown = path[:MAX_SHOWN]
    meant = None if path.startswith(_OWN) else path_within(path)
    served = [*(endpoint.path for endpoint in ENDPOINTS.values()), _MODELS]
    if meant is None:
        near = nearest(shown, [*served, _KEY], _LIKENESS)
        if near:
            return Invalid.misspelt_url(method=method, path=shown, meant=near)
        return Invalid.unknown_url(method=method, path=shown)
    if meant in served:
        return Invalid.mistaken_url(method=method, path=shown, meant=meant)
    return Invalid.endpoint_not_served(path=meant[:MAX_SHOWN], served=", ".join(served))
