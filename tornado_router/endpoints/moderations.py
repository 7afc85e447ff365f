"""`POST /v1/moderations`: https://platform.openai.com/docs/api-reference/moderations."""

from __future__ import annotations

from typing import ClassVar

from tornado_router.endpoints.ask import Ask
from tornado_router.endpoints.base import Documentation
from tornado_router.endpoints.openai_format import OpenAIEndpoint
from tornado_router.provider import Call
from tornado_router.usage import Usage


class ModerationsAsk(Ask):
    """What a moderation asks for: a judgement, which vendors count no tokens for."""

    __slots__ = ()

    def prompt(self) -> tuple[int, int]:
        """Nothing that is paid for."""
        return 0, 0

    def context(self) -> int:
        """The bytes of the JSON."""
        return super().prompt()[0]


class Moderations(OpenAIEndpoint):
    """Whether texts or images are harmful."""

    name: ClassVar[str] = "moderations"
    path: ClassVar[str] = "/v1/moderations"
    prompt_field: ClassVar[str] = "input"
    prompt_fields: ClassVar[tuple[str, ...]] = ()
    content: ClassVar[str] = "results"
    default_model: ClassVar[str] = "omni-moderation-latest"
    documentation: ClassVar[Documentation] = Documentation(
        summary="Classify texts and images as harmful or not",
        description="As in the OpenAI API: without `model`, it is `omni-moderation-latest`. It "
        "costs nothing unless the provider reports tokens and the model has a price.",
        examples={
            "A text": {"model": "omni-moderation-latest", "input": "I want to hug you."},
            "A text and an image": {
                "model": "omni-moderation-latest",
                "input": [
                    {"type": "text", "text": "Look at this."},
                    {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
                ],
            },
        },
    )

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return ModerationsAsk(call)

    def estimate(self, call: Call, generated: int = 0) -> Usage:
        """Nothing: the few vendors that count tokens here report them."""
        return Usage()


MODERATIONS = Moderations()
