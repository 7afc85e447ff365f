"""Chunks of a whole response, for a vendor that sends one although a stream was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.errors import bad_answer
from tornado_router.provider.bodies import Binary, Body, Relayed

_TRANSCRIPT = ("duration", "languages", "logprobs", "usage")
"""What else of a transcript is in the last event of its stream."""


def chunks_of(response: Body, provider: str) -> list[Body]:
    """The chunks that say what a whole response says: each choice, its end, and the usage.

    The response shows what it is: choices with a message become deltas, in chunks that are called
    after the response; those with a text stay as they are, and so does what they are called. A text
    alone is a transcript: whisper-1 ignores `stream`. Images stay together, for their endpoint to
    tell apart.

    Args:
        response: in the format of the endpoint.
        provider: the name of its table.

    Raises:
        ProviderError: 502, there are no choices that chunks could be made of.
    """
    body = response.body if isinstance(response, Relayed) else response
    if isinstance(body, Mapping) and "choices" not in body and isinstance(body.get("text"), str):
        return _events(body)
    if isinstance(body, Mapping) and _are_images(body.get("data")):
        return [response]
    choices = body.get("choices") if isinstance(body, Mapping) else None
    if isinstance(body, Binary) or not isinstance(choices, list) or not choices:
        raise bad_answer(f"The provider '{provider}' sent no stream.")
    if not all(isinstance(choice, Mapping) for choice in choices):
        raise bad_answer(f"The provider '{provider}' sent a choice that cannot be read.")
    head = {name: value for name, value in body.items() if name not in ("choices", "usage")}
    if body.get("object") and "text" not in choices[0]:
        head["object"] = f"{body['object']}.chunk"
    chunks: list[Body] = []
    for index, choice in enumerate(choices):
        chunks += [{**head, "choices": [part]} for part in _parts(choice, index)]
    if body.get("usage"):
        chunks.append({**head, "choices": [], "usage": body["usage"]})
    return chunks


def _are_images(data: Any) -> bool:
    """Whether the items of a list are images: embeddings, for one, make no stream."""
    return (
        isinstance(data, list)
        and bool(data)
        and all(
            isinstance(item, Mapping) and ("b64_json" in item or "url" in item) for item in data
        )
    )


def _events(transcript: Mapping[str, Any]) -> list[Body]:
    """A transcript as the events of a stream."""
    text = transcript["text"]
    kept = {name: transcript[name] for name in _TRANSCRIPT if transcript.get(name) is not None}
    events: list[Body] = [{"type": "transcript.text.delta", "delta": text}] if text else []
    return [*events, {"type": "transcript.text.done", "text": text, **kept}]


def _parts(choice: Mapping[str, Any], index: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A choice as what it says and how it ends."""
    said = {"index": index, **choice, "finish_reason": None}
    end: dict[str, Any] = {
        "index": said["index"],
        "logprobs": None,
        "finish_reason": choice.get("finish_reason") or "stop",
    }
    if "text" in choice:
        end["text"] = ""
        return said, end
    message = said.pop("message", None)
    said["delta"] = _delta(message) if isinstance(message, Mapping) else {}
    end["delta"] = {}
    return said, end


def _delta(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as a delta; in a stream each tool call has its index."""
    delta = dict(message)
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [
            {"index": index, **call} if isinstance(call, Mapping) else call
            for index, call in enumerate(calls)
        ]
    return delta
