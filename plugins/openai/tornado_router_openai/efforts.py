"""The efforts of reasoning that each of OpenAI's models takes: any other is a 400.

Agents send one with every request, whichever model is behind the name that they know. From
https://developers.openai.com/api/docs/guides/reasoning, and of single models
https://github.com/anomalyco/models.dev/pull/2351, https://github.com/anomalyco/opencode/pull/26268
and https://github.com/withceleste/celeste-python/issues/368.
"""

from __future__ import annotations

import re

_LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_SOME = ("low", "medium", "high")
_MORE = (*_SOME, "xhigh")

_EFFORTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"gpt-3|gpt-4|chatgpt|gpt-5-chat|o1-mini|o1-preview", ()),
    (r"o[134]", _SOME),
    (r"gpt-5-pro", ("high",)),
    (r"gpt-5-codex", _SOME),
    (r"gpt-5(?!\.)", ("minimal", *_SOME)),
    (r"gpt-5\.\d-chat", ("medium",)),
    (r"gpt-5\.[1-5]-pro", _MORE[1:]),
    (r"gpt-5\.1-codex-max", _MORE),
    (r"gpt-5\.1-codex", _SOME),
    (r"gpt-5\.1", ("none", *_SOME)),
    (r"gpt-5\.[2-5]-codex", _MORE),
    (r"gpt-5\.[2-5]", ("none", *_MORE)),
    (r"gpt-5\.[6-9]", ("none", *_MORE, "max")),
)
"""By the beginning of a model's name, the first that fits; a model that is not here takes any."""


def nearest_effort(model: str, effort: str) -> str | None:
    """The effort that a model takes instead of another; None if it takes none at all.

    The next lower one, or its least. To think is never switched off, nor on, where there is
    another way.

    Args:
        model: OpenAI's name of it.
        effort: that the client asks for.
    """
    efforts = next((taken for name, taken in _EFFORTS if re.match(name, model)), _LEVELS)
    if effort in efforts or effort not in _LEVELS:
        return effort if efforts else None
    thinking = [level for level in efforts if level != "none"]
    lower = [level for level in thinking if _LEVELS.index(level) < _LEVELS.index(effort)]
    return lower[-1] if lower else next(iter(thinking), None)
