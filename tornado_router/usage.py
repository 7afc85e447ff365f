"""The usage of a call: its quantities."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

BYTES_PER_TOKEN = 4
"""Of text: what English comes to, for estimates."""


class Usage(NamedTuple):
    """The quantities of one call.

    Tokens of every kind are columns of the ledger's tables; see `QUANTITIES`.

    Attributes:
        prompt_tokens: tokens of the request.
        completion_tokens: tokens of the response, as far as it was generated.
        cached_tokens: prompt tokens that the vendor read from its cache.
        cache_write_tokens: prompt tokens that the vendor wrote to its cache.
        reasoning_tokens: completion tokens that the vendor spent on reasoning.
        seconds: of audio.
        estimated: whether the vendor reported nothing, so that this is an estimate.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    seconds: float = 0.0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        """Prompt and completion; the other kinds of tokens are parts of these."""
        return self.prompt_tokens + self.completion_tokens


QUANTITIES = tuple(name for name in Usage._fields if name.endswith("_tokens"))
"""The quantities that are recorded and summed.

Each is a field of `Usage`, a column of the tables, a metric's `kind` and a property of the API:
code that handles all of them iterates over this.
"""

quantities: Callable[[Usage], tuple[int, ...]] = attrgetter(*QUANTITIES)
"""The quantities of a usage, in that order."""

QUANTITIES_AND_TOTAL = (*QUANTITIES[:2], "total_tokens", *QUANTITIES[2:])
"""The same in the order of the API, with the total behind its two parts."""
