"""Completions by a provider that has only chat completions: the prompt becomes a user's message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from tornado_router.endpoints.bridges.base import Bridge, BridgedStream
from tornado_router.endpoints.chat_completions import CHAT_COMPLETIONS
from tornado_router.endpoints.completions import COMPLETIONS, CompletionsEncoder, prompts
from tornado_router.error_codes import Failure
from tornado_router.provider import Body, Call, Params, Relayed, UnsupportedKind, dump_json

MAX_TOKENS = 16
"""Of a request that sets none: https://platform.openai.com/docs/api-reference/completions."""

_SAME = (
    "n",
    "stop",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "seed",
    "user",
)
"""Fields that mean the same in both."""

_NAMES = {
    "messages": "prompt",
    "max_completion_tokens": "max_tokens",
    "top_logprobs": "logprobs",
}
"""What a completion calls the fields of the chat completion that is made of it."""

_UNSUPPORTED: Mapping[str, UnsupportedKind] = {
    "best_of": "loss",
    "logprobs": "loss",
    "max_tokens": "loss",
    "prompt": "loss",
    "suffix": "loss",
}
"""Of `logprobs` those with `echo`, of `max_tokens` 0, of `prompt` several and tokens."""

_FINISH_REASONS = ("stop", "length", "content_filter")


class CompletionsToChat(Bridge):
    """One prompt, as text. `echo` is done here, `logprobs` are put into the older form."""

    source: ClassVar[str] = COMPLETIONS.name
    target: ClassVar[str] = CHAT_COMPLETIONS.name
    unsupported_fields: ClassVar[Mapping[str, UnsupportedKind]] = _UNSUPPORTED

    def call(self, call: Call) -> Call:
        """A conversation of one message."""
        params = Params(call)
        prompt = _text(call, params.take("prompt"))
        body: dict[str, Any] = {
            "model": call.body["model"],
            "messages": [{"role": "user", "content": prompt}],
        }
        body |= {name: value for name in _SAME if (value := params.take(name)) is not None}
        bound = params.take("max_tokens", MAX_TOKENS)
        if bound > 0:
            body["max_completion_tokens"] = bound
        elif bound == 0:
            raise Failure.not_bridged(
                model=call.model, param="max_tokens", reason="it must be at least 1"
            )
        if (params.take("best_of") or 1) > body.get("n", 1):
            params.unsupported("best_of")
        if params.take("suffix"):
            params.unsupported("suffix")
        logprobs, echo = params.take("logprobs"), params.take("echo")
        if logprobs is not None and echo:
            params.unsupported("logprobs")  # those of the prompt cannot be had
        elif logprobs is not None:
            body |= {"logprobs": True, **({"top_logprobs": logprobs} if logprobs else {})}
        params.finish()
        if call.stream:
            body["stream"] = True
            if call.body.get("stream_options") is not None:
                body["stream_options"] = call.body["stream_options"]
        return Call(
            call.id, self.target, call.model, body, dump_json(body), call.stream, call.unsupported
        )

    def response(self, call: Call, body: Body) -> Body:
        """The messages' texts as choices; everything beside the choices stays."""
        stream = _Stream(call)
        (response,) = stream.feed(body)
        return response

    def stream(self, call: Call) -> BridgedStream:
        """What translates one stream."""
        return _Stream(call)

    def param(self, path: str) -> str:
        """The completion's name of a field; all of `messages` is the prompt."""
        name = path.replace("[", ".").partition(".")[0]
        return _NAMES.get(name, path)


class _Stream:
    """Translates chunks, or a whole response, which is like one chunk with everything.

    It knows of each choice how many characters came, for `text_offset` and to echo the prompt once.
    """

    complete = False

    def __init__(self, call: Call) -> None:
        self._prompt: str = prompts(call.body)[0] if call.body.get("echo") else ""
        self._sizes: dict[int, int] = {}

    def feed(self, chunk: Body) -> Iterable[Body]:
        """The chunk with texts in place of deltas; none if there is nothing in it yet."""
        body: Mapping[str, Any] = chunk.body if isinstance(chunk, Relayed) else chunk  # type: ignore[assignment]
        found = body.get("choices") or ()
        choices = [made for choice in found if (made := self._choice(choice))]
        if found and not choices and not body.get("usage"):
            return ()  # it only says who speaks
        return ({**body, "object": CompletionsEncoder.object, "choices": choices},)

    def finish(self) -> Iterable[Body]:
        """Nothing is held back."""
        return ()

    def _choice(self, choice: Mapping[str, Any]) -> dict[str, Any] | None:
        index = choice.get("index") or 0
        message = choice.get("message") or choice.get("delta") or {}
        text = message.get("content") or message.get("refusal") or ""
        reason = choice.get("finish_reason")
        if not text and not reason:
            return None
        if self._prompt and index not in self._sizes:
            text = self._prompt + text
        offset = self._sizes.get(index, 0)
        self._sizes[index] = offset + len(text)
        return {
            "index": index,
            "text": text,
            "logprobs": _legacy_logprobs(choice.get("logprobs"), offset),
            "finish_reason": reason if reason is None or reason in _FINISH_REASONS else "stop",
        }


def _text(call: Call, prompt: Any) -> str:
    """The prompt, if it is one text.

    Raises:
        ProviderError: it is several, or tokens, or missing.
    """
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, str):
        return prompt
    reason = "it must be one text, not several"
    if prompt is None or prompt == []:
        reason = "it must be a text"
    elif not isinstance(prompt, list) or not isinstance(prompt[0], str | list):
        reason = "it must be a text, not tokens"
    raise Failure.not_bridged(model=call.model, param="prompt", reason=reason)


def _legacy_logprobs(logprobs: Any, offset: int) -> dict[str, Any] | None:
    """Log probabilities as completions have them: a list for each property."""
    tokens = (logprobs or {}).get("content")
    if not tokens:
        return None
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token["token"])
    return {
        "tokens": [token["token"] for token in tokens],
        "token_logprobs": [token["logprob"] for token in tokens],
        "top_logprobs": [
            {other["token"]: other["logprob"] for other in token.get("top_logprobs") or ()}
            for token in tokens
        ],
        "text_offset": offsets,
    }
