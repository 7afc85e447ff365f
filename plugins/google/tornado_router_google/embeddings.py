"""Embeddings: `batchEmbedContents` of the Gemini API, `predict` or `embedContent` of Vertex AI.

https://ai.google.dev/api/embeddings and
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api.
"""

from __future__ import annotations

import math
import struct
from binascii import b2a_base64
from typing import TYPE_CHECKING, Any

from tornado_router.provider import (
    Body,
    Call,
    Params,
    ProviderError,
    StreamParser,
    Translator,
    UpstreamRequest,
    UpstreamResponse,
    dump_json,
    load_json_object,
)
from tornado_router_google.errors import error_of
from tornado_router_google.wire import cannot, invalid

if TYPE_CHECKING:
    from tornado_router_google.provider import GoogleProvider

MAX_TEXTS = {"batchEmbedContents": 100, "predict": 250, "embedContent": 1}
"""How many texts go into one request; of a Gemini model on Vertex AI, `predict` takes one too."""

_HINTS = frozenset({"user"})


class Embeddings(Translator):
    """The endpoint."""

    def __init__(self, provider: GoogleProvider) -> None:
        self._provider = provider

    def build_request(self, call: Call) -> UpstreamRequest:
        """Google's request for a call."""
        params = Params(call, _HINTS)
        is_gemini = call.model.rpartition("/")[2].startswith("gemini-")
        method = self._method(call.model, is_gemini)
        limit = 1 if is_gemini and method == "predict" else MAX_TEXTS[method]
        texts = _texts(params.take("input"), limit)
        dimensions = params.take("dimensions")
        params.take("encoding_format")  # it is served here, not by Google
        params.finish()
        size = {"outputDimensionality": dimensions} if dimensions else {}
        body: dict[str, Any]
        if method == "predict":
            body = {"instances": [{"content": text} for text in texts]}
            if size:
                body["parameters"] = size
        elif method == "embedContent":
            body = {"content": {"parts": [{"text": texts[0]}]}}
            if size:
                body["embedContentConfig"] = size
        else:
            model = call.model if "/" in call.model else f"models/{call.model}"
            body = {
                "requests": [
                    {"model": model, "content": {"parts": [{"text": text}]}, **size}
                    for text in texts
                ]
            }
        return UpstreamRequest(
            self._provider.url(call.model, method), dump_json(body), self._provider.headers
        )

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """OpenAI's list of embeddings."""
        name = self._provider.name
        body = load_json_object(response.body, name)
        if "error" in body:
            raise error_of(name, body, response.headers)
        vectors, tokens = _vectors(body, name)
        asked = call.body["input"]
        if len(vectors) != (1 if isinstance(asked, str) else len(asked)):
            raise invalid(name, "embeddings")
        if call.body.get("dimensions"):
            vectors = [_unit(vector) for vector in vectors]
        base64 = call.body.get("encoding_format") == "base64"
        result: dict[str, Any] = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _encode(vector, base64)}
                for index, vector in enumerate(vectors)
            ],
            "model": call.model,
        }
        if tokens is not None:
            result["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        return result

    def parse_stream(self, call: Call) -> StreamParser:
        """None: only chat is streamed."""
        raise ProviderError(400, "This endpoint cannot be streamed.", param="stream")

    def _method(self, model: str, is_gemini: bool) -> str:
        """Vertex AI has two: the newer one for Gemini models from the second on."""
        if not self._provider.on_vertex:
            return "batchEmbedContents"
        return "embedContent" if is_gemini and not model.endswith("-001") else "predict"


def _texts(value: Any, limit: int) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not all(isinstance(text, str) for text in texts):
        raise cannot("The provider embeds texts; it takes no arrays of tokens.", "input")
    if len(texts) > limit:
        raise cannot(f"The provider embeds at most {limit} texts at once.", "input")
    return list(texts)


def _vectors(body: dict[str, Any], provider: str) -> tuple[list[list[float]], int | None]:
    """The vectors, and the tokens that they took, where Google says so."""
    if "predictions" in body:
        return _predictions(body["predictions"], provider)
    items = body.get("embeddings", [body["embedding"]] if "embedding" in body else None)
    if not isinstance(items, list):
        raise invalid(provider, "embeddings")
    metadata = body.get("usageMetadata")
    tokens = metadata.get("promptTokenCount") if isinstance(metadata, dict) else None
    vectors = [_values(item, provider, f"embeddings[{i}]") for i, item in enumerate(items)]
    return vectors, tokens if type(tokens) is int else None


def _predictions(items: Any, provider: str) -> tuple[list[list[float]], int | None]:
    if not isinstance(items, list):
        raise invalid(provider, "predictions")
    vectors: list[list[float]] = []
    counts: list[int] = []
    for index, item in enumerate(items):
        where = f"predictions[{index}].embeddings"
        embedding = item.get("embeddings") if isinstance(item, dict) else None
        vectors.append(_values(embedding, provider, where))
        statistics = embedding.get("statistics") if isinstance(embedding, dict) else None
        count = statistics.get("token_count") if isinstance(statistics, dict) else None
        if isinstance(count, int | float):
            counts.append(int(count))
    return vectors, sum(counts) if len(counts) == len(vectors) else None


def _values(embedding: Any, provider: str, where: str) -> list[float]:
    values = embedding.get("values") if isinstance(embedding, dict) else None
    if not isinstance(values, list) or not values:
        raise invalid(provider, f"{where}.values")
    for value in values:
        if type(value) is not float and type(value) is not int:
            raise invalid(provider, f"{where}.values")
    return values


def _unit(vector: list[float]) -> list[float]:
    """The vector with length one, as OpenAI's have it.

    Google's shortened ones have not: https://ai.google.dev/gemini-api/docs/embeddings.
    """
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector] if length else vector


def _encode(vector: list[float], base64: bool) -> list[float] | str:
    """A list of numbers, or their bytes as little-endian floats of 32 bits, in base64."""
    if not base64:
        return vector
    return b2a_base64(struct.pack(f"<{len(vector)}f", *vector), newline=False).decode()
