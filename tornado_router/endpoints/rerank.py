"""`POST /v1/rerank`, in the shape of Cohere and of Jina.

https://docs.cohere.com/reference/rerank and https://jina.ai/reranker.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from tornado_router.endpoints.ask import Ask
from tornado_router.endpoints.base import JSON, Documentation, Encoded
from tornado_router.endpoints.estimates import estimate_tokens
from tornado_router.endpoints.openai_format import OpenAIEndpoint, body_of, written
from tornado_router.endpoints.openai_usage import count, read_usage
from tornado_router.error_codes import Failure
from tornado_router.provider import Body, Call
from tornado_router.usage import Amounts, Usage

DOCUMENTS_PER_SEARCH = 100
"""What Cohere bills as one search: https://cohere.com/pricing."""

TOKENS_PER_DOCUMENT = 500
"""A document that is longer, together with the query, counts as several: the same page."""


class RerankAsk(Ask):
    """What reranking asks for."""

    __slots__ = ()

    def prompt(self) -> tuple[int, int]:
        """Of the query and of the documents."""
        return RERANK.estimate_prompt(self.call.body), 0

    def amounts(self, seen: int) -> Amounts:
        """The searches, which some vendors charge for."""
        return Amounts(searches=searches(self.call.body))


class Rerank(OpenAIEndpoint):
    """The order of documents by their relevance to a query."""

    name: ClassVar[str] = "rerank"
    path: ClassVar[str] = "/v1/rerank"
    prompt_field: ClassVar[str] = "query"
    prompt_fields: ClassVar[tuple[str, ...]] = ("query", "documents")
    content: ClassVar[str] = "results"
    documentation: ClassVar[Documentation] = Documentation(
        summary="Order documents by their relevance to a query",
        description="As in the APIs of Cohere and Jina, which many servers copy: documents are "
        "texts, or objects with a `text`; `results` have `index` and `relevance_score`, and the "
        "`document` with `return_documents`.",
        examples={
            "Three documents": {
                "model": "rerank-v3.5",
                "query": "What is the capital of France?",
                "documents": ["Berlin is a city.", "Paris is the capital.", "Horses eat grass."],
                "top_n": 2,
            },
            "With the documents": {
                "model": "jina-reranker-v2-base-multilingual",
                "query": "What is the capital of France?",
                "documents": [{"text": "Paris is the capital."}, {"text": "Horses eat grass."}],
                "return_documents": True,
            },
        },
    )

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return RerankAsk(call)

    def estimate(self, call: Call, generated: int = 0) -> Usage:
        """By the texts: tokens and searches."""
        tokens = self.estimate_prompt(call.body)
        return Usage(tokens, searches=searches(call.body), estimated=True)

    def whole(self, call: Call, response: Body, model: str | None = None) -> Encoded:
        """The vendor's bytes as they are, or the JSON of what a plugin made.

        Raises:
            ProviderError: it has no results.
        """
        body, raw = body_of(response)
        results = body.get(self.content)
        if not isinstance(results, list) or not results:
            raise Failure.unreadable_response()
        usage = read_rerank_usage(body) or self.estimate(call)
        if model is not None and "model" in body:
            body, raw = {**body, "model": model}, None
        return Encoded(written(body) if raw is None else raw, JSON, usage)


def read_rerank_usage(body: Mapping[str, Any]) -> Usage | None:
    """What a response says that it took: Cohere's `meta`, or `usage`; None if nothing."""
    meta = _object(body.get("meta"))
    units = count(_object(meta.get("billed_units")).get("search_units"))
    tokens = count(_object(meta.get("tokens")).get("input_tokens"))
    reported = body.get("usage")
    if isinstance(reported, Mapping):
        total = reported.get("total_tokens")
        usage = read_usage({"prompt_tokens": total, **reported})  # Jina names the total alone
        if usage is not None:
            return usage._replace(searches=units or 0)
    if units is None and tokens is None:
        return None
    return Usage(tokens or 0, searches=units or 0)


def searches(body: Mapping[str, Any]) -> int:
    """The searches that a request comes to."""
    query = estimate_tokens(body.get("query"))
    documents = body.get("documents") or ()
    parts = sum(
        math.ceil(max(1, query + estimate_tokens(document)) / TOKENS_PER_DOCUMENT)
        for document in documents
    )
    return math.ceil(parts / DOCUMENTS_PER_SEARCH)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


RERANK = Rerank()
