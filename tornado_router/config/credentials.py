"""Finds the secrets in a configuration, so that they can be redacted everywhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SHORTEST_PART = 8
"""A shorter header value or URL parameter is not taken for a secret: it is in many texts."""

SECRET_NAME = re.compile(
    r"(?i)auth|cookie|credential|passw|secret|signature|token|(?:^|[-_])(?:api)?-?key$|^key$"
)
"""Names of headers and URL parameters whose values are credentials."""

_AUTHORITY_END = re.compile(r"[/?#]")

_SCHEME = re.compile(r"(?i)(?:bearer|basic|token)\s+")


def secrets_in(table: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """The secrets of a table, in every form in which they may turn up; the longest first.

    Args:
        table: options by name, with references such as `${NAME}` resolved.
        schema: JSON Schema of the table. A `writeOnly` option is a secret: a string as a whole, an
            object, such as headers, by its values.
    """
    properties = schema.get("properties", {})
    found: list[str] = []
    for name, value in table.items():
        if properties.get(name, {}).get("writeOnly"):
            found += _values(value)
        if isinstance(value, str):
            found += url_secrets(value)
    return in_all_forms(found)


def header_secrets(headers: Mapping[str, Any]) -> Iterator[str]:
    """The values of headers, also without the scheme that goes before a credential."""
    for value in headers.values():
        text = str(value).strip()
        if len(text) >= SHORTEST_PART:
            yield text
        bare = _SCHEME.sub("", text, count=1)
        if len(bare) >= SHORTEST_PART:
            yield bare


def url_secrets(text: str) -> Iterator[str]:
    """The credentials in a URL: its password, and parameters such as `key`.

    Of `https://TOKEN@host` it is the user, as there is no password.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return
    if scheme.startswith("http"):
        rest = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    # Elsewhere, a password may hold a `/` that is not encoded.
    user, at, _ = rest.rpartition("@")
    name, colon, password = user.partition(":")
    if at and (colon or scheme.startswith("http")):
        secret = password if colon else name
        yield from (secret, unquote(secret))
    try:
        query = urlsplit(text).query
    except ValueError:
        return
    for parameter, value in parse_qsl(query):
        if SECRET_NAME.search(parameter) and len(value) >= SHORTEST_PART:
            yield value


def in_all_forms(secrets: Iterable[str]) -> list[str]:
    """Secrets as they are, as within JSON, and as within a URL.

    The longest come first: replacing a short one first could leave the rest of a longer one.
    """
    forms = {
        form
        for secret in secrets
        for form in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""))
        if form
    }
    return sorted(forms, key=lambda form: (-len(form), form))


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from header_secrets(value)
    elif isinstance(value, str):
        yield value
