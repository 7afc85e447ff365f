"""Requests in the form of another endpoint than the one that they were sent to.

Cursor sends requests for responses to chat completions, and reads chunks of those:
https://github.com/Helicone/helicone/issues/5629.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.endpoints.base import Endpoint
from tornado_router.endpoints.bridges.responses_to_chat import ResponsesToChat
from tornado_router.endpoints.chat_completions import CHAT_COMPLETIONS
from tornado_router.endpoints.responses import RESPONSES
from tornado_router.provider import Call

_BRIDGE = ResponsesToChat()


def form_of(endpoint: Endpoint, body: Mapping[str, Any]) -> Endpoint:
    """The endpoint whose requests have the form of a body without the prompt of its own."""
    if endpoint is CHAT_COMPLETIONS and body.get(RESPONSES.prompt_field) is not None:
        return RESPONSES
    return endpoint


def led_back(call: Call) -> Call:
    """The chat completion that a request for a response amounts to; its response is one, too.

    Args:
        call: of `responses`, sent to chat completions.

    Raises:
        ApiError: it asks for what a chat completion has not, by the name that the client used.
    """
    call.unsupported = "adapt"
    made = _BRIDGE.call(call)
    made.dropped += call.dropped
    return made
