"""Reranking, as Cohere and Jina have it, and as servers copy it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tornado_router.provider import (
    Body,
    Call,
    Relayed,
    UpstreamResponse,
    bad_answer,
    is_error,
    load_json_object,
    reported_error,
)
from tornado_router_openai.relay import Draft, Relay

if TYPE_CHECKING:
    from tornado_router_openai.provider import OpenAIProvider


class Rerank(Relay):
    """https://docs.cohere.com/reference/rerank and https://jina.ai/reranker."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/rerank", "results")
        is_own = provider.base_url == provider.default_base_url
        if provider.rerank_url and is_own:
            self._url = provider.rerank_url

    def edit(self, draft: Draft, call: Call) -> None:
        """As everywhere; and Cohere takes bare texts alone, and returns none."""
        super().edit(draft, call)
        if not self._provider.reranks_texts:
            return
        documents = draft.fields["documents"]
        if not all(isinstance(document, str) for document in documents):
            draft.put("documents", [_text(document) for document in documents])
        draft.leave_out("return_documents")

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The vendor's bytes, if they have results, with the documents that are wanted.

        Voyage, Fireworks and others call the results `data`.
        """
        name = self._provider.name
        body: Mapping[str, Any] = load_json_object(response.body, name)
        if is_error(body):
            raise reported_error(name, body, response.headers)
        raw: bytes | None = response.body
        if "results" not in body and isinstance(body.get("data"), list):
            others = {key: value for key, value in body.items() if key != "data"}
            body, raw = {**others, "results": body["data"]}, None
        results, documents = body.get("results"), call.body["documents"]
        if not isinstance(results, list) or not results:
            raise bad_answer(f"The response of the provider '{name}' has no results.")
        for result in results:
            index = result.get("index") if isinstance(result, Mapping) else None
            if type(index) is not int or not 0 <= index < len(documents):
                raise bad_answer(f"The response of the provider '{name}' has a result of nothing.")
        if call.body.get("return_documents") and any("document" not in item for item in results):
            body, raw = {**body, "results": [_complete(item, documents) for item in results]}, None
        return body if raw is None else Relayed(body, raw)


def _text(document: Any) -> Any:
    """A document as a text, if it has one."""
    return document.get("text", document) if isinstance(document, Mapping) else document


def _complete(result: Mapping[str, Any], documents: Any) -> Mapping[str, Any]:
    """A result with its document."""
    document = documents[result["index"]]
    shown = {"text": document} if isinstance(document, str) else document
    return {"document": shown, **result}
