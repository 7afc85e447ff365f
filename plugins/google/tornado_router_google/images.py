"""Images: `generateContent` of Gemini's image models, `predict` of Imagen.

https://ai.google.dev/gemini-api/docs/image-generation and
https://ai.google.dev/gemini-api/docs/imagen.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tornado_router.provider import (
    Body,
    Call,
    Params,
    ProviderError,
    StreamParser,
    Translator,
    UnsupportedKind,
    UpstreamRequest,
    UpstreamResponse,
    bad_answer,
    dump_json,
    load_json_object,
)
from tornado_router_google.candidates import candidates_of, is_blocked, parts_of
from tornado_router_google.errors import error_of
from tornado_router_google.wire import invalid

if TYPE_CHECKING:
    from tornado_router_google.provider import GoogleProvider

_GEMINI_RATIOS = (*("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"),)
_IMAGEN_RATIOS = ("1:1", "3:4", "4:3", "9:16", "16:9")
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_LARGE, _LARGEST = 1536, 2048
"""Pixels of the longer side beyond which an image is `2K`, or `4K`."""

_AS_IT_IS: Mapping[str, Sequence[object]] = {
    "background": ("auto", "opaque"),
    "output_format": ("png",),
    "partial_images": (0,),
    "quality": ("auto",),
    "response_format": ("b64_json",),
}
"""What fields may say that holds without them."""

FILTERED = "content_policy_violation"
"""OpenAI's code of an image that it refuses to make."""

_HINTS = frozenset({"moderation", "safety_identifier", "user"})


class Images(Translator):
    """The endpoint."""

    unsupported_fields: Mapping[str, UnsupportedKind] = {
        "output_compression": "approximation",
        "output_format": "approximation",
        "partial_images": "approximation",
        "quality": "approximation",
        "response_format": "approximation",
        "size": "approximation",
        "style": "approximation",
    }

    def __init__(self, provider: GoogleProvider) -> None:
        self._provider = provider

    def build_request(self, call: Call) -> UpstreamRequest:
        """Google's request for a call."""
        params = Params(call, _HINTS, self.unsupported_fields)
        prompt, count = params.take("prompt"), int(params.take("n") or 1)
        size = params.take("size")
        for name, same in _AS_IT_IS.items():
            if call.body.get(name) in same:
                params.take(name)
        params.finish()
        is_imagen = _is_imagen(call.model)
        ratios = _IMAGEN_RATIOS if is_imagen else _GEMINI_RATIOS
        shape, longest = _shape(size, ratios, params)
        url = self._provider.url(call.model, "predict" if is_imagen else "generateContent")
        if is_imagen:
            body = _imagen(prompt, count, shape, longest)
        else:
            if count > 1:
                params.unsupported("n")
            body = _gemini(call.model, prompt, shape, longest)
        return UpstreamRequest(url, dump_json(body), self._provider.headers)

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """OpenAI's list of images.

        Raises:
            ProviderError: there is none: the prompt, or what came of it, was refused.
        """
        name = self._provider.name
        body = load_json_object(response.body, name)
        if "error" in body:
            raise error_of(name, body, response.headers)
        found = _predictions(body, name) if "predictions" in body else _candidates(body, name)
        if not found:
            raise _none(name, body)
        as_url = call.body.get("response_format") == "url"
        result: dict[str, Any] = {
            "created": int(time.time()),
            "data": [_item(kind, data, as_url) for kind, data in found],
        }
        usage = _usage(body.get("usageMetadata"))
        return {**result, "usage": usage} if usage else result

    def parse_stream(self, call: Call) -> StreamParser:
        """None: Google sends images whole, and the core makes events of them."""
        raise bad_answer(f"The provider '{self._provider.name}' sent a stream of images.")


def _is_imagen(model: str) -> bool:
    return model.rpartition("/")[2].startswith("imagen")


def _shape(size: Any, ratios: Sequence[str], params: Params) -> tuple[str, int]:
    """The aspect ratio nearest to a size, and its longer side; both empty where it is open."""
    found = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if found is None:
        if size not in (None, "auto"):
            params.leave_out("size")
        return "", 0
    width, height = int(found[1]), int(found[2])

    def distance(ratio: str) -> float:
        across, _, down = ratio.partition(":")
        return abs(math.log(width / height) - math.log(int(across) / int(down)))

    nearest = min(ratios, key=distance)
    if distance(nearest) > 0.01:
        params.leave_out("size")
    return nearest, max(width, height)


def _gemini(model: str, prompt: str, shape: str, longest: int) -> dict[str, Any]:
    image: dict[str, Any] = {"aspectRatio": shape} if shape else {}
    if longest > _LARGE and not model.rpartition("/")[2].startswith("gemini-2"):
        image["imageSize"] = "4K" if longest > _LARGEST else "2K"
    config: dict[str, Any] = {"responseModalities": ["IMAGE"]}
    if image:
        config["imageConfig"] = image
    contents = [{"role": "user", "parts": [{"text": prompt}]}]
    return {"contents": contents, "generationConfig": config}


def _imagen(prompt: str, count: int, shape: str, longest: int) -> dict[str, Any]:
    parameters: dict[str, Any] = {"sampleCount": count}
    if shape:
        parameters["aspectRatio"] = shape
    if longest > _LARGE:
        parameters["sampleImageSize"] = "2K"
    return {"instances": [{"prompt": prompt}], "parameters": parameters}


def _predictions(body: Mapping[str, Any], provider: str) -> list[tuple[str, str]]:
    """The images of Imagen; one that its filter took out has no bytes."""
    items = body["predictions"]
    if not isinstance(items, list):
        raise invalid(provider, "predictions")
    found = []
    for item in items:
        data = item.get("bytesBase64Encoded") if isinstance(item, dict) else None
        if isinstance(data, str) and data:
            found.append((str(item.get("mimeType") or "image/png"), data))
    return found


def _candidates(body: Mapping[str, Any], provider: str) -> list[tuple[str, str]]:
    """The images of Gemini, among parts that may be text; those of its thoughts are drafts."""
    found = []
    for candidate in candidates_of(body, provider):
        for part in parts_of(candidate, provider):
            inline = part.get("inlineData") if isinstance(part, dict) else None
            if not isinstance(inline, dict) or part.get("thought"):
                continue
            data = inline.get("data")
            if isinstance(data, str) and data:
                found.append((str(inline.get("mimeType") or "image/png"), data))
    return found


def _none(provider: str, body: Mapping[str, Any]) -> ProviderError:
    """Why there is no image: a filter, or a model that only talks."""
    candidates = candidates_of(body, provider)
    reasons = [str(candidate.get("finishReason") or "") for candidate in candidates]
    talks = any("STOP" in reason or "MAX" in reason for reason in reasons)
    if (talks or not (reasons or is_blocked(body))) and "predictions" not in body:
        return bad_answer(f"The response of the provider '{provider}' has no image.")
    return ProviderError(
        400,
        f"The provider '{provider}' refused to make this image.",
        type="invalid_request_error",
        param="prompt",
        code=FILTERED,
    )


def _item(kind: str, data: str, as_url: bool) -> dict[str, str]:
    return {"url": f"data:{kind};base64,{data}"} if as_url else {"b64_json": data}


def _usage(metadata: Any) -> dict[str, Any] | None:
    """OpenAI's object; None where Google says nothing, as Imagen does."""
    if not isinstance(metadata, dict) or "promptTokenCount" not in metadata:
        return None
    prompt = _count(metadata, "promptTokenCount")
    thoughts = _count(metadata, "thoughtsTokenCount")
    completion = _count(metadata, "candidatesTokenCount") + thoughts
    seen = _of_images(metadata.get("promptTokensDetails"))
    drawn = _of_images(metadata.get("candidatesTokensDetails"))
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"image_tokens": seen, "text_tokens": max(0, prompt - seen)},
        "output_tokens": completion,
        "output_tokens_details": {
            "image_tokens": drawn,
            "text_tokens": max(0, completion - drawn),
            "reasoning_tokens": thoughts,
        },
        "total_tokens": prompt + completion,
    }


def _of_images(details: Any) -> int:
    """The tokens of images in a list of `ModalityTokenCount`."""
    items = details if isinstance(details, list) else []
    return sum(
        _count(item, "tokenCount")
        for item in items
        if isinstance(item, dict) and item.get("modality") == "IMAGE"
    )


def _count(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    return value if type(value) is int and value > 0 else 0
