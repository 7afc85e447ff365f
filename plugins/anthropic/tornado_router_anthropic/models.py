"""What each generation of models takes, read off a model's name.

The one place to change when a generation comes out; `facts` in router.toml is ahead of it. From
https://platform.claude.com/docs/en/build-with-claude/thinking-troubleshooting (thinking),
https://platform.claude.com/docs/en/build-with-claude/effort,
https://platform.claude.com/docs/en/build-with-claude/structured-outputs,
https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages,
https://platform.claude.com/docs/en/build-with-claude/preserved-thinking/prefix-checks,
https://platform.claude.com/docs/en/about-claude/models/overview (output limits), and of the 5.5
models https://platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5 and its siblings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

DEFAULT_MAX_TOKENS = 32_000
"""Asked for where neither client nor operator sets a limit, and the model can do as much."""

_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_FAMILIES = ("opus", "sonnet", "haiku", "fable", "mythos")
_VERSION = re.compile(r"claude\D*(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")


@dataclass(frozen=True, slots=True)
class Model:
    """What one model takes. The defaults are those of the newest generation.

    Attributes:
        max_output: the most tokens that it can be asked for.
        sampling: `temperature` and `top_p`: `both`, `one` of them at a time, or `none`.
        thinking: `none`; `budget`, a number of tokens if asked for; `adaptive`, if asked for;
            `default`, adaptive unless switched off; `always`, adaptive.
        thinking_off: the type of `thinking` that switches it off, where it is on by default.
        efforts: the levels of `output_config.effort`, rising; of no use with a budget.
        forced_tools: whether `tool_choice` may force a tool call.
        json_schema: whether it has structured outputs.
        system_messages: whether system messages may stand between the others.
        prefill: whether the last message may be the assistant's.
        bound_thinking: whether a thinking block is valid only behind what it was made behind.
    """

    max_output: int = 128_000
    sampling: Literal["both", "one", "none"] = "none"
    thinking: Literal["none", "budget", "adaptive", "default", "always"] = "always"
    thinking_off: Literal["disabled", "between_tools"] = "disabled"
    efforts: tuple[str, ...] = _EFFORTS
    forced_tools: bool = False
    json_schema: bool = True
    system_messages: bool = True
    prefill: bool = False
    bound_thinking: bool = True

    @property
    def default_max_tokens(self) -> int:
        """What is sent when neither the client nor the operator sets a limit."""
        return min(self.max_output, DEFAULT_MAX_TOKENS)


_OLDEST = Model(
    max_output=4096,
    sampling="both",
    thinking="none",
    efforts=(),
    forced_tools=True,
    json_schema=False,
    system_messages=False,
    prefill=True,
    bound_thinking=False,
)
_OTHER_VENDOR = replace(_OLDEST, max_output=8192, thinking="budget")
_4_0 = replace(_OLDEST, max_output=64_000, sampling="one", thinking="budget")
_4_5 = replace(_4_0, json_schema=True)
_4_6 = replace(_4_5, thinking="adaptive", efforts=("low", "medium", "high", "max"), prefill=False)
_4_7 = replace(_4_6, max_output=128_000, sampling="none", efforts=_EFFORTS)
_4_8 = replace(_4_7, system_messages=True)


@lru_cache(maxsize=512)  # names may be the client's, so there is no end to them
def known_facts(name: str) -> Model:
    """What the model of a name takes; of a name yet unknown, what the newest one does.

    A name without `claude` in it is taken for another vendor's model behind the same API.
    """
    if "claude" not in name:
        return _OTHER_VENDOR
    family = next((family for family in _FAMILIES if family in name), "")
    found = _VERSION.search(name)
    if found:
        return _generation(family, (int(found[1]), int(found[2] or 0)))
    if name.endswith("mythos-preview"):
        return replace(_4_7, thinking="always", efforts=_4_6.efforts)
    return Model()


def facts_of(name: str, overrides: Mapping[str, Mapping[str, Any]]) -> Model:
    """As `known_facts`, with what router.toml says of names that begin so."""
    own = max((start for start in overrides if name.startswith(start)), key=len, default=None)
    if own is None:
        return known_facts(name)
    changes = dict(overrides[own])
    base = known_facts(changes.pop("like", name))
    if "efforts" in changes:
        changes["efforts"] = tuple(changes["efforts"])
    return replace(base, **changes)


def _generation(family: str, version: tuple[int, int]) -> Model:
    if version < (4, 0):
        return _before_4(version)
    if version < (4, 7):
        return _before_4_7(family, version)
    if version < (5, 0):
        return _4_7 if version < (4, 8) else _4_8
    if version == (5, 0):
        always = family in ("fable", "mythos")
        return replace(
            _4_8,
            thinking="always" if always else "default",
            system_messages=family != "sonnet",
        )
    match family:
        case "sonnet":
            return Model(thinking="default", thinking_off="between_tools")
        case "haiku":
            return Model(thinking="default", forced_tools=True)
    return Model()


def _before_4(version: tuple[int, int]) -> Model:
    if version < (3, 5):
        return _OLDEST
    if version < (3, 7):
        return replace(_OLDEST, max_output=8192)
    return replace(_OLDEST, max_output=64_000, thinking="budget")


def _before_4_7(family: str, version: tuple[int, int]) -> Model:
    if version < (4, 5):
        return replace(_4_0, max_output=32_000) if family == "opus" else _4_0
    if version < (4, 6):
        return _4_5
    return replace(_4_6, max_output=128_000) if family == "opus" else _4_6
