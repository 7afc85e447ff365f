"""Reads a vendor's errors: its words, code and status, in whatever shape they come.

Shapes that were seen, and by whom:

| shape | vendors |
|---|---|
| `{"error": {"message", "type", "param", "code"}}` | OpenAI and most others |
| `{"error": "...", "code": "..."}` | xAI, Ollama, LM Studio |
| `{"object": "error", "message", "type", "code"}` | Mistral, older vLLM, SGLang |
| `{"message": {"detail": [{"loc", "msg"}]}}` | Mistral |
| `{"detail": "..."}`, `{"detail": [{"loc", "msg"}]}` | everything made with FastAPI |
| `[{"error": {...}}]` | Google |
| `{"message": "...", "code": "..."}` | Alibaba, Cohere, gateways |
| `{"base_resp": {"status_code", "status_msg"}}` | MiniMax, behind a status 200 |
| text or HTML | proxies |

Nothing here fails, whatever is read, and what it keeps is bounded.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tornado_router.errors import ProviderError
from tornado_router.provider.bodies import load_json
from tornado_router.provider.error_statuses import UNKNOWN, is_status, status_of
from tornado_router.provider.http import UpstreamResponse, is_retryable

MAX_WORDS = 4000
"""Of a vendor's message, this much is kept."""

MAX_LINE = 300
"""Of a text that is not JSON, this much of its first line is kept."""

_MAX_TEXT = 16 * 1024
"""So much of a body that is not JSON is looked at."""

_MAX_DEPTH = 4
_MAX_FAULTS = 3
"""Of a list of faults, so many are read."""

_WORDS = (
    "message",
    "detail",
    "details",
    "msg",
    "error_message",
    "error_msg",
    "error_description",
    "errorMessage",
    "status_msg",
    "errors",
    "title",
)
"""Fields that hold a vendor's words, the best first."""

_UPSTREAMS = "Provider returned error"
"""OpenRouter's words where it hands on an error: the cause is in `metadata.raw`.
https://openrouter.ai/docs/api/reference/errors-and-debugging."""

_INTERNAL = re.compile(
    r"traceback|[\r\n]|\b\d{1,3}(?:\.\d{1,3}){3}\b|[\w-]\.[\w.-]+:\d{2,5}\b|\blocalhost\b|\.py\b",
    re.IGNORECASE,
)
"""What a server says of its own insides: traces, addresses, paths of files."""

_HTML_WORDS = re.compile(r"<(title|h1)[^>]{0,200}>([^<]{1,1000})", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,1000}>")
_HAS_WORDS = re.compile(r"[^\W\d_]{2}")


@dataclass(slots=True)
class Report:
    """What a vendor says of a failure.

    Attributes:
        words: its explanation; empty if there is none.
        code: its name for the failure, as long as that is not a mere status.
        type: its kind of failure.
        param: the field at fault.
        status: the HTTP status that it names, or None.
        retry_after: seconds until a retry makes sense, or None.
        is_text: whether it is not JSON.
    """

    words: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    status: int | None = None
    retry_after: str | None = None
    is_text: bool = False


def is_error(body: Mapping[str, Any]) -> bool:
    """Whether a body or an event that came behind a status 200 reports an error by its form."""
    return bool(body.get("error")) or body.get("object") == "error" or body.get("type") == "error"


def vendor_error(provider: str, response: UpstreamResponse) -> ProviderError:
    """The error behind a response whose status is not a success, in whatever shape it is.

    The words of a 5xx are not for clients: the vendor's server or a proxy speaks of itself.

    Args:
        provider: the name to speak of where the vendor says nothing.
        response: the vendor's.
    """
    report = read_report(response.body)
    status = response.status
    is_shown = status < 500 and not (report.is_text and _INTERNAL.search(report.words))
    message = report.words if is_shown else ""
    return _error(
        report,
        status,
        message or f"The provider '{provider}' responded with status {status}.",
        response.headers,
    )


def reported_error(
    provider: str, report: object, headers: Mapping[str, str] | None = None
) -> ProviderError:
    """The error that a body, an event or a choice reports behind a status 200.

    Args:
        provider: the name to speak of where the vendor says nothing.
        report: JSON that holds the error.
        headers: of the response.
    """
    read = read_report(report)
    status = read.status or UNKNOWN
    message = "" if status >= 500 and _INTERNAL.search(read.words) else read.words
    return _error(
        read,
        status,
        message or f"The provider '{provider}' reports an error.",
        headers or {},
    )


def read_report(report: object) -> Report:
    """What a vendor says of a failure.

    Args:
        report: a body as bytes, or JSON that was read.
    """
    if isinstance(report, bytes):
        body = report
        try:
            report = load_json(body)
        except ValueError:
            return Report(words=_line_of(body), is_text=True)
    if isinstance(report, list):
        report = next((item for item in report if isinstance(item, Mapping)), report[:1])
    if not isinstance(report, Mapping):
        return Report(words=_words(report))
    inner = report.get("error")
    if isinstance(inner, list):
        inner = next((item for item in inner if isinstance(item, Mapping)), None)
    holder = inner if isinstance(inner, Mapping) else report.get("base_resp") or report
    if not isinstance(holder, Mapping):
        holder = report
    metadata = holder.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    words = _words(holder) or _words(report)
    if words == _UPSTREAMS and (cause := _words(_parsed(metadata.get("raw")))):
        words = f"{words}: {cause}"
    names = list(_names(holder, metadata))
    if holder is not report:
        names += _names(report, {})
    return Report(
        words=words[:MAX_WORDS],
        code=_first_code(holder, report),
        type=_text(holder.get("type")),
        param=_text(holder.get("param")) or _place(holder) or _place(report),
        status=status_of(names),
        retry_after=_retry_after(holder, metadata),
    )


def _error(report: Report, status: int, message: str, headers: Mapping[str, str]) -> ProviderError:
    retry_after = headers.get("retry-after") or headers.get("Retry-After") or report.retry_after
    return ProviderError(
        status,
        message,
        retryable=is_retryable(status),
        type=report.type or "api_error",
        param=report.param,
        code=report.code,
        headers={"Retry-After": retry_after} if retry_after else None,
        words=report.words,
    )


def _names(holder: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[object]:
    """What may name the status, the most exact first."""
    for name in ("code", "status", "status_code", "statusCode", "http_code"):
        if is_status(holder.get(name)):
            yield holder[name]
    for name in ("code", "type", "status"):
        yield holder.get(name)
    yield metadata.get("error_type")


def _first_code(holder: Mapping[str, Any], report: Mapping[str, Any]) -> str | None:
    for value in (holder.get("code"), report.get("code"), holder.get("status_code")):
        # Mistral, Zhipu and MiniMax number their errors; xAI's code may be a sentence.
        code = str(value) if type(value) is int else value
        if isinstance(code, str) and code and " " not in code and not is_status(code):
            return code
    return None


def _words(value: object, depth: int = 0) -> str:
    """The words in a value, wherever they are; empty if there are none."""
    if isinstance(value, str):
        return value
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(value, Mapping):
        if isinstance(value.get("msg"), str) and isinstance(value.get("loc"), list):
            place = _path(value["loc"])
            return f"{value['msg']} ({place})" if place else value["msg"]
        found = (_words(value[name], depth + 1) for name in _WORDS if value.get(name))
        inner = value.get("error")
        return next(filter(None, found), "") or (_words(inner, depth + 1) if inner else "")
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        found = (_words(item, depth + 1) for item in islice(value, _MAX_FAULTS))
        return "; ".join(filter(None, found))
    return ""


def _place(holder: Mapping[str, Any]) -> str | None:
    """The field that FastAPI names first: `["body", "messages", 0]` is `messages[0]`."""
    for name in ("detail", "message"):
        faults = holder.get(name)
        if isinstance(faults, Mapping):
            return _place(faults)
        if isinstance(faults, list) and faults and isinstance(faults[0], Mapping):
            place = faults[0].get("loc")
            return (_path(place) or None) if isinstance(place, list) else None
    return None


def _path(place: Sequence[object]) -> str:
    path = ""
    for step in place[place[:1] == ["body"] :]:
        if isinstance(step, int):
            path += f"[{step}]"
        elif isinstance(step, str):
            path += f".{step}" if path else step
    return path[:MAX_LINE]


def _parsed(raw: object) -> object:
    """The JSON in a text, or the text."""
    try:
        return load_json(raw.encode()) if isinstance(raw, str) else raw
    except ValueError:
        return raw


def _retry_after(holder: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    """Whole seconds that the body names.

    Google has `RetryInfo.retryDelay`, such as `3.5s` (https://google.aip.dev/193); gateways have
    `retry_after`, or the header of the vendor behind them.
    """
    details = holder.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        if isinstance(delay, str) and delay.endswith("s"):
            return _seconds(delay[:-1])
    headers = metadata.get("headers")
    for where in (holder, metadata, headers if isinstance(headers, Mapping) else {}):
        for name in ("retry_after", "retry_after_seconds", "Retry-After", "retry-after"):
            seconds = _seconds(where.get(name))
            if seconds is not None:
                return seconds
    return None


def _seconds(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return str(max(0, math.ceil(float(value))))
    except (ValueError, OverflowError):
        return None


def _line_of(body: bytes) -> str:
    """The first line of a text or a page that says something."""
    text = body[:_MAX_TEXT].decode("utf-8", "replace")
    if text.lstrip().startswith("<"):
        found = _HTML_WORDS.search(text)
        text = html.unescape(found[2] if found else _TAG.sub("\n", text))
    for line in text.splitlines():
        if _HAS_WORDS.search(line):
            # What a traceback says is the vendor's own affair, and may quote a prompt.
            return "" if line.startswith("Traceback") else " ".join(line[:MAX_LINE].split())
    return ""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
