"""Answers on their way out, whole or in chunks: made into bytes, and their usage read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from loguru import logger

from tornado_router import sse
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Body, Call, Relayed
from tornado_router.usage import Usage, estimate_usage, read_usage

_IDENTITY = ("id", "created", "model", "system_fingerprint", "service_tier")
_CONTENT = {"chat.completions": "choices", "embeddings": "data"}
"""The field without which an answer of an endpoint is none."""

_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")


class ChunkEncoder:
    """Frames chunks for the client, and learns from them what the call used.

    A client that asked for usage gets it once, last, in a chunk without choices, whatever the
    vendor does with it; one that did not ask never sees it.

    Args:
        call: what the client asked for.
        model: what chunks are to call the model; None leaves what the vendor calls it.

    Attributes:
        generated: UTF-8 bytes of text so far.
    """

    def __init__(self, call: Call, model: str | None = None) -> None:
        self._call = call
        self._model = model
        options = call.body.get("stream_options")
        self._show_usage = bool(options and options.get("include_usage"))
        self._reported: Usage | None = None
        self._usage_body: Mapping[str, Any] | None = None
        self._identity: Mapping[str, Any] = {}
        self.generated = 0

    def encode(self, chunk: Body) -> bytes:
        """One chunk as an event; empty if it is not for this client.

        Raises:
            ProviderError: the provider made something that is no chunk.
        """
        body, raw = _split(chunk)
        if self._model is not None:
            body, raw = {**body, "model": self._model}, None
        choices = body.get("choices")
        if body.get("usage"):
            self._take_usage(body)
            if not choices:
                return b""
            body, raw = {**body, "usage": None}, None
        try:
            if choices:
                self.generated += _text_size(choices, "delta")
            if raw is None or b"\n" in raw or b"\r" in raw:
                raw = orjson.dumps(body)
        except (AttributeError, TypeError) as error:
            raise _no_answer() from error
        if not self._identity:
            self._identity = body
        return sse.encode(raw)

    def finish(self) -> bytes:
        """What ends a stream that went well."""
        if not self._show_usage:
            return sse.DONE
        chunk = {key: self._identity[key] for key in _IDENTITY if key in self._identity}
        chunk |= {"object": "chat.completion.chunk", "choices": []}
        chunk["usage"] = self._usage_body or self.usage().body()
        return sse.encode(orjson.dumps(chunk)) + sse.DONE

    def cut(self, reason: ApiError) -> bytes:
        """What ends a stream that may not go on: as if it had reached `max_tokens`, and why."""
        chunk = {key: self._identity[key] for key in _IDENTITY if key in self._identity}
        chunk |= {
            "object": "chat.completion.chunk",
            "choices": [
                {"index": index, "delta": {}, "finish_reason": "length"}
                for index in range(int(self._call.body.get("n") or 1))
            ],
            "router": reason.body(),
        }
        return sse.encode(orjson.dumps(chunk)) + self.finish()

    def usage(self) -> Usage:
        """What was used so far: as the vendor said, or a guess from what came."""
        return self._reported or estimate_usage(self._call.body, self.generated)

    def _take_usage(self, chunk: Mapping[str, Any]) -> None:
        usage = read_usage(chunk["usage"])
        if usage:
            self._reported = usage
            self._usage_body = chunk["usage"]


def encode_error(error: ApiError) -> bytes:
    """The event that tells of a failure behind the first chunk; no `[DONE]` follows it."""
    return b"event: error\n" + sse.encode(orjson.dumps(error.body()))


def encode_whole(call: Call, answer: Body, model: str | None = None) -> tuple[bytes, Usage]:
    """The bytes of a whole answer, and what the call used.

    Args:
        call: what the client asked for.
        answer: the provider's.
        model: what it is to call the model; None leaves what the vendor calls it.

    Raises:
        ProviderError: the provider made something that is no answer.
    """
    body, raw = _split(answer)
    if not body.get(_CONTENT[call.endpoint]):
        raise _no_answer()
    if model is not None:
        body, raw = {**body, "model": model}, None
    try:
        usage = read_usage(body.get("usage"))
        if usage is None:
            usage = estimate_usage(call.body, _text_size(body.get("choices") or (), "message"))
            if raw is None:
                body = {**body, "usage": usage.body()}  # OpenAI's own answers never lack it
        return orjson.dumps(body) if raw is None else raw, usage
    except (AttributeError, TypeError) as error:
        raise _no_answer() from error


def _split(answer: Body) -> tuple[Mapping[str, Any], bytes | None]:
    if isinstance(answer, Relayed):
        return answer.body, answer.raw
    if not isinstance(answer, Mapping):
        raise _no_answer()
    return answer, None


def _no_answer() -> ProviderError:
    logger.error("a provider made something that is no answer in OpenAI's format")
    return ProviderError(502, "The provider's answer cannot be read.", code="provider_fault")


def _text_size(choices: Any, part: str) -> int:
    """UTF-8 bytes of text in the choices of a chunk or an answer, for an estimate."""
    size = 0
    for choice in choices:
        message = choice.get(part) or {}
        for name in _TEXTS:
            text = message.get(name)
            if text:
                size += _bytes(text)
        for tool_call in message.get("tool_calls") or ():
            function = tool_call.get("function") or {}
            size += _bytes(function.get("arguments") or "")
    return size


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
