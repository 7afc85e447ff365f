"""Images that are made: what generations, edits and variations share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from tornado_router.endpoints.ask import Ask, Output
from tornado_router.endpoints.base import JSON, Encoded
from tornado_router.endpoints.estimates import estimate_tokens
from tornado_router.endpoints.media_usage import read_media_usage
from tornado_router.endpoints.openai_events import EventEncoder, events_of
from tornado_router.endpoints.openai_format import OpenAIEndpoint, body_of, written
from tornado_router.error_codes import Failure
from tornado_router.provider import Body, Call
from tornado_router.usage import Amounts, Drawn, Usage

TOKENS = {"low": 272, "medium": 1056, "standard": 1056, "high": 4160}
"""Of an image of 1024 x 1024 pixels, by its quality; of a quality that is not here, the most:
https://platform.openai.com/docs/guides/image-generation, "Cost and latency"."""

PARTIAL_TOKENS = 100
"""Of each image that comes before it is whole: the same page, "Partial images cost"."""

_PIXELS = 1024 * 1024
_LARGEST = 1536 * 1024
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


class ImagesAsk(Ask):
    """What images ask for."""

    __slots__ = ()

    def prompt(self) -> tuple[int, int]:
        """Of the words alone."""
        return prompt_tokens(self.call), 0

    def amounts(self, seen: int) -> Amounts:
        """How many images of which size and quality: some vendors charge by these."""
        body = self.call.body
        size, quality = body.get("size") or "", body.get("quality") or ""
        return Amounts(
            seen=seen, has_media=True, images=wanted(self.call), size=size, quality=quality
        )

    def output(self) -> Output:
        """The tokens of each image, and of those that come before it is whole."""
        partial = int(self.call.body.get("partial_images") or 0)
        return Output(wanted(self.call), image_tokens(self.call.body) + partial * PARTIAL_TOKENS)

    def context(self) -> int:
        """The words."""
        return prompt_tokens(self.call)


class ImagesEndpoint(OpenAIEndpoint):
    """An endpoint that returns images, whole or as events.

    Attributes:
        kind: what the types of its events begin with, such as `image_generation`.
    """

    kind: ClassVar[str]
    prompt_field: ClassVar[str] = "prompt"
    prompt_fields: ClassVar[tuple[str, ...]] = ("prompt",)
    content: ClassVar[str] = "data"
    is_media: ClassVar[bool] = True

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return ImagesAsk(call)

    def estimate(self, call: Call, generated: int = 0) -> Usage:
        """As if all images were made: their number is exact, their tokens are a guess."""
        return self.measured(call, None, wanted(call))

    def measured(self, call: Call, reported: Usage | None, made: int) -> Usage:
        """What a vendor reported, with what it leaves out; or an estimate.

        Args:
            call: what the client asked for.
            reported: None for nothing.
            made: how many images there are.
        """
        if reported is None:
            drawn = made * image_tokens(call.body)
            prompt, _ = self.ask(call).prompt()
            return Usage(prompt, drawn, image_completion_tokens=drawn, images=made, estimated=True)
        drawn = reported.image_completion_tokens
        if not drawn:  # OpenAI does not say so: there is nothing else
            drawn = reported.completion_tokens - reported.reasoning_tokens
        return reported._replace(image_completion_tokens=drawn, images=made)

    def whole(self, call: Call, response: Body, model: str | None = None) -> Encoded:
        """The vendor's bytes as they are, or the JSON of what a plugin made.

        Raises:
            ProviderError: it has no images.
        """
        body, raw = body_of(response)
        data = body.get(self.content)
        if not isinstance(data, list) or not data:
            raise Failure.unreadable_response()
        usage = self.measured(call, read_media_usage(body.get("usage")), len(data))
        return Encoded(written(body) if raw is None else raw, JSON, usage, drawn(body))

    def join(self, events: bytes) -> dict[str, Any]:
        """The images that the events of a stream amount to."""
        whole = f"{self.kind}.completed"
        data = [
            {"b64_json": event.get("b64_json")}
            for event in events_of(events)
            if event.get("type") == whole
        ]
        return {"stream": True, "data": data}

    def encoder(self, call: Call, model: str | None = None) -> ImageEncoder:
        """What passes events on, one by one."""
        return ImageEncoder(self, call)


class ImageEncoder(EventEncoder):
    """Streams of partial and whole images.

    Of a provider that gives a whole response, its images are made into events.

    Args:
        endpoint: whose stream it is.
        call: what the client asked for.
    """

    def __init__(self, endpoint: ImagesEndpoint, call: Call) -> None:
        self._endpoint = endpoint
        self._call = call
        self._made = 0
        self._sum: Usage | None = None
        self.last = (f"{endpoint.kind}.completed",)  # type: ignore[misc]

    def encode(self, chunk: Body) -> bytes:
        """One event, or those of a whole response. Raises as everywhere."""
        body, _ = body_of(chunk)
        data = body.get("data")
        if "type" not in body and isinstance(data, list):
            return b"".join(map(self.encode, self._events(body, data)))
        encoded = super().encode(chunk)
        self.complete = self._made >= wanted(self._call)
        return encoded

    def size(self, event: Mapping[str, Any]) -> int:
        """Nothing: images are not text."""
        return 0

    def read_usage(self, event: Mapping[str, Any]) -> Usage | None:
        """The usage of all images so far: each reports its own."""
        self._made += 1
        if self.tell is not None:
            self.tell(drawn(event))
        usage = read_media_usage(event.get("usage"))
        if usage is not None and self._sum is not None:
            sums: Any = map(sum, zip(usage[:-1], self._sum[:-1], strict=True))
            usage = Usage(*sums)
        self._sum = usage or self._sum
        return self._sum and self._endpoint.measured(self._call, self._sum, self._made)

    def estimate(self) -> Usage:
        """As if all were made."""
        return self._endpoint.estimate(self._call)

    def named(self, kind: object) -> bytes:
        """The type, once more."""
        is_line = isinstance(kind, str) and kind.isprintable()
        return f"event: {kind}\n".encode() if is_line else b""

    def _events(self, body: Mapping[str, Any], data: list[Any]) -> list[dict[str, Any]]:
        """An event for each image of a whole response; the last has the usage of all."""
        asked = self._call.body
        common = {
            "type": self.last[0],
            "created_at": body.get("created") or 0,
            **{
                name: body.get(name) or asked.get(name) or otherwise
                for name, otherwise in _EVENT_FIELDS.items()
            },
        }
        images = [item for item in data if isinstance(item, Mapping)]
        events = [{**common, **image, "usage": _NOTHING} for image in images]
        if events:
            usage = self._endpoint.measured(
                self._call, read_media_usage(body.get("usage")), len(events)
            )
            events[-1]["usage"] = body.get("usage") or _usage_body(usage)
        return events


_EVENT_FIELDS = {"background": "auto", "output_format": "png", "quality": "auto", "size": "auto"}
"""What an event says of its image, and what holds where neither side has said it."""


def _usage_body(usage: Usage) -> dict[str, Any]:
    seen = usage.image_prompt_tokens
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"image_tokens": seen, "text_tokens": usage.prompt_tokens - seen},
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


_NOTHING = _usage_body(Usage())


def drawn(body: Mapping[str, Any]) -> Drawn:
    """What a response, or an event, says of its images: what `auto` came to, too."""
    told = [body.get(name) for name in Drawn._fields]
    return Drawn(*(it if isinstance(it, str) and it != "auto" else "" for it in told))


def wanted(call: Call) -> int:
    """How many images a call asks for."""
    return int(call.body.get("n") or 1)  # for JSON Schema, 2.0 is an integer


def prompt_tokens(call: Call) -> int:
    """The tokens of the words of a request, as estimated."""
    return estimate_tokens(call.body.get("prompt"))


def image_tokens(body: Mapping[str, Any]) -> int:
    """The tokens of one image of the size and the quality that are asked for, by OpenAI's table.

    They grow with its pixels; what the request leaves open may be the largest and the best.
    """
    size = _SIZE.fullmatch(body.get("size") or "")
    pixels = int(size[1]) * int(size[2]) if size else _LARGEST
    tokens = TOKENS.get(body.get("quality") or "", TOKENS["high"])
    return -(-tokens * pixels // _PIXELS)
