"""OpenAI's format of responses: what its endpoints share; `openai_stream` has the streams.

Where client and vendor speak it both, the vendor's bytes pass through untouched.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from tornado_router.endpoints.base import JSON, Encoded, Endpoint
from tornado_router.endpoints.dialects import OPENAI, Dialect
from tornado_router.endpoints.estimates import estimate_tokens, text_size, tokens_of
from tornado_router.endpoints.openai_usage import read_usage, usage_body
from tornado_router.error_codes import Failure
from tornado_router.provider import Body, Call, Relayed
from tornado_router.provider.bodies import write_json
from tornado_router.usage import Usage

_OBJECT = (dict, Mapping)
"""A JSON object, or what a plugin made of one; a dict is recognised much faster."""


class OpenAIEndpoint(Endpoint):
    """An endpoint of OpenAI's API.

    Attributes:
        content: the field without which a response is none.
        prompt_fields: those of a request that are read as prompt.
    """

    dialect: ClassVar[Dialect] = OPENAI
    content: ClassVar[str]
    prompt_fields: ClassVar[tuple[str, ...]]

    def estimate(self, call: Call, generated: int = 0) -> Usage:
        """A guess: of the prompt by its texts, of the output by its bytes."""
        return Usage(self.estimate_prompt(call.body), tokens_of(generated), estimated=True)

    def estimate_prompt(self, body: Mapping[str, Any]) -> int:
        """A guess at the tokens of a request."""
        return sum(estimate_tokens(body.get(name)) for name in self.prompt_fields)

    def whole(self, call: Call, response: Body, model: str | None = None) -> Encoded:
        """The vendor's bytes as they are, or the JSON of what a plugin made.

        Raises:
            ProviderError: it is not a response in OpenAI's format.
        """
        body, raw = body_of(response)
        if not body.get(self.content):
            raise Failure.unreadable_response()
        is_made = raw is None
        if model is not None:
            body, raw = {**body, "model": model}, None
        usage = read_usage(body.get("usage"))
        if usage is None:
            usage = self.estimate(call, self.generated(body, is_made=is_made))
            if raw is None and usage.estimated:
                body = {**body, "usage": usage_body(usage)}  # OpenAI's own responses have it
        return Encoded(written(body) if raw is None else raw, JSON, usage)

    def generated(self, body: Mapping[str, Any], *, is_made: bool) -> int:
        """UTF-8 bytes of text in a whole response.

        Args:
            body: the response.
            is_made: whether a plugin made it: then it has to be in OpenAI's format. In what a
                vendor sent, anything may stand in place of anything.

        Raises:
            ProviderError: it is made, and in another format.
        """
        return 0


class ChoicesEndpoint(OpenAIEndpoint):
    """An endpoint whose responses are choices, whole or in chunks."""

    content: ClassVar[str] = "choices"
    streams: ClassVar[bool] = True

    @abstractmethod
    def size(self, choice: Mapping[str, Any]) -> int:
        """UTF-8 bytes of text in a choice, be it whole or of a chunk.

        Raises:
            AttributeError: it is in another format; so may TypeError be.
        """

    @abstractmethod
    def text(self, choice: Mapping[str, Any]) -> tuple[str, str]:
        """A text in a choice of a chunk that `size` counts, with its field; empty if none is."""

    @abstractmethod
    def choices(self, call: Call) -> int:
        """How many choices a response has."""

    def generated(self, body: Mapping[str, Any], *, is_made: bool) -> int:
        """UTF-8 bytes of text in the choices of a whole response. Raises as everywhere."""
        choices = body["choices"]
        try:
            return sum(map(self.size, choices))
        except (AttributeError, TypeError):
            if is_made:
                raise Failure.unreadable_response() from None
            return text_size(choices)

    def has_content(self, chunk: Body) -> bool:
        """Whether there is text in a choice of a chunk; of what is odd, whether there is any."""
        body = chunk.body if isinstance(chunk, Relayed) else chunk
        choices = body.get("choices") if isinstance(body, _OBJECT) else body
        try:
            return any(map(self.size, choices or ()))  # type: ignore[arg-type]
        except (AttributeError, TypeError):
            return text_size(choices) > 0


def body_of(response: Body) -> tuple[Mapping[str, Any], bytes | None]:
    """The object that a response or a chunk is, and its bytes if they can go on as they are.

    Raises:
        ProviderError: a plugin made something else than an object.
    """
    if isinstance(response, Relayed):
        return response.body, response.raw
    if not isinstance(response, _OBJECT):
        raise Failure.unreadable_response()
    return response, None


def written(body: Mapping[str, Any]) -> bytes:
    """The bytes of a body that a plugin made, or in which something had to change.

    Raises:
        ProviderError: it cannot be written as JSON.
    """
    try:
        return write_json(body)
    except (TypeError, ValueError, RecursionError):
        raise Failure.unreadable_response() from None
