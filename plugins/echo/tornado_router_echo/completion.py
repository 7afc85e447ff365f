"""Completions: each prompt is said back. Pure, and always the same for the same request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tornado_router_echo.response import Response, compose

MAX_TOKENS = 16
"""Of a request that sets none, as in OpenAI's API."""


class Completion:
    """The choices of a completion: `n` for each prompt.

    Args:
        body: a valid `completions` request.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        count = int(body.get("n") or 1)  # for JSON Schema, 2.0 is an integer
        self._candidates = max(count, int(body.get("best_of") or 1))
        self._with_prompt = bool(body.get("echo"))
        self._with_logprobs = body.get("logprobs") is not None
        self._prompts = _texts(body.get("prompt"))
        self._responses = [_response(body, prompt) for prompt in self._prompts]
        self._numbered = [
            (index * count + number, index)
            for index in range(len(self._responses))
            for number in range(count)
        ]

    def choices(self) -> list[dict[str, Any]]:
        """The choices of a whole response."""
        return [
            self._choice(number, self._words(index), self._responses[index].finish_reason)
            for number, index in self._numbered
        ]

    def chunks(self) -> Iterator[list[dict[str, Any]]]:
        """The choices of each chunk of a stream: a word each, and then the finish reason."""
        for number, index in self._numbered:
            for word in self._words(index):
                yield [self._choice(number, [word], None)]
            yield [self._choice(number, [], self._responses[index].finish_reason)]

    def usage(self) -> dict[str, int]:
        """OpenAI's `usage`: candidates that are not returned count, too."""
        prompt = sum(response.prompt_tokens for response in self._responses)
        completion = sum(len(response.words) for response in self._responses) * self._candidates
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def _words(self, index: int) -> Sequence[str]:
        prompt = [self._prompts[index]] if self._with_prompt and self._prompts[index] else []
        return [*prompt, *self._responses[index].words]

    def _choice(
        self, number: int, words: Sequence[str], finish_reason: str | None
    ) -> dict[str, Any]:
        return {
            "index": number,
            "text": "".join(words),
            "logprobs": _logprobs(words) if self._with_logprobs and words else None,
            "finish_reason": finish_reason,
        }


def _texts(prompt: Any) -> list[str]:
    """Each prompt as text; tokens are said back as their numbers."""
    if not isinstance(prompt, list):
        return [prompt or ""]
    if all(isinstance(item, int) for item in prompt):
        return [" ".join(map(str, prompt))]
    return [item if isinstance(item, str) else " ".join(map(str, item)) for item in prompt]


def _response(body: Mapping[str, Any], prompt: str) -> Response:
    limit = body.get("max_tokens")
    limit = MAX_TOKENS if limit is None else int(limit)
    response = compose(
        {"messages": [{"role": "user", "content": prompt}], "stop": body.get("stop")}
    )
    if limit < 0 or len(response.words) <= limit:  # -1 sets none
        return response
    return Response(response.words[:limit], (), "length", response.prompt_tokens, False)


def _logprobs(words: Sequence[str]) -> dict[str, Any]:
    """Of words each of which was certain."""
    offsets, offset = [], 0
    for word in words:
        offsets.append(offset)
        offset += len(word)
    return {
        "tokens": list(words),
        "token_logprobs": [0.0] * len(words),
        "top_logprobs": [{word: 0.0} for word in words],
        "text_offset": offsets,
    }
