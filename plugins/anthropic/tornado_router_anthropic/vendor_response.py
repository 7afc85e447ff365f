"""What whole responses and streams have in common: ids, reasons to stop, and usage."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from tornado_router.provider import Call, ProviderError, SafeNames, bad_answer, load_json_object
from tornado_router_anthropic.tool_schemas import renamed_keys

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    # The vendor's own tools were at work for too long: what is here is not all.
    "pause_turn": "length",
    "refusal": "content_filter",
}
"""https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons."""

_TIERS = {"standard": "default", "priority": "priority"}
"""https://platform.claude.com/docs/en/api/service-tiers."""

_INPUT_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class VendorResponse:
    """What is being read, and how to complain about it.

    Args:
        provider: its name.
        call: the call that it responds to.
    """

    def __init__(self, provider: str, call: Call) -> None:
        self.provider = provider
        self.call = call

    @cached_property
    def renamed_keys(self) -> Mapping[str, SafeNames]:
        """The tools of the call that have properties of another name for the vendor."""
        return renamed_keys(self.call.body)

    def load(self, data: bytes) -> dict[str, Any]:
        """The JSON object in a response or an event.

        Raises:
            ProviderError: it is none.
        """
        return load_json_object(data, self.provider)

    def identity(self, message: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """The fields that say what a response is."""
        identifier, model = message.get("id"), message.get("model")
        return {
            "id": identifier if isinstance(identifier, str) else f"msg_{self.call.id}",
            "object": kind,
            "created": int(time.time()),
            "model": model if isinstance(model, str) else self.call.model,
        }

    def wrong(self, field: str) -> ProviderError:
        """The error of a field that is missing, or holds what it must not."""
        return self.fault(f"a response whose field '{field}' is missing or wrong")

    def fault(self, what: str) -> ProviderError:
        """The error of a response that is not what the API promises; quotes nothing of it."""
        return bad_answer(f"The provider '{self.provider}' sent {what}.")


def finish_reason(stop_reason: str, has_calls: bool, legacy: bool) -> str:
    """OpenAI's word for why a response ended; one yet unknown is taken for a plain end."""
    reason = _FINISH_REASONS.get(stop_reason, "stop")
    if reason == "tool_calls" or (reason == "stop" and has_calls):
        if not has_calls:
            return "stop"
        return "function_call" if legacy else "tool_calls"
    return reason


def refusal_text(holder: Mapping[str, Any]) -> str | None:
    """Why the model was kept from responding, where the vendor says so."""
    details = holder.get("stop_details")
    text = details.get("explanation") if isinstance(details, Mapping) else None
    return text if isinstance(text, str) and text else None


def merge_usage(known: dict[str, Any], news: object) -> None:
    """Adds what an event says of usage to what earlier ones said.

    Counts of one stream are cumulative, and come in two events, so a later zero of the input is
    no news: https://platform.claude.com/docs/en/build-with-claude/streaming.
    """
    if not isinstance(news, Mapping):
        return
    for name, value in news.items():
        if value is None or (name in _INPUT_COUNTS and value == 0 and known.get(name)):
            continue
        known[name] = value


def read_usage(usage: object) -> dict[str, Any] | None:
    """OpenAI's `usage`, or None where the vendor gave none that makes sense.

    What was read from the cache or written to it is part of OpenAI's prompt, but not of the
    vendor's input: https://platform.claude.com/docs/en/build-with-claude/prompt-caching.
    """
    if not isinstance(usage, Mapping):
        return None
    given, output = _count(usage.get("input_tokens")), _count(usage.get("output_tokens"))
    if given is None or output is None:
        return None
    read = _count(usage.get("cache_read_input_tokens")) or 0
    written = _written(usage)
    prompt = given + read + written
    details = usage.get("output_tokens_details")
    thought = _count(details.get("thinking_tokens")) if isinstance(details, Mapping) else None
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": min(thought or 0, output)},
    }


def service_tier(usage: object) -> str | None:
    """OpenAI's word for the tier that served a call."""
    tier = usage.get("service_tier") if isinstance(usage, Mapping) else None
    return _TIERS.get(tier) if isinstance(tier, str) else None


def _written(usage: Mapping[str, Any]) -> int:
    """What was written to the cache: a total, or one number for each time to live."""
    total = _count(usage.get("cache_creation_input_tokens"))
    if total:
        return total
    parts = usage.get("cache_creation")
    if not isinstance(parts, Mapping):
        return 0
    return sum(_count(part) or 0 for part in parts.values())


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
