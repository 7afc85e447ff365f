"""The refusal of a path that the router has not: often the base URL of the client is at fault."""

from __future__ import annotations

from tornado_router.endpoints import ENDPOINTS
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError

MAX_SHOWN = 200

VERSION = "/v1"

_MODELS = "/v1/models"

_VENDORS = (
    *("assistants", "audio", "batches", "chatkit", "complete", "completions"),
    *("containers", "conversations", "embeddings", "evals", "files", "fine_tuning", "images"),
    *("messages", "models", "moderations", "organization", "organizations", "realtime"),
    *("rerank", "responses", "skills", "threads", "uploads", "vector_stores", "videos"),
)
"""What stands behind `/v1/` in the APIs of OpenAI and Anthropic:
https://platform.openai.com/docs/api-reference, https://platform.claude.com/docs/en/api/overview.
Beside them, `rerank` of several vendors."""

_OWN = ("admin", "api-keys", "auth", "docs", "usage")
"""What the router's own paths begin with, that no base URL of a client can lead to."""


def unknown_path(method: str, path: str) -> ApiError:
    """The refusal of a path that is not in the route table.

    Args:
        method: of the request.
        path: as the client sent it.
    """
    shown = path[:MAX_SHOWN]
    meant = _meant(path.rstrip("/"))
    if meant is None:
        return Invalid.unknown_url(method=method, path=shown)
    served = [*(endpoint.path for endpoint in ENDPOINTS.values()), _MODELS]
    if meant in served:
        return Invalid.mistaken_url(method=method, path=shown, meant=meant)
    return Invalid.endpoint_not_served(path=meant[:MAX_SHOWN], served=", ".join(served))


def _meant(path: str) -> str | None:
    """The path of a vendor's API that another ends with, or None."""
    words = path.split("/")
    if words[1:2] and words[1] in _OWN:
        return None
    for index, word in enumerate(words):
        if word in _VENDORS or words[index : index + 2] == ["chat", "completions"]:
            return "/".join([VERSION, *words[index:]])
    return None
