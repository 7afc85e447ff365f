"""What vendors refuse of a call that is otherwise well, and how calls reach them since.

Agents send what suits the model whose name they know: Claude Code asks for 32,000 or 64,000 tokens,
and for an effort of reasoning. The model that serves the call may send 8192 and not reason at all,
and its vendor refuses more: in words that name the field, and how many tokens it takes. So it is
with log probabilities, which few models give.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tornado_router.endpoints import ENDPOINTS
from tornado_router.errors import ApiError
from tornado_router.provider import Call, dump_json
from tornado_router.routing.output_length import KNOWN_LENGTHS
from tornado_router.routing.routes import Target

LEAST = 2048
"""No model is known that sends less; a lower number in a refusal is something else."""

_REFUSALS = frozenset((400, 413, 422))
_TOO_LONG = "context_length_exceeded"
_BOUND = re.compile(r"max\w*[ _]?tokens|output tokens|completion tokens", re.IGNORECASE)
"""What vendors call the bound: `max_tokens`, `maxOutputTokens`, "completion tokens"."""

_EFFORT = re.compile(
    r"reasoning[_ .]?effort|effort parameter|think value|not support (thinking|reasoning)",
    re.IGNORECASE,
)
"""What vendors call the effort of reasoning, where they refuse it: OpenAI, SGLang, xAI; Anthropic;
Ollama (https://github.com/ollama/ollama/issues/12561)."""

_LOGPROBS = re.compile(
    r"logprobs\b.{0,40}\bnot (enabled|supported|available)|not allowed to request logprobs",
    re.IGNORECASE,
)
"""How vendors refuse log probabilities of a model that has none: Google
(https://github.com/googleapis/python-genai/issues/1921,
https://github.com/GoogleCloudPlatform/generative-ai/issues/2947) and OpenAI."""

_LOGPROBS_FIELDS = ("top_logprobs", "logprobs")

_NUMBER = re.compile(r"(?<![\d.])\d{4,7}(?![\d.]*\d)")
_EXCLUSIVE = re.compile(r"exclusive|less than(?! or equal)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Limits:
    """What a target takes.

    Attributes:
        most: tokens of a response; 0 for any number.
        without: fields that it refuses: of `Endpoint.effort_fields`, or for log probabilities.
    """

    most: int = 0
    without: tuple[str, ...] = ()


_NONE = _Limits()


class VendorLimits:
    """What each target refused, of each payer's calls: one payer's never change another's."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, Target], _Limits] = OrderedDict()

    def apply(self, call: Call, payer: int, target: Target) -> tuple[Call, list[str]]:
        """The call as a target takes it, and the fields that had to change."""
        limits = self._known.get((payer, target)) if self._known else None
        if limits is None:
            return call, []
        endpoint, changed = ENDPOINTS[call.endpoint], []
        sent = _bound(call)
        if limits.most and sent is not None and sent > limits.most:
            fields = [name for name in endpoint.bound_fields if call.body.get(name) is not None]
            changed.append(fields[0] if fields else endpoint.bound_fields[0])
            call = endpoint.bounded(call, limits.most)
        body = call.body
        for path in limits.without:
            if _value(body, path) is not None:
                body = endpoint.without(body, path)
                changed.append(path)
        if body is not call.body:
            call = replace(call, body=body, raw=dump_json(body))
        return call, changed

    def learn(self, call: Call, payer: int, target: Target, error: ApiError) -> bool:
        """Learns from a refusal; returns whether another attempt is worth it.

        Args:
            call: as the provider got it. Where the operator wants nothing approximated, the client
                gets the refusal.
            payer: the user whose call it is.
            target: that refused it.
            error: the refusal.
        """
        if call.unsupported == "reject" or error.status not in _REFUSALS:
            return False
        known = self._known.get((payer, target), _NONE)
        most = _most(call, error)
        if most >= LEAST:
            known = replace(known, most=most)
        elif paths := _refused_effort(call, error) or _refused_logprobs(call, error):
            known = replace(known, without=(*known.without, *paths))
        else:
            return False
        self._known[payer, target] = known
        self._known.move_to_end((payer, target))
        if len(self._known) > KNOWN_LENGTHS:
            self._known.popitem(last=False)
        return True


def _bound(call: Call) -> int | None:
    return ENDPOINTS[call.endpoint].ask(call).output().bound


def _most(call: Call, error: ApiError) -> int:
    """The greatest number in a refusal of a bound that is less than what was sent; or 0."""
    fields, message = ENDPOINTS[call.endpoint].bound_fields, error.message
    is_about_it = error.param in fields or _BOUND.search(message) is not None
    sent = _bound(call) if fields and is_about_it and error.code != _TOO_LONG else None
    if sent is None:
        return 0
    numbers = [int(found) for found in _NUMBER.findall(message.replace(",", ""))]
    most = max((number for number in numbers if number < sent), default=0)
    return most - 1 if most and _EXCLUSIVE.search(message) else most


def _refused_effort(call: Call, error: ApiError) -> tuple[str, ...]:
    """The field of a call that asks for an effort which is refused; none if it is another."""
    fields, message = ENDPOINTS[call.endpoint].effort_fields, error.message
    is_param = error.param in fields and "support" in message
    if not is_param and not _EFFORT.search(message):
        return ()
    return tuple(path for path in fields if _value(call.body, path) is not None)[:1]


def _refused_logprobs(call: Call, error: ApiError) -> tuple[str, ...]:
    """The fields of a call that ask for log probabilities which are refused."""
    if not _LOGPROBS.search(error.message):
        return ()
    return tuple(name for name in _LOGPROBS_FIELDS if call.body.get(name) is not None)


def _value(body: Mapping[str, Any], path: str) -> Any:
    """The value under a path of one or two names."""
    name, _, inner = path.partition(".")
    value = body.get(name)
    return value.get(inner) if inner and isinstance(value, Mapping) else None if inner else value
