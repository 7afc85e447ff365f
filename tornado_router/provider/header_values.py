"""Keys and other values of headers, as operators write them: often with a line break at the end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tornado_router.provider.base import OptionError

_ENDS = r"[\s\x00-\x1f\x7f\u200b-\u200d\u2060\ufeff]+"
"""Blanks, control characters, and what a text editor puts before a text without showing it."""

_TRIMMED = re.compile(rf"\A{_ENDS}|{_ENDS}\Z")
_NAME = re.compile(r"[!-9;-~](?:[ -9;-~]*[!-9;-~])?")
"""What can be sent. RFC 9110, section 5.6.2, allows less, but some vendors have blanks in names."""

_NOT_IN_VALUES = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ufeff]")
"""RFC 9110, section 5.5; and a byte order mark, which is never meant."""

_NOT_IN_KEYS = re.compile(r"[^\x21-\x7e]")
"""A key is a token: RFC 6750, section 2.1."""


def trimmed(value: Any) -> Any:
    """A text, or a table's texts, without what is not seen at the ends."""
    if isinstance(value, str):
        return _TRIMMED.sub("", value)
    if isinstance(value, Mapping):
        return {name: trimmed(item) for name, item in value.items()}
    return value


def header_value(option: str, text: str, *, key: bool = False) -> str:
    """The value of a header, without what is not seen at its ends.

    Args:
        option: that holds it.
        text: of the option.
        key: whether it is a key, which has no blanks inside either.

    Raises:
        OptionError: a character inside cannot be sent; the text is not quoted, as it may be secret.
    """
    value: str = trimmed(text)
    found = (_NOT_IN_KEYS if key else _NOT_IN_VALUES).search(value)
    if found:
        what = "key" if key else "header"
        raise OptionError(option, f"holds U+{ord(found[0]):04X}, which a {what} must not")
    return value


def header_values(option: str, table: Mapping[str, str]) -> dict[str, str]:
    """The headers of an option that is a table of them.

    Raises:
        OptionError: a name or a value cannot be sent.
    """
    headers = {}
    for name, text in table.items():
        if _NAME.fullmatch(name) is None:
            raise OptionError(option, f"has a name that a header must not have: {name!r}")
        try:
            headers[name] = header_value(option, text)
        except OptionError as error:
            raise OptionError(option, f"'{name}' {error.message}") from None
    return headers
