"""Responses in OpenAI's format, whole and streamed: what bridges translate in the kit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tornado_router import endpoints

TEXT = "Ünïcödé 世界 🎉 \u2028 \u2029 e\u0301, and then"
USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


@dataclass(frozen=True)
class ResponseSample:
    """One response.

    Attributes:
        label: what is special about it.
        whole: the body.
        chunks: the same as a stream.
        asks: fields of the request that such a response is for.
    """

    label: str
    whole: Mapping[str, Any]
    chunks: Sequence[Mapping[str, Any]]
    asks: Mapping[str, Any]


def _token(text: str) -> dict[str, Any]:
    top = [{"token": text, "logprob": -0.5, "bytes": None}]
    return {"token": text, "logprob": -0.5, "bytes": None, "top_logprobs": top}


def _chat(label: str, *texts: str, reason: str = "stop", **special: Any) -> ResponseSample:
    """A chat completion with a choice for each text, each streamed in two pieces."""
    head = {"id": "chatcmpl-1", "created": 1790000000, "model": "vendor-model", "vendor": {"a": 1}}
    name, with_logprobs = special.get("name", "content"), special.get("logprobs", False)
    choices, chunks = [], []

    def chunk(index: int, reason: str | None = None, **delta: Any) -> dict[str, Any]:
        text = delta.get(name)
        logprobs = {"content": [_token(text)]} if with_logprobs and text else None
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return {**head, "object": "chat.completion.chunk", "choices": [choice]}

    for index, text in enumerate(texts):
        pieces = [text[: len(text) // 2], text[len(text) // 2 :]]
        message = {"role": "assistant", "content": None, "refusal": None, name: text}
        logprobs = {"content": list(map(_token, pieces))} if with_logprobs else None
        choices.append(
            {"index": index, "message": message, "logprobs": logprobs, "finish_reason": reason}
        )
        chunks.append(chunk(index, role="assistant", content="" if name == "content" else None))
        chunks += [chunk(index, **{name: piece}) for piece in pieces if piece]
        chunks.append(chunk(index, reason))
    whole = {**head, "object": "chat.completion", "choices": choices, "usage": USAGE}
    last = {**head, "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
    return ResponseSample(label, whole, (*chunks, last), special.get("asks", {}))


RESPONSES: Mapping[str, tuple[ResponseSample, ...]] = {
    endpoints.CHAT_COMPLETIONS.name: (
        _chat("a text", TEXT),
        _chat("two choices", TEXT, "other", asks={"n": 2}),
        _chat("a text that was cut off", TEXT, reason="length"),
        _chat("a refusal", TEXT, name="refusal"),
        _chat("a text that was filtered", TEXT, reason="content_filter"),
        _chat("no text", ""),
        _chat("log probabilities", TEXT, logprobs=True, asks={"logprobs": 1}),
    ),
}
"""By endpoint."""
