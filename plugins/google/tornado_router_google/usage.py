"""Google's `usageMetadata` as OpenAI's `usage`.

https://ai.google.dev/api/generate-content#UsageMetadata: thoughts are counted beside the
candidates, and prompts of tools beside the prompt; cached tokens are part of the prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TOLD = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
_MEDIA = {"AUDIO": "audio_tokens", "IMAGE": "image_tokens"}


def usage_of(metadata: Any) -> dict[str, Any] | None:
    """OpenAI's object; None where Google says nothing, so that the core has to estimate."""
    if not isinstance(metadata, dict) or not any(name in metadata for name in _TOLD):
        return None
    thoughts = _count(metadata, "thoughtsTokenCount")
    prompt = _count(metadata, "promptTokenCount") + _count(metadata, "toolUsePromptTokenCount")
    completion = _count(metadata, "candidatesTokenCount") + thoughts
    details = {"cached_tokens": _count(metadata, "cachedContentTokenCount")}
    for kind, name in _MEDIA.items():
        tokens = _of_kind(metadata.get("promptTokensDetails"), kind)
        if tokens:
            details[name] = tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": thoughts},
    }


def _count(metadata: Mapping[str, Any], name: str) -> int:
    """A count; Google leaves one that is zero out."""
    value = metadata.get(name)
    return value if type(value) is int and value > 0 else 0  # True is an int, too


def _of_kind(details: Any, kind: str) -> int:
    """The tokens of one modality: https://ai.google.dev/api/generate-content#ModalityTokenCount."""
    items = details if isinstance(details, list) else ()
    return sum(
        _count(item, "tokenCount")
        for item in items
        if isinstance(item, dict) and item.get("modality") == kind
    )
