"""Texts that people type: e-mail addresses, names, reasons, amounts of money."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation

from tornado_router.config.options import MAX_DOLLARS
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.observability.redaction import holds_secret

MAX_EMAIL = 254
"""https://www.rfc-editor.org/errata/eid1690."""

MAX_LINE = 100

MAX_REASON = 500

_DOLLARS = re.compile(r"[+-]?[0-9]{1,10}(\.[0-9]{1,9})?")

_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that show a text in another order than it has."""


def clean_email(text: str, param: str = "email") -> str:
    """An e-mail address as the table has it: one way to write it for each mailbox.

    Raises:
        ApiError: 400, it is none.
    """
    if len(text) <= MAX_EMAIL:
        text = _fold(text.strip())
        if _is_text(text):
            # 25 ms of a start, and calls have no use for it.
            from tornado_router.accounts.email_syntax import normalized  # noqa: PLC0415

            address = normalized(text)
            if address:
                return _fold(address)
    raise Invalid.invalid_value(f"'{param}' is not an e-mail address.", param=param)


def known_email(text: str) -> str:
    """The address of an account, as it was typed to sign in or by an operator.

    An account keeps working though its address could not be registered today.

    Raises:
        ApiError: 400, it is not an address.
    """
    try:
        return clean_email(text)
    except ApiError:
        folded = _fold(text[: MAX_EMAIL + 1].strip())
        if "@" not in folded or len(folded) > MAX_EMAIL or not _is_text(folded):
            raise
        return folded


def clean_text(text: str, param: str, most: int = MAX_LINE) -> str:
    """A name or a reason, which stands in one line of a list, a log or a terminal.

    Raises:
        ApiError: 400, it is too long, has characters that cannot be displayed, or looks like a
            secret, which a name is not kept like.
    """
    if len(text) > most:
        raise Invalid.string_above_max_length(param=param, limit=most, length=len(text))
    text = unicodedata.normalize("NFC", text.strip())
    if not _is_text(text):
        raise Invalid.invalid_value(
            f"'{param}' has characters that cannot be displayed, such as line breaks.", param=param
        )
    if holds_secret(text):
        raise Invalid.invalid_value(f"'{param}' looks like a key or a token.", param=param)
    return text


def parse_dollars(value: str | float | Decimal, param: str = "amount") -> Decimal:
    """An amount of US dollars, exactly.

    Raises:
        ApiError: 400, it is none, is too large, or has more than nine decimals.
    """
    try:
        text = value if isinstance(value, str) else f"{Decimal(str(value)):f}"
    except InvalidOperation:
        text = ""
    if not _DOLLARS.fullmatch(text):
        raise Invalid.invalid_value(
            f"'{param}' must be an amount such as \"12.5\", with at most nine decimals.",
            param=param,
        )
    amount = Decimal(text)
    if abs(amount) > MAX_DOLLARS:
        raise Invalid.invalid_value(
            f"'{param}' must be at most {MAX_DOLLARS} US dollars.", param=param
        )
    return amount


def printable(text: str) -> str:
    """Without half characters, which a terminal may hand on and a database does not take."""
    return text.encode("utf-8", "replace").decode()


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def _is_text(text: str) -> bool:
    """Whether every character is there to be seen, in its place."""
    return not any(
        character in _REORDERING or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        for character in text
    )
