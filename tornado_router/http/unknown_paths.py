"""The refusal of a path that the router has not: often the base URL of the client is at fault."""

from __future__ import annotations

from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.vendor_paths import path_within
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError

MAX_SHOWN = 200

_MODELS = "/v1/models"

_OWN = ("/admin/", "/api-keys/", "/auth/", "/docs/", "/usage/")
"""What the router's own paths begin with, that no base URL of a client can lead to."""


def unknown_path(method: str, path: str) -> ApiError:
    """The refusal of a path that is not in the route table.

    Args:
        method: of the request.
        path: as the client sent it.
    """
    shown = path[:MAX_SHOWN]
    meant = None if path.startswith(_OWN) else path_within(path)
    if meant is None:
        return Invalid.unknown_url(method=method, path=shown)
    served = [*(endpoint.path for endpoint in ENDPOINTS.values()), _MODELS]
    if meant in served:
        return Invalid.mistaken_url(method=method, path=shown, meant=meant)
    return Invalid.endpoint_not_served(path=meant[:MAX_SHOWN], served=", ".join(served))
