"""When a certificate expires: Python's `ssl` reports that of a peer's certificates alone.

A certificate is DER, values in values, each with a tag and a length; the place of its dates is
fixed: https://www.rfc-editor.org/rfc/rfc5280#section-4.1.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime

_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]*CERTIFICATE-----\s(.+?)-----END", re.DOTALL)
_VERSION, _UTC_TIME = 0xA0, 0x17
_LONG = 0x80


def not_after(pem: bytes) -> float | None:
    """When the first certificate of a PEM file expires, in seconds since 1970.

    Args:
        pem: a file that OpenSSL accepts as a certificate.

    Returns:
        None if the date is not written as RFC 5280 demands, which OpenSSL may overlook.
    """
    found = _PEM.search(pem)
    if not found:
        return None
    (_, certificate), *_ = _values(b64decode(found[1]))
    (_, signed), *_ = _values(certificate)
    fields = [content for tag, content in _values(signed) if tag != _VERSION]
    _serial, _algorithm, _issuer, validity, *_ = fields
    _, (tag, moment) = _values(validity)
    text = moment.decode()
    if tag == _UTC_TIME:  # two digits of a year from 1950 to 2049
        text = ("20" if text < "5" else "19") + text
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _values(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag and the content of each value in a row."""
    while der:
        tag, length, start = der[0], der[1], 2
        if length > _LONG:  # so many bytes hold the length
            start += length - _LONG
            length = int.from_bytes(der[2:start], "big")
        yield tag, der[start : start + length]
        der = der[start + length :]
