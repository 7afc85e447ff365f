"""The bounds that the router itself sets for the response to a call, as money is short."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tornado_router.endpoints import Endpoint
from tornado_router.errors import ApiError
from tornado_router.provider import Call
from tornado_router.routing.output_length import OutputBounds
from tornado_router.routing.routes import Target

_REFUSALS = frozenset((400, 413, 422))
_TOO_LONG = "context_length_exceeded"
_BOUND = re.compile(r"max\w*tokens|output tokens", re.IGNORECASE)
"""What vendors call the bound: `max_tokens`, `maxOutputTokens`, "maximum output tokens"."""


class SentBounds:
    """For each target, the most tokens of a choice that the money of a call is reserved for.

    Args:
        endpoint: of the call.
        tokens: by target; one that is not there gets none.
        known: learns which bounds are too high for a target.
    """

    __slots__ = ("_endpoint", "_known", "_tokens")

    def __init__(self, endpoint: Endpoint, tokens: dict[Target, int], known: OutputBounds) -> None:
        self._endpoint = endpoint
        self._tokens = tokens
        self._known = known

    @property
    def field(self) -> str:
        """The field of the request that holds a bound."""
        return self._endpoint.bound_fields[0]

    def get(self, target: Target) -> int | None:
        """The bound that a target gets, or None."""
        return self._tokens.get(target)

    def apply(self, call: Call, target: Target) -> Call:
        """The call as a target is to get it."""
        tokens = self._tokens.get(target)
        return self._endpoint.bounded(call, tokens) if tokens else call

    def lift(self, target: Target, error: ApiError) -> bool:
        """Lifts a target's bound if that is what it refused; returns whether it was.

        A vendor that refuses a number of tokens names it and its field: its model cannot send so
        much, and needs no bound. A provider may have no equivalent for one. Any other refusal lifts
        nothing, such as that of a prompt that is too long: a client could bring it about.
        """
        tokens = self._tokens.get(target)
        if tokens is None or error.status not in _REFUSALS:
            return False
        fields = self._endpoint.bound_fields
        is_unknown = error.code == "unsupported_parameter" and error.param in fields
        if not is_unknown and not _names(error, tokens, fields):
            return False
        del self._tokens[target]
        self._known.refused(target, tokens)
        return True


def _names(error: ApiError, tokens: int, fields: Sequence[str]) -> bool:
    """Whether an error is about a bound of so many tokens."""
    is_about_it = error.param in fields or _BOUND.search(error.message) is not None
    is_number = re.search(rf"(?<!\d){tokens}(?!\d)", error.message) is not None
    return is_about_it and is_number and error.code != _TOO_LONG
