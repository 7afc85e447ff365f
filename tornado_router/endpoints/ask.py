"""What a call asks for, as far as its request shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tornado_router.provider import Call
from tornado_router.usage import BYTES_PER_TOKEN, NO_AMOUNTS, Amounts


class Output(NamedTuple):
    """What a response may come to.

    Attributes:
        choices: how many are generated.
        bound: the most tokens of each; None if the request sets none.
    """

    choices: int
    bound: int | None


NO_OUTPUT = Output(0, 0)
"""Of an endpoint that generates no tokens."""

ONE_OUTPUT = Output(1, None)
"""Of a request that sets nothing, as most do."""


class Ask:
    """What one call asks for. Each value is worked out when asked for, so an `Ask` costs nothing.

    This one is of an endpoint that reads text and generates none.

    Args:
        call: valid, as the client sent it.
    """

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call = call

    def prompt(self) -> tuple[int, int]:
        """The tokens of the request, as estimated, and the images in it.

        The bytes of the JSON are enough, and a little more than the text would be.
        """
        return -(-len(self.call.raw) // BYTES_PER_TOKEN), 0

    def amounts(self, seen: int) -> Amounts:
        """What else the call may come to, beside tokens.

        Args:
            seen: the images in its request.
        """
        return Amounts(seen, has_media=True) if seen else NO_AMOUNTS

    def output(self) -> Output:
        """What the response may come to."""
        return NO_OUTPUT

    def context(self) -> int:
        """Tokens that a model's context window has to hold, as far as the client states them."""
        return self.prompt()[0]

    def needs(self) -> Mapping[str, str]:
        """What a target must take, in the words of `[targets]`, each with the field that asks."""
        return {}

    def reasons(self) -> bool:
        """Whether it asks the model to reason, and not only lets it."""
        return False

    def temperature(self) -> float | None:
        """How much chance is in the response; None if equal calls get equal responses."""
        return None
