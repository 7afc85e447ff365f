"""`POST /v1/images/edits`: https://platform.openai.com/docs/api-reference/images/createEdit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tornado_router.endpoints.ask import Ask
from tornado_router.endpoints.base import LARGE_BODY, Documentation
from tornado_router.endpoints.estimates import IMAGE_TOKENS
from tornado_router.endpoints.images import ImagesAsk, ImagesEndpoint
from tornado_router.error_codes import Invalid
from tornado_router.provider import Call
from tornado_router.validation.validator import Rule

UPLOADS = ("image", "mask", "markup")
"""The fields of a form that are files; JSON names images in their place."""


class EditsAsk(ImagesAsk):
    """What an edit asks for: the images that it begins with are read, too."""

    __slots__ = ()

    def prompt(self) -> tuple[int, int]:
        """Of the words and of the images."""
        words, _ = super().prompt()
        seen = len(self.call.files) or len(self.call.body.get("images") or ())
        return words + seen * IMAGE_TOKENS, seen


def something_is_edited(body: Mapping[str, Any]) -> None:
    """There is an image, uploaded or named."""
    if body.get("image") is None and not body.get("images"):
        raise Invalid.missing_required_parameter(param="image")


class ImagesEdits(ImagesEndpoint):
    """Images that are made of others."""

    name: ClassVar[str] = "images.edits"
    path: ClassVar[str] = "/v1/images/edits"
    kind: ClassVar[str] = "image_edit"
    streams: ClassVar[bool] = True
    rules: ClassVar[Sequence[Rule]] = (something_is_edited,)
    body_bytes: ClassVar[int] = LARGE_BODY
    form_bytes: ClassVar[int] = 4 * LARGE_BODY
    default_model: ClassVar[str] = "gpt-image-1"
    otel_operation: ClassVar[str] = "generate_content"
    documentation: ClassVar[Documentation] = Documentation(
        summary="Make images of others",
        description="As in the OpenAI API: a form with one `image`, or several `image[]`, or JSON "
        "with `images` by their addresses or ids. Without `model`, it is `gpt-image-1`.",
        examples={
            "An image": {"model": "gpt-image-1", "image": "cat.png", "prompt": "Add a hat"},
            "Several images, as a stream": {
                "model": "gpt-image-1",
                "image": ["cat.png", "hat.png"],
                "prompt": "The cat wears the hat",
                "stream": True,
            },
        },
        json_examples={
            "An image by its address": {
                "model": "gpt-image-1",
                "images": [{"image_url": "https://example.com/cat.png"}],
                "prompt": "Add a hat",
            },
        },
        chunk="images.edits.event",
        ends_with_done=False,
    )

    def read(self, call_id: str, body: Mapping[str, Any], raw: bytes) -> Call:
        """The call that a request amounts to.

        Raises:
            ApiError: 400, JSON has a text where a form has a file.
        """
        for name in UPLOADS if raw else ():
            if isinstance(body.get(name), str | list):
                raise Invalid.invalid_type(
                    place=f"'{name}'", expected="a file in a form", got="JSON", param=name
                )
        return super().read(call_id, body, raw)

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return EditsAsk(call)


IMAGES_EDITS = ImagesEdits()
