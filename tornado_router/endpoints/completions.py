"""`POST /v1/completions`: https://platform.openai.com/docs/api-reference/completions (legacy)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from tornado_router.endpoints import rules
from tornado_router.endpoints.ask import Ask, Output
from tornado_router.endpoints.base import Documentation, StreamEncoder
from tornado_router.endpoints.estimates import byte_size, estimate_tokens, text_size
from tornado_router.endpoints.openai_format import ChoicesEndpoint
from tornado_router.endpoints.openai_stream import ChunkEncoder, add_piece, join_chunks
from tornado_router.provider import Call
from tornado_router.validation.validator import Rule

TEMPERATURE = 1.0
"""Of a request that sets none, as in OpenAI's API."""


def prompts(body: Mapping[str, Any]) -> Sequence[Any]:
    """The prompts of a request, each a text or a list of tokens."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        return prompt
    return [prompt]


class CompletionsAsk(Ask):
    """What a completion asks for."""

    __slots__ = ()

    def output(self) -> Output:
        """`best_of` candidates for each prompt; the client gets `n` of them, and pays for all."""
        body = self.call.body
        # For JSON Schema, 2.0 is an integer.
        candidates = max(int(body.get("n") or 1), int(body.get("best_of") or 1))
        return Output(candidates * len(prompts(body)), self._bound())

    def context(self) -> int:
        """The longest prompt, and the most that one choice may come to."""
        longest = max(estimate_tokens(prompt) for prompt in prompts(self.call.body))
        return longest + (self._bound() or 0)

    def temperature(self) -> float:
        """The client's, or OpenAI's default."""
        given = self.call.body.get("temperature")
        return TEMPERATURE if given is None else float(given)

    def _bound(self) -> int | None:
        bound = self.call.body.get("max_tokens")
        return None if bound is None or bound < 0 else int(bound)  # -1 is none


class Completions(ChoicesEndpoint):
    """A prompt in, the text that follows it out."""

    name: ClassVar[str] = "completions"
    path: ClassVar[str] = "/v1/completions"
    rules: ClassVar[Sequence[Rule]] = (
        rules.stream_options_need_stream,
        rules.prompt_is_of_one_kind,
        rules.best_of_is_at_least_n,
        rules.best_of_does_not_stream,
    )
    prompt_field: ClassVar[str] = "prompt"
    bound_fields: ClassVar[tuple[str, ...]] = ("max_tokens",)
    prompt_fields: ClassVar[tuple[str, ...]] = ("prompt", "suffix")
    otel_operation: ClassVar[str] = "text_completion"
    documentation: ClassVar[Documentation] = Documentation(
        summary="Create a completion",
        description="As in the OpenAI API, which calls it legacy. Where a provider has only chat "
        "completions, the prompt becomes the message of a user: one text, without `suffix`. With "
        "`stream`, the response is a stream of events, each with a `CompletionsChunk`.",
        examples={
            "A prompt": {
                "model": "gpt-3.5-turbo-instruct",
                "prompt": "Once upon a time",
                "max_tokens": 64,
            },
            "A streamed completion": {
                "model": "gpt-3.5-turbo-instruct",
                "prompt": "The three laws of robotics are:\n1.",
                "max_tokens": 200,
                "stop": ["\n4."],
                "stream": True,
                "stream_options": {"include_usage": True},
            },
        },
        chunk="completions.chunk",
    )

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return CompletionsAsk(call)

    def size(self, choice: Mapping[str, Any]) -> int:
        """UTF-8 bytes of the text."""
        text = choice.get("text")
        if type(text) is str:
            return byte_size(text)
        return text_size(text) if text else 0

    def text(self, choice: Mapping[str, Any]) -> tuple[str, str]:
        """The text."""
        text = choice.get("text")
        return "text", text if type(text) is str else ""

    def choices(self, call: Call) -> int:
        """`n` for each prompt."""
        return int(call.body.get("n") or 1) * len(prompts(call.body))

    def encoder(self, call: Call, model: str | None = None) -> StreamEncoder:
        """What makes the bytes of a stream."""
        return CompletionsEncoder(self, call, model)

    def join(self, events: bytes) -> dict[str, Any]:
        """The texts that the chunks of a stream amount to."""
        return join_chunks(events, _add_choice)

    def trim(self, joined: dict[str, Any], without_end: Callable[[str], str]) -> None:
        """Removes the ends of texts."""
        for choice in joined["choices"]:
            text = choice.pop("text", None)
            if isinstance(text, str):
                choice["text"] = without_end(text)


class CompletionsEncoder(ChunkEncoder):
    """Streams of `text_completion`."""

    __slots__ = ()

    object: ClassVar[str] = "text_completion"

    def ends(self) -> list[dict[str, Any]]:
        """No text, with a finish reason, for each choice."""
        return [
            {"index": index, "text": "", "logprobs": None, "finish_reason": "length"}
            for index in range(self._choices)
        ]


def _add_choice(known: dict[str, Any], choice: Mapping[str, Any]) -> None:
    add_piece(known, "text", choice.get("text"))


COMPLETIONS = Completions()
