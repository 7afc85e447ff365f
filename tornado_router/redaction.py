"""Takes what nobody should read out of texts before they are kept.

Blocks for as long as the texts are long, so it is not for the event loop.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from tornado_router.errors import Fault

REDACTED = "[redacted]"

MAX_SECRET = 256
"""Bytes of the longest secret that is known by its form."""

LONGEST_BODY = 4 * 1024 * 1024
"""Of a longer one, the start is taken as text: parsing it would hold up the event loop."""

_SECRETS = (
    r"\b(?:sk|rk|pk|xai|gsk|hf|ghp|gho|github_pat|glpat|xox[abp])[-_][A-Za-z0-9_-]{16,250}",
    r"\bAIza[A-Za-z0-9_-]{35}",  # Google
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",  # AWS
    r"\bey[A-Za-z0-9_-]{10,}\.ey[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",  # JSON Web Token
    r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{16,250}",
)
"""Forms of what lets somebody in, wherever it stands in a prompt."""

_MEDIA = re.compile(r"(?:data:[\w./+-]*;base64,)?[A-Za-z0-9+/_-]{1000,}={0,2}", re.ASCII)
"""A picture, a sound or a file in Base64: long, and of no use to a reader."""


class Redaction:
    """Redacts texts and JSON values by rules.

    Args:
        patterns: regular expressions of what is taken out of texts.
        fields: names of properties whose values are taken out, at any depth.
        secrets: texts that are taken out wherever they are.
        longest: characters of a text that are looked at; the rest is cut off. Patterns hold up the
            whole process, event loop included, for as long as they look.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        fields: Sequence[str] = (),
        secrets: Sequence[str] = (),
        longest: int = sys.maxsize,
    ) -> None:
        self._longest = longest
        literal = [re.escape(secret) for secret in sorted(secrets, key=len, reverse=True) if secret]
        self._patterns = [re.compile(pattern) for pattern in (*literal, *_SECRETS, *patterns)]
        self._fields = frozenset(fields)

    def text(self, text: str) -> str:
        """A text without what the rules take out."""
        start = text[: self._longest]
        for pattern in self._patterns:
            start = pattern.sub(REDACTED, start)
        # What was cut off may begin in the middle of a secret, which no rule knows then.
        return start if len(text) <= self._longest else start[:-MAX_SECRET]

    def value(self, value: Any) -> Any:
        """A JSON value without what the rules take out, and media as how long they are."""
        if isinstance(value, str):
            if len(value) >= 1000 and _MEDIA.fullmatch(value):
                return f"[{len(value)} characters of media]"
            return self.text(value)
        if isinstance(value, list):
            return [self.value(entry) for entry in value]
        if isinstance(value, dict):
            return {
                self.text(name): REDACTED if name in self._fields else self.value(entry)
                for name, entry in value.items()
            }
        return value

    def body(self, data: bytes) -> str:
        """The text of a body, redacted as JSON if it is JSON, and not too long to be read."""
        if len(data) > LONGEST_BODY:
            return self.text(data[: self._longest + MAX_SECRET].decode("utf-8", "replace"))
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            return self.text(data.decode("utf-8", "replace"))
        return orjson.dumps(self.value(value)).decode()


def check_patterns(patterns: Sequence[str]) -> Iterator[Fault]:
    """Those of `[request_log] redact` that are no regular expressions."""
    for index, pattern in enumerate(patterns):
        try:
            re.compile(pattern)
        except re.error as error:
            yield Fault(f"request_log.redact[{index}]", f"is no regular expression: {error}")
