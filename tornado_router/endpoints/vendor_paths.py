"""The paths of vendors' APIs, served here or not: for those who come with a wrong one."""

from __future__ import annotations

VERSION = "/v1"

_RESOURCES = (
    *("agents", "assistants", "audio", "batches", "chatkit", "complete", "completions"),
    *("containers", "content_provenance_checks", "conversations", "decisions", "embeddings"),
    *("evals", "files", "fine_tuning", "images", "live", "messages", "models", "moderations"),
    *("organization", "organizations", "projects", "realtime", "rerank", "responses", "safety"),
    *("skills", "threads", "uploads", "vaults", "vector_stores", "videos"),
    *("webhook_endpoints", "webhook_event_types"),
)
"""What stands behind `/v1/` in the APIs of OpenAI and Anthropic:
https://platform.openai.com/docs/api-reference, https://platform.claude.com/docs/en/api/overview.
Beside them, `rerank` of several vendors."""


def path_within(path: str) -> str | None:
    """The path of a vendor's API that another ends with, from its `/v1` on; None if there is none.

    Args:
        path: as the client sent it, whatever its base URL has added or left out.
    """
    words = [word for word in path.split("/") if word]
    for index, word in enumerate(words):
        if word in _RESOURCES or words[index : index + 2] == ["chat", "completions"]:
            return "/".join([VERSION, *words[index:]])
    return None
