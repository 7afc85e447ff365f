"""`wss /v1/realtime`: https://developers.openai.com/api/docs/guides/realtime.

A session is a websocket with events of both sides; each response in it is a call. The body of a
call is what the router knows of the session, and of the response that is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tornado_router.endpoints.ask import ONE_OUTPUT, Ask, Output
from tornado_router.endpoints.base import Documentation, Encoded, Endpoint
from tornado_router.endpoints.dialects import OPENAI, Dialect
from tornado_router.endpoints.openai_usage import read_seconds, read_usage
from tornado_router.error_codes import Failure
from tornado_router.provider import Body, Call
from tornado_router.usage import BYTES_PER_TOKEN, Amounts, Usage

TRANSCRIPTION = "transcription"
"""A session whose audio is written down, and not responded to."""

CONTEXT = "context_tokens"
"""Of a call's body: what the model has to read for the response, as estimated."""

BOUND = "max_output_tokens"

_TYPES = {"": "realtime", TRANSCRIPTION: TRANSCRIPTION}
_DEFAULT_TRANSCRIBER = "gpt-4o-transcribe"


class RealtimeAsk(Ask):
    """What one response asks for."""

    __slots__ = ()

    def prompt(self) -> tuple[int, int]:
        """The conversation so far."""
        return self.call.body.get(CONTEXT, 0), 0

    def amounts(self, seen: int) -> Amounts:
        """Any of its tokens may be speech."""
        return Amounts(has_media=True)

    def output(self) -> Output:
        """One response, bounded by itself or by its session; `inf` bounds nothing."""
        bound = self.call.body.get(BOUND)
        return Output(1, bound) if isinstance(bound, int) and bound >= 0 else ONE_OUTPUT


class Realtime(Endpoint):
    """Conversations by speech and text, as they happen."""

    name: ClassVar[str] = "realtime"
    path: ClassVar[str] = "/v1/realtime"
    dialect: ClassVar[Dialect] = OPENAI
    is_socket: ClassVar[bool] = True
    prompt_field: ClassVar[str] = "instructions"
    bound_fields: ClassVar[tuple[str, ...]] = (BOUND,)
    forwarded_headers: ClassVar[tuple[str, ...]] = ("openai-beta", "openai-safety-identifier")
    documentation: ClassVar[Documentation] = Documentation(
        summary="Open a realtime session",
        description="As in the OpenAI API: a websocket. Each response in it is a call, with "
        "limits, costs and a record of its own.",
        examples={
            "A conversation": {
                "type": "realtime",
                "model": "gpt-realtime",
                "instructions": "Be brief.",
            }
        },
    )

    def session(self, model: str | None, intent: str) -> dict[str, Any]:
        """The session that the query of a request asks for; without a model if it names none.

        Args:
            model: that it names.
            intent: the same; empty for a conversation.

        Raises:
            KeyError: there is no such intent.
        """
        kind = _TYPES[intent]
        if model is None and kind == TRANSCRIPTION:
            model = _DEFAULT_TRANSCRIBER
        return {"type": kind} | ({"model": model} if model is not None else {})

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return RealtimeAsk(call)

    def estimate(self, call: Call, generated: int = 0) -> Usage:
        """A guess: of the prompt by the conversation, of the output by what came."""
        completion = -(-generated // BYTES_PER_TOKEN)
        return Usage(call.body.get(CONTEXT, 0), completion, estimated=True)

    def whole(self, call: Call, response: Body, model: str | None = None) -> Encoded:
        """None: nothing here is a response of HTTP.

        Raises:
            ProviderError: always.
        """
        raise Failure.unreadable_response()


REALTIME = Realtime()


def read_realtime_usage(value: object) -> Usage | None:
    """Reads the `usage` of a response, or of a transcription; None if there is none.

    It differs from that of chat completions in its names, and in that what is cached is among the
    tokens of audio and of images, too.
    """
    if not isinstance(value, Mapping):
        return None
    if value.get("type") == "duration":
        return Usage(seconds=read_seconds(value.get("seconds")))
    return read_usage(
        {
            "prompt_tokens": value.get("input_tokens"),
            "completion_tokens": value.get("output_tokens"),
            "prompt_tokens_details": _without_cached(value.get("input_token_details")),
            "completion_tokens_details": value.get("output_token_details"),
        }
    )


def _without_cached(details: object) -> object:
    if not isinstance(details, Mapping):
        return None
    cached = details.get("cached_tokens_details")
    if not isinstance(cached, Mapping):
        return details
    return {**details, **{name: _less(details, cached, name) for name in _MEDIA}}


_MEDIA = ("audio_tokens", "image_tokens")


def _less(details: Mapping[str, Any], cached: Mapping[str, Any], name: str) -> int:
    whole, part = details.get(name), cached.get(name)
    if not isinstance(whole, int):
        return 0
    return max(0, whole - part) if isinstance(part, int) else whole
