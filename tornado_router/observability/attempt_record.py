"""What is noted of each attempt while it runs, for metrics and traces."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from tornado_router.provider import (
    Body,
    HTTPClient,
    Relayed,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSocket,
    UpstreamStream,
)

MAX_TEXT = 200
"""Of an id, a model or a reason that a vendor names, this much is kept."""

MAX_CHOICES = 128
"""The most choices that a client may ask for."""


@dataclass(slots=True)
class AttemptRecord:
    """One attempt to have a call served. Times are those of `time.monotonic()`.

    Attributes:
        provider: name of the provider's table.
        otel_provider_name: what `gen_ai.provider.name` calls it.
        model: the vendor's own name of the model that was asked for.
        began: when it was sent.
        first_chunk: when the first chunk of a stream arrived, or None.
        ended: when the response was whole, had failed or was given up.
        answered: whether a response began, even if it failed later.
        complete: whether it was read to its end.
        status: of the failure, or None.
        error_code: of the failure, or None.
        url: where it was sent, or None. It may hold a key, so only its host may be shown. This
            and what follows is noted for traces alone.
        response_id: id of the response, or None.
        response_model: the model that answered, as the vendor calls it, or None.
        finish_reasons: why each choice ended.
    """

    provider: str
    otel_provider_name: str
    model: str
    began: float = field(default_factory=time.monotonic)
    first_chunk: float | None = None
    ended: float | None = None
    answered: bool = False
    complete: bool = False
    status: int | None = None
    error_code: str | None = None
    url: str | None = None
    response_id: str | None = None
    response_model: str | None = None
    finish_reasons: list[str] = field(default_factory=list)

    def read(self, bodies: Iterable[Body]) -> None:
        """Notes id, model and finish reasons of a whole response or of some chunks."""
        for body in bodies:
            response: object = body.body if isinstance(body, Relayed) else body
            if not isinstance(response, Mapping):
                continue  # a fault of the plugin's, and reported where the response is encoded
            # The first event of a stream of messages, or of responses, holds the whole.
            whole = response.get("message") or response.get("response")
            named = whole if isinstance(whole, Mapping) else response
            self.response_id = self.response_id or _text(named.get("id"))
            self.response_model = self.response_model or _text(named.get("model"))
            self._read_reasons(response)

    def _read_reasons(self, response: Mapping[str, Any]) -> None:
        """Notes why choices ended, or a message of Anthropic's, whole or in an event."""
        delta = response.get("delta")
        reasons = [_text(response.get("stop_reason"))]
        if isinstance(delta, Mapping):
            reasons.append(_text(delta.get("stop_reason")))
        choices = response.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, Mapping):
                reasons.append(_text(choice.get("finish_reason")))
        room = MAX_CHOICES - len(self.finish_reasons)
        self.finish_reasons += [reason for reason in reasons if reason][:room]

    def end(self) -> None:
        """Notes that the attempt is over."""
        if self.ended is None:
            self.ended = time.monotonic()

    def fail(self, status: int, code: str | None) -> None:
        """Notes why it failed."""
        self.status, self.error_code = status, code


class RecordingClient:
    """Notes where an attempt is sent (`HTTPClient`).

    Args:
        client: what sends it.
        record: of the attempt.
    """

    def __init__(self, client: HTTPClient, record: AttemptRecord) -> None:
        self._client = client
        self._record = record

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Sends a request and reads the whole response.

        Raises:
            ProviderError: no response came.
        """
        self._record.url = request.url
        return await self._client.send(request)

    def stream(self, request: UpstreamRequest) -> AbstractAsyncContextManager[UpstreamStream]:
        """Sends a request; the body is read inside the `async with`. Raises as `send`."""
        self._record.url = request.url
        return self._client.stream(request)

    def connect(
        self, request: UpstreamRequest, protocols: tuple[str, ...] = ()
    ) -> AbstractAsyncContextManager[UpstreamSocket]:
        """Opens a websocket; it is used inside the `async with`. Raises as `send`."""
        self._record.url = request.url
        return self._client.connect(request, protocols)


def _text(value: object) -> str | None:
    return value[:MAX_TEXT] if isinstance(value, str) else None
