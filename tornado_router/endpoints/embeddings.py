"""`POST /v1/embeddings`: https://platform.openai.com/docs/api-reference/embeddings."""

from __future__ import annotations

from typing import ClassVar

from tornado_router.endpoints.base import Documentation
from tornado_router.endpoints.openai_format import OpenAIEndpoint


class Embeddings(OpenAIEndpoint):
    """Vectors for texts."""

    name: ClassVar[str] = "embeddings"
    path: ClassVar[str] = "/v1/embeddings"
    prompt_field: ClassVar[str] = "input"
    prompt_fields: ClassVar[tuple[str, ...]] = ("input",)
    content: ClassVar[str] = "data"
    otel_operation: ClassVar[str] = "embeddings"
    documentation: ClassVar[Documentation] = Documentation(
        summary="Create embeddings",
        examples={
            "One text": {"model": "text-embedding-3-small", "input": "The quick brown fox"},
            "Several texts": {
                "model": "text-embedding-3-small",
                "input": ["The quick brown fox", "The lazy dog"],
                "dimensions": 256,
            },
        },
    )


EMBEDDINGS = Embeddings()
