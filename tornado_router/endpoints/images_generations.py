"""`POST /v1/images/generations`: https://platform.openai.com/docs/api-reference/images/create."""

from __future__ import annotations

from typing import ClassVar

from tornado_router.endpoints.base import Documentation
from tornado_router.endpoints.images import ImagesEndpoint


class ImagesGenerations(ImagesEndpoint):
    """Images of a description."""

    name: ClassVar[str] = "images.generations"
    path: ClassVar[str] = "/v1/images/generations"
    kind: ClassVar[str] = "image_generation"
    streams: ClassVar[bool] = True
    default_model: ClassVar[str] = "gpt-image-1"
    otel_operation: ClassVar[str] = "generate_content"
    documentation: ClassVar[Documentation] = Documentation(
        summary="Make images of a description",
        description="As in the OpenAI API: without `model`, it is `gpt-image-1`. With `stream`, "
        "images come as events, with `partial_images` as they take shape.",
        examples={
            "An image": {"model": "gpt-image-1", "prompt": "A lighthouse in the fog"},
            "A stream": {
                "model": "gpt-image-1",
                "prompt": "A lighthouse in the fog",
                "size": "1536x1024",
                "quality": "low",
                "stream": True,
                "partial_images": 2,
            },
        },
        chunk="images.event",
        ends_with_done=False,
    )


IMAGES_GENERATIONS = ImagesGenerations()
