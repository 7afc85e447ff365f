"""Moderations: nothing is judged. A category is flagged where the text asks for it by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
"""https://platform.openai.com/docs/guides/moderation."""

_FLAG = re.compile(r"\bflag ([a-z/-]+)")


def moderate(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The results for a valid `moderations` request: `flag CATEGORY` in a text flags it."""
    given = body["input"]
    if isinstance(given, str):
        return [_result([given], ["text"])]
    if given and all(isinstance(item, str) for item in given):
        return [_result([text], ["text"]) for text in given]
    parts = [item if isinstance(item, Mapping) else {"text": item} for item in given]
    kinds = sorted({"image" if part.get("type") == "image_url" else "text" for part in parts})
    return [_result([str(part.get("text", "")) for part in parts], kinds)]


def _result(texts: Sequence[str], kinds: Sequence[str]) -> dict[str, Any]:
    named = {name for text in texts for name in _FLAG.findall(text)}
    flagged = {name: name in named for name in CATEGORIES}
    return {
        "flagged": any(flagged.values()),
        "categories": flagged,
        "category_scores": {name: float(value) for name, value in flagged.items()},
        "category_applied_input_types": {
            name: list(kinds if name.startswith(("self-harm", "violence")) else ["text"])
            for name in CATEGORIES
        },
    }
