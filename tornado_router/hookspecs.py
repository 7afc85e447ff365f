"""The hooks that a plugin may implement, each with its moment and its arguments.

A plugin implements one by a function of the same name, marked with
`tornado_router.provider.hookimpl`, in the module that its entry point names.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import pluggy

from tornado_router.provider import Provider

hookspec = pluggy.HookspecMarker("tornado_router")


class RequestFinished(NamedTuple):
    """A finished call, as plugins see it. It holds no prompt, response, key or header.

    Attributes:
        call_id: the router's own, never the same twice.
        request_id: as in `x-request-id`; a client may have chosen it.
        endpoint: which API was called, such as `chat.completions`.
        user_id: row of `users`.
        key_id: row of `api_keys`.
        key_name: the name its owner gave the key.
        model: the name that the client asked for.
        provider: name of the provider that served it, or None when none was reached.
        target_model: the vendor's own name of the model, or None.
        stream: whether the response was streamed.
        status: HTTP status; 499 when the client went away, and for a stream that broke after
            its first chunk the status that the failure would have had.
        error_code: code of the error object, or None on success.
        dropped_params: paths of what the provider had no equivalent for and left out.
        prompt_tokens: tokens of the request.
        completion_tokens: tokens of the response, as far as it was generated.
        cached_tokens: those of the prompt that the vendor read from its cache.
        cache_write_tokens: those of the prompt that the vendor wrote to its cache.
        reasoning_tokens: those of the completion that the vendor spent on reasoning.
        usage_estimated: whether the router had to guess, the vendor having said nothing.
        cost: US dollars that were charged for it.
        uncharged: cost in US dollars that was not charged: beyond the available balance, or of a
            cancelled hedged attempt.
        paid_from_credits: whether the charge was taken from the user's credits.
        prices: JSON object of the prices that were used, or None for a model without.
        finished_at: when it was over, in seconds since 1970.
        duration: seconds from the first byte of the request to the last of the response.
        first_chunk: seconds until the first chunk, or None if not streamed.
        overhead: seconds that the call spent in the router itself until its response began or it
            failed, or None if no provider was asked or the client disconnected earlier.
        cache_hit: whether the response came from the cache; then there is no provider, and nothing
            is charged.
        client_address: IP address of the client; empty if `[log] client_addresses` is off.
        trace_id: of the trace that the call is part of (32 hexadecimal digits), or None.
        internal_error: of an error in the router itself, its type and where it was raised, or
            None.
        audio_prompt_tokens: those of the prompt that are audio and did not come from a cache.
        audio_completion_tokens: those of the completion that are audio.
        image_prompt_tokens: those of the prompt that are images and did not come from a cache.
        image_completion_tokens: those of the completion that are images.
        images: that were made.
        seconds: of audio.
        characters: of text that was spoken.
        searches: units of reranking.
    """

    call_id: str
    request_id: str
    endpoint: str
    user_id: int
    key_id: int
    key_name: str
    model: str
    provider: str | None
    target_model: str | None
    stream: bool
    status: int
    error_code: str | None
    dropped_params: tuple[str, ...]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    usage_estimated: bool
    cost: Decimal
    uncharged: Decimal
    paid_from_credits: bool
    prices: str | None
    finished_at: float
    duration: float
    first_chunk: float | None
    overhead: float | None = None
    cache_hit: bool = False
    client_address: str = ""
    trace_id: str | None = None
    internal_error: str | None = None
    audio_prompt_tokens: int = 0
    audio_completion_tokens: int = 0
    image_prompt_tokens: int = 0
    image_completion_tokens: int = 0
    images: int = 0
    seconds: float = 0.0
    characters: int = 0
    searches: int = 0


@hookspec
def register_providers() -> Mapping[str, type[Provider]]:  # type: ignore[empty-body]
    """Offers provider types, by the name that `type = "..."` in router.toml asks for.

    Called once, when the server starts or a configuration is checked.
    """


@hookspec
def request_finished(event: RequestFinished) -> None:
    """Called after every call, whether it succeeded or not.

    Runs on the event loop, so it must return at once: leave slow work to a thread. An exception
    is logged with the plugin's name and does no harm to the call.
    """
