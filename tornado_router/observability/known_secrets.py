"""The secrets of router.toml, which are kept out of what is logged and recorded.

Many vendors' keys have no form by which `redaction` could know them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TextIO

from tornado_router.config.credentials import in_all_forms
from tornado_router.observability.redaction import REDACTED

LONG = 8
"""Secrets of so many characters are hidden wherever they are, also within a word."""

SHORTEST = 4
"""A shorter one is in too much of a text."""

_WORD = re.compile(r"[A-Za-z]+|[0-9.eE+-]+")
"""What may be a word, a number or a field of JSON, without which a log could not be read."""

_ALONE = r"(?<![A-Za-z0-9])(?:{})(?![A-Za-z0-9])"


def can_hide(secret: str) -> bool:
    """Whether texts can still be read without a secret.

    One of less than 8 characters has to have letters and digits, or other characters.
    """
    return len(secret) >= LONG or (len(secret) >= SHORTEST and _WORD.fullmatch(secret) is None)


class KnownSecrets:
    """Secrets of one process, known by their very texts. May be used by several threads.

    Args:
        secrets: those that are known from the start.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: frozenset[str] = frozenset()
        self._texts: tuple[str, ...] = ()
        self._short: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Adds secrets; those that were known stay so, as what runs may still show them."""
        self._known |= {*secrets}
        known = [text for text in in_all_forms(self._known) if can_hide(text)]
        self._texts = tuple(text for text in known if len(text) >= LONG)
        short = "|".join(re.escape(text) for text in known if len(text) < LONG)
        self._short = re.compile(_ALONE.format(short)) if short else None

    def holds(self, text: str) -> bool:
        """Whether a text holds one of them."""
        return any(secret in text for secret in self._texts) or bool(
            self._short and self._short.search(text)
        )

    def hide(self, text: str) -> str:
        """A text without them."""
        for secret in self._texts:
            text = text.replace(secret, REDACTED)
        return self._short.sub(REDACTED, text) if self._short else text


class HidingStream:
    """A stream for whole lines, which are written without secrets.

    Args:
        stream: where to.
        secrets: that are hidden.
    """

    def __init__(self, stream: TextIO, secrets: KnownSecrets) -> None:
        self._stream = stream
        self._secrets = secrets

    def write(self, text: str) -> None:
        """Writes a text."""
        self._stream.write(self._secrets.hide(text))

    def flush(self) -> None:
        """Passes on what was written."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether people read it."""
        return self._stream.isatty()
