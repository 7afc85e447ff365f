"""Takes secrets and media out of texts before they are kept or shown.

Everything here takes time in proportion to what it keeps, not to what it is given: while a regular
expression looks at a text, nothing else of the process runs, whichever thread it is on.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, AnyStr

import jiter

from tornado_router.errors import Fault

REDACTED = "[redacted]"

MAX_SECRET = 256
"""Characters that are dropped before a cut, as the start of a secret may be too short to be
recognised."""

BYTES_PER_CHARACTER = 8
"""So many bytes of JSON are read for each character that is kept of it, names and punctuation
included."""

LONGEST_NAME = 512
MAX_SHOWN_NAME = 200
"""Of a name that a client or a vendor chose, so much is looked at, and so much is shown."""

_KEYS = (
    r"sk-[A-Za-z0-9_-]{16,}+",  # OpenAI, Anthropic, OpenRouter, DeepSeek, this router
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}+",  # Stripe
    r"whsec_[A-Za-z0-9+/=]{16,}+",  # Stripe's webhooks
    r"xai-[A-Za-z0-9_-]{16,}+",  # xAI
    r"gsk_[A-Za-z0-9_-]{16,}+",  # Groq
    r"hf_[A-Za-z0-9]{16,}+",  # Hugging Face
    r"r8_[A-Za-z0-9_-]{16,}+",  # Replicate
    r"csk-[A-Za-z0-9]{16,}+",  # Cerebras
    r"tgp_[A-Za-z0-9_-]{16,}+",  # Together
    r"fw_[A-Za-z0-9]{16,}+",  # Fireworks
    r"pplx-[A-Za-z0-9]{16,}+",  # Perplexity
    r"nvapi-[A-Za-z0-9_-]{16,}+",  # NVIDIA
    r"dapi[0-9a-f]{32,}+",  # Databricks
    r"AIza[A-Za-z0-9_-]{35,}+",  # Google
    r"ya29\.[A-Za-z0-9_-]{16,}+",  # Google's OAuth
    r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])",  # AWS
    r"gh[opsur]_[A-Za-z0-9]{16,}+",  # GitHub
    r"github_pat_[A-Za-z0-9_]{16,}+",  # GitHub
    r"glpat-[A-Za-z0-9_.-]{16,}+",  # GitLab
    r"npm_[A-Za-z0-9]{16,}+",  # npm
    r"xox[a-z]-[A-Za-z0-9-]{16,}+",  # Slack
    r"xapp-[A-Za-z0-9-]{16,}+",  # Slack
    r"SG\.[A-Za-z0-9_-]{16,}+(?:\.[A-Za-z0-9_-]*+)?",  # SendGrid
    r"AQ\.[A-Za-z0-9_-]{32,}+",  # Google, newer
    r"ABSK[A-Za-z0-9+/=]{40,}+",  # AWS Bedrock
    r"bedrock-api-key-[A-Za-z0-9+/=]{16,}+",  # AWS Bedrock, for a while
    r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}(?![A-Za-z0-9])",  # Azure
    r"[0-9a-f]{32}\.[A-Za-z0-9]{16}(?![A-Za-z0-9])",  # Z.ai
    r"sk_[A-Za-z0-9]{32,}+",  # ElevenLabs, Novita
    r"(?:pa|al)-(?=[a-z0-9_-]{0,42}[A-Z])[A-Za-z0-9_-]{40,}+",  # Voyage: else it is words
    r"jina_[A-Za-z0-9_-]{32,}+",  # Jina
    r"vck_[A-Za-z0-9]{32,}+",  # Vercel
    r"tvly-[A-Za-z0-9_-]{24,}+",  # Tavily
    r"Wz[A-Za-z0-9_-]{10,}+\.[A-Za-z0-9_-]{43,}+",  # a session of this router
    r"(?i:bearer)\s{1,8}+[A-Za-z0-9._~+/=-]{16,}+",
)
"""Forms of keys; none of them is a key behind an ASCII letter or digit, as in `risk-...`."""

SECRETS = (
    rf"(?<![A-Za-z0-9])(?:{'|'.join(_KEYS)})",
    # A JSON Web Token. Its first part is not secret, so one that begins in the middle of a word
    # keeps it: to look for its beginning everywhere would take time by the square of the length.
    r"(?:(?<![A-Za-z0-9_-])ey[A-Za-z0-9_-]{10,}+)?\.eyJ[A-Za-z0-9_-]{10,}+(?:\.[A-Za-z0-9_-]*+)?",
    # A private key, as far as it is there
    r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[^-]++|-(?!----))*+"
    r"(?:-----END [A-Z0-9 ]{1,60}+-----)?",
    # https://user:password@host
    r"""(?<=://)[^\s/:@"<>]*+:[^\s/"<>]+(?=@)""",
    # Signed URLs of AWS and Google
    r"(?i:X-(?:Amz|Goog)-(?:Signature|Security-Token))=[A-Za-z0-9%+/=._~-]{16,}+",
)
"""Forms of credentials, anywhere in a prompt. Each must take linear time: runs
are possessive, and no run is looked at from many places. `\\b` would not do, as it takes a letter
of any alphabet for a part of the word."""

_FORMS = [re.compile(form, re.ASCII) for form in SECRETS]
SHORTEST = 16
"""Characters of the shortest text that has one of these forms."""

SHORTEST_MEDIA = 1000
_BASE64 = r"[A-Za-z0-9+/_-]"
_MEDIA_PATTERN = (
    rf"(?:data:[\w.+/-]{{0,100}}+(?:;[\w.=+-]{{1,50}}+){{0,3}}+,|(?<![A-Za-z0-9+/_=-]))"
    rf"{_BASE64}{{{SHORTEST_MEDIA},}}+={{0,2}}"
)
_MEDIA_WINDOW = 300 + SHORTEST_MEDIA
"""Enough to recognise what begins before it."""

_MEDIA: dict[type, re.Pattern[Any]] = {
    str: re.compile(_MEDIA_PATTERN, re.ASCII),
    bytes: re.compile(_MEDIA_PATTERN.encode()),
}
"""A picture, a sound or a file in Base64: long, and of no use to a reader."""

_REST: dict[type, re.Pattern[Any]] = {
    str: re.compile(rf"{_BASE64}*+={{0,2}}"),
    bytes: re.compile(rf"{_BASE64}*+={{0,2}}".encode()),
}


@dataclass(slots=True)
class _Room:
    """How many characters of a value are still wanted."""

    left: int


class Redaction:
    """Redacts texts and JSON values by rules.

    Args:
        patterns: regular expressions of what is taken out of texts.
        fields: names of properties whose values are taken out, at any depth.
        secrets: texts that are taken out wherever they are.
        longest: characters that are wanted of a text or of all texts of a value; what is behind
            them is cut off.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        fields: Sequence[str] = (),
        secrets: Sequence[str] = (),
        longest: int = sys.maxsize,
    ) -> None:
        self._longest = longest
        literals = sorted(filter(None, secrets), key=len, reverse=True)
        own = ["|".join(map(re.escape, literals))] if literals else []
        self._own = [re.compile(pattern) for pattern in (*own, *patterns)]
        self._fields = frozenset(fields)
        self._tail = max([MAX_SECRET, *map(len, literals)])

    def text(self, text: str) -> str:
        """A text without what the rules take out."""
        return self._text(text, _Room(self._longest))

    def value(self, value: Any) -> Any:
        """A JSON value without what the rules take out, and media as how long they are.

        Strings that hold JSON, such as the arguments of a tool call, are redacted as JSON.
        """
        return self._value(value, _Room(self._longest))

    def body(self, data: bytes, *, whole: bool = True) -> str:
        """The JSON text of a JSON body, redacted; for any other body, how long it is.

        Args:
            data: the body, or the start of it.
            whole: whether it is all of it. Otherwise the last text may end with half a secret,
                which no rule knows, so its end is dropped.
        """
        start, is_cut = _shorten(data, self._longest * BYTES_PER_CHARACTER)
        value = _parse(start)
        if value is None:
            return f"[{len(data)} bytes that are not JSON]"
        value = self.value(value)
        return as_json(self.without_end(value) if is_cut or not whole else value)

    def without_end(self, value: Any) -> Any:
        """A redacted value without the end of its last text, where half a secret may be."""
        if isinstance(value, str):
            return value[: -self._tail]
        if isinstance(value, list) and value:
            return [*value[:-1], self.without_end(value[-1])]
        if isinstance(value, dict) and value:
            last = next(reversed(value))
            return {**value, last: self.without_end(value[last])}
        return value if isinstance(value, list | dict) else None

    def _value(self, value: Any, room: _Room) -> Any:
        room.left -= 1
        if isinstance(value, str):
            inner = _parse(value.encode("utf-8", "replace")) if value[:1] in _OPENING else None
            return self._text(value, room) if inner is None else as_json(self._value(inner, room))
        if isinstance(value, list):
            return [self._value(entry, room) for entry in value if room.left > 0]
        if isinstance(value, dict):
            return {
                self._text(name, room): REDACTED
                if name in self._fields
                else self._value(entry, room)
                for name, entry in value.items()
                if room.left > 0
            }
        if isinstance(value, bool) or value is None:
            return value
        return REDACTED if any(one.search(str(value)) for one in self._own) else value

    def _text(self, text: str, room: _Room) -> str:
        text, is_cut = _shorten(text, max(room.left, 0) + self._tail)
        if len(text) >= SHORTEST:
            for form in _FORMS:
                text = form.sub(REDACTED, text)
        for pattern in self._own:
            text = pattern.sub(REDACTED, text)
        if is_cut:
            text = text[: -self._tail]  # it may end with half a secret, which no rule knows
        room.left -= len(text)
        return text


def holds_secret(text: str) -> bool:
    """Whether a short text holds something that has the form of a secret."""
    return len(text) >= SHORTEST and any(form.search(text) for form in _FORMS)


def printable_name(name: str) -> str:
    """A name that a client chose, as it may be recorded and shown: clipped, and without secrets."""
    return _printable_name(name[:LONGEST_NAME])


@lru_cache(maxsize=1000)
def _printable_name(name: str) -> str:
    if holds_secret(name):
        return REDACTED
    # A line break or an escape sequence could forge a line of the log.
    return "".join(c if c.isprintable() else " " for c in name[:MAX_SHOWN_NAME])


def redact_forms(text: str) -> str:
    """A text without what has the form of a secret."""
    for form in _FORMS:
        text = form.sub(REDACTED, text)
    return text


def as_json(value: Any) -> str:
    """The text of a JSON value. orjson refuses whole numbers beyond 64 bits."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def check_patterns(patterns: Sequence[str]) -> Iterator[Fault]:
    """Faults of the entries of `[request_log] redact` that are not regular expressions."""
    for index, pattern in enumerate(patterns):
        try:
            re.compile(pattern)
        except re.error as error:
            yield Fault(f"request_log.redact[{index}]", f"is not a regular expression: {error}")


_OPENING = frozenset("{[")
_UNFINISHED = ("EOF", "unexpected end")
"""How jiter's error begins for a text that ends too early."""


def _parse(data: bytes) -> Any:
    """A JSON value, or as much of it as is there; None if it is none."""
    try:
        return jiter.from_json(data)
    except ValueError as error:
        if not str(error).startswith(_UNFINISHED):
            return None
    try:
        return jiter.from_json(data, partial_mode="trailing-strings")
    except ValueError:
        return None


def _shorten(text: AnyStr, most: int) -> tuple[AnyStr, bool]:
    """The start of a text, with media as how long they are, and whether anything is behind it.

    Only as much is looked at as is returned, media aside, whose end is found by a plain scan.
    """
    media, rest = _MEDIA[type(text)], _REST[type(text)]
    parts, start = [], 0
    while True:
        end = min(len(text), start + most)
        window = end + _MEDIA_WINDOW
        found = media.search(text, start, window) if len(text) - start >= SHORTEST_MEDIA else None
        if found is None or found.start() >= end:
            parts.append(text[start:end])
            return type(text)().join(parts), end < len(text)
        stop = found.end()
        if stop >= window:
            more = rest.match(text, stop)
            stop = more.end() if more else stop
        note = f"[{stop - found.start()} characters of media]"
        parts += [text[start : found.start()], _like(text, note)]
        most -= found.start() - start + len(note)
        start = stop
        if most <= 0:
            return type(text)().join(parts), start < len(text)


def _like(text: AnyStr, note: str) -> AnyStr:
    return note if isinstance(text, str) else note.encode()
