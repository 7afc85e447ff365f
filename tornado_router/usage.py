"""The usage of a call: its quantities."""

from __future__ import annotations

from collections.abc import Callable
from operator import add, itemgetter
from typing import NamedTuple

BYTES_PER_TOKEN = 4
"""Of text: what English comes to, for estimates."""


class Usage(NamedTuple):
    """The quantities of one call.

    All but the last are columns of the ledger's tables; see `QUANTITIES`. No token is of two of the
    kinds that are parts of the prompt, and none of two that are parts of the completion, so that
    each has one price.

    Attributes:
        prompt_tokens: tokens of the request.
        completion_tokens: tokens of the response, as far as it was generated.
        cached_tokens: prompt tokens that the vendor read from its cache.
        cache_write_tokens: prompt tokens that the vendor wrote to its cache.
        reasoning_tokens: completion tokens that the vendor spent on reasoning.
        audio_prompt_tokens: prompt tokens of audio, those from a cache aside.
        audio_completion_tokens: completion tokens of audio.
        image_prompt_tokens: prompt tokens of images, those from a cache aside.
        image_completion_tokens: completion tokens of images.
        images: that were made.
        seconds: of audio.
        characters: of text that was spoken.
        searches: units of reranking, as vendors bill it.
        estimated: whether the vendor reported nothing, so that this is an estimate.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    audio_prompt_tokens: int = 0
    audio_completion_tokens: int = 0
    image_prompt_tokens: int = 0
    image_completion_tokens: int = 0
    images: int = 0
    seconds: float = 0.0
    characters: int = 0
    searches: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        """Prompt and completion; the other kinds of tokens are parts of these."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def is_any(self) -> bool:
        """Whether anything was used."""
        tokens = self.prompt_tokens or self.completion_tokens
        return bool(tokens or self.images or self.seconds or self.characters or self.searches)


def added(one: Usage, other: Usage) -> Usage:
    """Two usages together."""
    sums = dict(zip(QUANTITIES, map(add, quantities(one), quantities(other)), strict=True))
    return Usage(**sums, estimated=one.estimated or other.estimated)


class Drawn(NamedTuple):
    """What the images of a response are, as it says; a field is empty where it does not.

    Attributes:
        size: such as `1024x1024`.
        quality: such as `high`.
    """

    size: str = ""
    quality: str = ""


class Amounts(NamedTuple):
    """What a call may come to beside numbers of tokens, as far as it shows before it is made.

    Attributes:
        seen: images in its prompt.
        has_media: whether some of its tokens may be of audio or of images.
        images: that it may make.
        size: of those, as the client asks for it, such as `1024x1024`; empty if it does not.
        quality: the same.
        seconds: of audio, at most.
        characters: of text that it has spoken.
        searches: units of reranking, at most.
    """

    seen: int = 0
    has_media: bool = False
    images: int = 0
    size: str = ""
    quality: str = ""
    seconds: float = 0.0
    characters: int = 0
    searches: int = 0

    @property
    def is_any(self) -> bool:
        """Whether something may be used that is not counted in tokens."""
        return bool(self.images or self.seconds or self.characters or self.searches)

    def made(self, drawn: Drawn) -> Amounts:
        """The same, with its images as they were made."""
        size, quality = drawn.size or self.size, drawn.quality or self.quality
        return self._replace(size=size, quality=quality)

    def usage(self, prompt: int) -> Usage:
        """What a call that was sent, and cancelled, has used at most.

        Args:
            prompt: tokens of its request.
        """
        return Usage(
            prompt,
            images=self.images,
            seconds=self.seconds,
            characters=self.characters,
            searches=self.searches,
            estimated=True,
        )


NO_AMOUNTS = Amounts()
"""Of most calls."""

QUANTITIES = Usage._fields[:-1]
"""The quantities that are recorded and summed.

Each is a field of `Usage`, a column of the tables, a metric's `kind` and a property of the API:
code that handles all of them iterates over this.
"""

quantities: Callable[[Usage], tuple[float, ...]] = itemgetter(slice(0, -1))
"""The quantities of a usage, in that order."""

COMMON = 5
"""So many of them most calls have. The others are rare, and cost a call nothing that has none."""

RARE = QUANTITIES[COMMON:]
"""The quantities that most calls have none of."""

rare: Callable[[Usage], tuple[float, ...]] = itemgetter(slice(COMMON, -1))
"""Those of a usage, in that order."""

NO_RARE = rare(Usage())
"""What `rare` is of most calls."""

AMOUNTS = tuple(name for name in RARE if not name.endswith("_tokens"))
"""The quantities that are not tokens."""

QUANTITIES_AND_TOTAL = (*QUANTITIES[:2], "total_tokens", *QUANTITIES[2:])
"""The same in the order of the API, with the total behind its two parts."""
