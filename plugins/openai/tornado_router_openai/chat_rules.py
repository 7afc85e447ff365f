"""What a vendor takes otherwise than OpenAI's chat completions, as data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRules:
    """What of a chat completion a vendor refuses, or takes otherwise. By default: nothing.

    Attributes:
        roles: the vendor's names of roles.
        message_fields: by role, every field that its messages may have; the others are left out,
            and a role that is not here is unsupported. Empty where the vendor ignores what it does
            not know.
        refused: fields of a request that make the vendor refuse it, and without which the response
            would be another. One that asks for nothing is left out, any other is unsupported.
        approximated: fields that make the vendor refuse it, too, but without which the response is
            the nearest there is.
        maxima: the greatest values that it takes, by field.
        stops: how many stop sequences it takes; 0 for any number.
        id_length: of the ids of tool calls, if they have to be so many letters and digits; 0 for
            any id.
        parses_arguments: whether it reads the arguments of earlier tool calls, and refuses a
            request in which they are not a JSON object.
        returns_reasoning: whether it wants the reasoning back that came with a tool call.
        system_first: whether instructions are refused anywhere but before all other messages, or
            two of them.
        replies_to_tools: whether only the assistant may speak behind the results of tools.
        takes_unlimited: whether -1 is a bound on tokens, that of none.
    """

    roles: Mapping[str, str] = field(default_factory=dict)
    message_fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    refused: Collection[str] = ()
    approximated: Collection[str] = ()
    maxima: Mapping[str, float] = field(default_factory=dict)
    stops: int = 0
    id_length: int = 0
    parses_arguments: bool = False
    returns_reasoning: bool = False
    system_first: bool = False
    replies_to_tools: bool = False
    takes_unlimited: bool = False
