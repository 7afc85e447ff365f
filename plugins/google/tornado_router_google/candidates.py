"""What a candidate says, whole or in pieces: text, function calls, finish reason, logprobs.

https://ai.google.dev/api/generate-content#v1beta.Candidate. Every reader here names the field
that is not what Google promises, and never its content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tornado_router.provider import Call, SafeNames, bad_answer, write_json
from tornado_router_google.signatures import to_keep
from tornado_router_google.tools import safe_names
from tornado_router_google.wire import invalid

STOP = "STOP"
_FINISHES = {STOP: "stop", "MAX_TOKENS": "length"}
"""Anything else means that the model was stopped: `content_filter`."""

_FAILURES = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    }
)
"""The model made no response at all; another attempt may well."""


def candidates_of(body: Mapping[str, Any], provider: str) -> list[dict[str, Any]]:
    """The candidates of a response; none when the prompt was blocked."""
    candidates = body.get("candidates")
    if candidates is None:
        return []
    if not isinstance(candidates, list):
        raise invalid(provider, "candidates")
    for index, candidate in enumerate(candidates):
        if not isinstance(candidate, dict):
            raise invalid(provider, f"candidates[{index}]")
    return candidates


def is_blocked(body: Mapping[str, Any]) -> bool:
    """Whether the prompt was refused: `promptFeedback.blockReason` in place of candidates."""
    feedback = body.get("promptFeedback")
    return isinstance(feedback, dict) and bool(feedback.get("blockReason"))


def index_of(candidate: Mapping[str, Any], provider: str) -> int:
    """The choice that a candidate belongs to; the first, where it does not say."""
    index = candidate.get("index", 0)
    if type(index) is not int or index < 0:
        raise invalid(provider, "candidates[].index")
    return index


def parts_of(candidate: Mapping[str, Any], provider: str) -> list[Any]:
    """The parts of a candidate's content; a response that was cut short may have none."""
    content = candidate.get("content")
    if content is None:
        return []
    if not isinstance(content, dict):
        raise invalid(provider, "candidates[].content")
    parts = content.get("parts")
    if parts is None:
        return []
    if not isinstance(parts, list):
        raise invalid(provider, "candidates[].content.parts")
    return parts


def text_of(part: Any, provider: str) -> str:
    """The text of a part; of a thought, or of a part that is not text, none."""
    if not isinstance(part, dict):
        raise invalid(provider, "candidates[].content.parts[]")
    text = part.get("text", "")
    if not isinstance(text, str):
        raise invalid(provider, "candidates[].content.parts[].text")
    return "" if part.get("thought") else text


def finish_of(reason: Any, provider: str) -> str | None:
    """Google's own finish reason, once it is known to be one; None while there is none yet.

    Raises:
        ProviderError: the model failed.
    """
    if reason is None or reason == "FINISH_REASON_UNSPECIFIED":
        return None
    if not isinstance(reason, str):
        raise invalid(provider, "candidates[].finishReason")
    if reason in _FAILURES:
        raise bad_answer(f"The model of the provider '{provider}' failed: {reason}.")
    return reason


def finish_reason(reason: str, called: str | None) -> str:
    """OpenAI's finish reason.

    Args:
        reason: Google's; it is STOP also where the model calls functions.
        called: `tool_calls` or `function_call` if the model did so.
    """
    if reason == STOP and called:
        return called
    return _FINISHES.get(reason, "content_filter")


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function call as OpenAI has it."""

    id: str
    name: str
    arguments: str


class CallReader:
    """Reads the function calls of one response: gives each an id, and keeps its signature."""

    def __init__(self, call: Call, provider: str) -> None:
        self._call = call
        self._provider = provider
        self._ids: set[str] = set()
        self._names: SafeNames | None = None
        self.response_id: Any = None

    def read(self, part: Mapping[str, Any]) -> FunctionCall:
        """The call in a part that has one."""
        where = "candidates[].content.parts[].functionCall"
        call = part["functionCall"]
        if not isinstance(call, dict):
            raise invalid(self._provider, where)
        name, arguments = call.get("name"), call.get("args")
        if not isinstance(name, str) or not name:
            raise invalid(self._provider, f"{where}.name")
        if arguments is not None and not isinstance(arguments, dict):
            raise invalid(self._provider, f"{where}.args")
        call_id = self._id(call.get("id"))
        signature = part.get("thoughtSignature")
        if isinstance(signature, str) and signature:
            self._call.keep(call_id, to_keep(signature))
        if self._names is None:
            self._names = safe_names(self._call)
        return FunctionCall(
            call_id, self._names.original(name), write_json(arguments or {}).decode()
        )

    def _id(self, given: Any) -> str:
        """Google's own id, or one that no other call has, ever."""
        call_id = given if isinstance(given, str) else ""
        if not call_id or call_id in self._ids:
            response = self.response_id if isinstance(self.response_id, str) else ""
            call_id = f"call_{response or uuid4().hex}_{len(self._ids)}"
        self._ids.add(call_id)
        return call_id


def logprobs_of(candidate: Mapping[str, Any]) -> dict[str, Any] | None:
    """OpenAI's `logprobs`; https://ai.google.dev/api/generate-content#LogprobsResult."""
    result = candidate.get("logprobsResult")
    if not isinstance(result, dict):
        return None
    chosen = _entries(result.get("chosenCandidates"))
    steps = result.get("topCandidates")
    tops = steps if isinstance(steps, list) else []
    content = []
    for index, entry in enumerate(chosen):
        step = tops[index] if index < len(tops) and isinstance(tops[index], dict) else {}
        alternatives = [_logprob(top) for top in _entries(step.get("candidates"))]
        content.append({**_logprob(entry), "top_logprobs": alternatives})
    return {"content": content, "refusal": None}


def _entries(value: Any) -> Iterable[Mapping[str, Any]]:
    if not isinstance(value, list):
        return ()
    return [entry for entry in value if isinstance(entry, dict)]


def _logprob(entry: Mapping[str, Any]) -> dict[str, Any]:
    token, logprob = entry.get("token"), entry.get("logProbability")
    token = token if isinstance(token, str) else ""
    logprob = logprob if type(logprob) in (int, float) else 0.0
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
