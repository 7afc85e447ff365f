"""Reranking of the echo: by how many words of the query a document has. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_WORD = re.compile(r"\w+")


def rerank(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a valid `rerank` request gets, but for its id; a word is a token."""
    wanted = _words(body["query"])
    documents = body["documents"]
    found = [_words(_text(document)) for document in documents]
    scores = [len(wanted & words) / max(1, len(wanted)) for words in found]
    order = sorted(range(len(documents)), key=lambda index: -scores[index])
    results: list[dict[str, Any]] = []
    for index in order[: body.get("top_n") or len(documents)]:
        result: dict[str, Any] = {"index": index, "relevance_score": scores[index]}
        if body.get("return_documents"):
            document = documents[index]
            result["document"] = {"text": document} if isinstance(document, str) else document
        results.append(result)
    tokens = len(wanted) + sum(map(len, found))
    return {"results": results, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def _text(document: Any) -> str:
    return document if isinstance(document, str) else str(document.get("text", ""))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))
