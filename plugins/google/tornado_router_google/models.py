"""What the generations of Gemini can do differently, read from a model's name.

A name without a number, such as `gemini-flash-latest`, is taken for the newest; a model that is
not a Gemini, such as Gemma, for one that does not think.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_GENERATION = re.compile(r"gemini-(\d{1,3})(?:\.(\d{1,3}))?(?!\d)")
_NEWEST = (99, 0)
_NONE = (0, 0)


@dataclass(frozen=True, slots=True)
class Traits:
    """What sets one generation apart from another.

    Attributes:
        thinking_levels: it takes a `thinkingLevel`, one of these; from 3 on.
        thinking_budget: it takes a `thinkingBudget` of at most so many tokens; 2.5.
        always_thinks: its thinking cannot be turned off.
        wants_signatures: it refuses a function call without a thought signature; from 3 on.
        penalties: it takes presence and frequency penalties.
        json_with_tools: it takes a JSON response format beside tools.
        fetches_urls: it reads a file from any https address.
        continues: it takes a conversation that ends with its own turn.
    """

    thinking_levels: tuple[str, ...] = ()
    thinking_budget: int = 0
    always_thinks: bool = False
    wants_signatures: bool = False
    penalties: bool = True
    json_with_tools: bool = True
    fetches_urls: bool = True
    continues: bool = True


@lru_cache(maxsize=256)
def traits_of(model: str) -> Traits:
    """The traits of a model, by its name or path."""
    name = model.rpartition("/")[2]
    generation = _generation(name)
    if generation == _NONE:
        return Traits()
    is_pro, is_old = "-pro" in name, generation < (3, 0)
    # https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/gemini/3-6-flash and
    # .../3-5-flash-lite name penalties and a last turn of the model's as refused from these on.
    is_strict = generation >= (3, 6) or (generation >= (3, 5) and "flash-lite" in name)
    return Traits(
        thinking_levels=() if is_old else _levels(generation, is_pro),
        thinking_budget=(32768 if is_pro else 24576) if generation == (2, 5) else 0,
        always_thinks=not is_old or (is_pro and generation == (2, 5)),
        wants_signatures=not is_old,
        penalties=not is_strict,
        # https://ai.google.dev/gemini-api/docs/structured-output: with tools from Gemini 3 on.
        json_with_tools=not is_old,
        # https://ai.google.dev/gemini-api/docs/file-input-methods: not for 2.0 and older.
        fetches_urls=generation >= (2, 5),
        continues=not is_strict,
    )


def _generation(name: str) -> tuple[int, int]:
    if not name.startswith("gemini-"):
        return _NONE
    found = _GENERATION.match(name)
    return (int(found[1]), int(found[2] or 0)) if found else _NEWEST


def _levels(generation: tuple[int, int], is_pro: bool) -> tuple[str, ...]:
    """https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/thinking."""
    if is_pro and generation == (3, 0):
        return ("LOW", "HIGH")
    if is_pro or generation >= (3, 7):
        return ("LOW", "MEDIUM", "HIGH")
    return ("MINIMAL", "LOW", "MEDIUM", "HIGH")
