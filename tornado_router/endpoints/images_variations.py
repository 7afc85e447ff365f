"""`POST /v1/images/variations`.

https://platform.openai.com/docs/api-reference/images/createVariation.
"""

from __future__ import annotations

from typing import ClassVar

from tornado_router.endpoints.ask import Ask
from tornado_router.endpoints.base import LARGE_BODY, Documentation
from tornado_router.endpoints.images import ImagesEndpoint
from tornado_router.endpoints.images_edits import EditsAsk
from tornado_router.provider import Call


class ImagesVariations(ImagesEndpoint):
    """Images that are like another."""

    name: ClassVar[str] = "images.variations"
    path: ClassVar[str] = "/v1/images/variations"
    kind: ClassVar[str] = "image_variation"
    prompt_field: ClassVar[str] = "image"
    form_bytes: ClassVar[int] = LARGE_BODY
    takes_json: ClassVar[bool] = False
    default_model: ClassVar[str] = "dall-e-2"
    otel_operation: ClassVar[str] = "generate_content"
    documentation: ClassVar[Documentation] = Documentation(
        summary="Make variations of an image",
        description="As in the OpenAI API: without `model`, it is `dall-e-2`.",
        examples={"An image": {"model": "dall-e-2", "image": "cat.png", "n": 1}},
    )

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return EditsAsk(call)


IMAGES_VARIATIONS = ImagesVariations()
