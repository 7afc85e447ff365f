"""Writes AWS event stream messages: made from the specification, apart from what reads them.

https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import zlib
from datetime import datetime
from uuid import UUID


def message(headers, payload, header_size=None):
    """The bytes of one message.

    Args:
        headers: by name; bytes for headers that are encoded already. A value of bytes that begins
            with a type number of a whole number (2 to 5) and has its length is taken as encoded.
        payload: the data.
        header_size: what the message claims; the truth if None.
    """
    encoded = headers if isinstance(headers, bytes) else b"".join(map(header, headers.items()))
    total = 4 + 4 + 4 + len(encoded) + len(payload) + 4
    size = len(encoded) if header_size is None else header_size
    prelude = total.to_bytes(4, "big") + size.to_bytes(4, "big")
    data = prelude + checksum(prelude) + encoded + payload
    return data + checksum(data)


def checksum(data):
    return zlib.crc32(data).to_bytes(4, "big")


def header(item):
    name, value = item
    return bytes([len(name.encode())]) + name.encode() + encode(value)


def encode(value):
    match value:
        case bool():
            return b"\x00" if value else b"\x01"
        case bytes() if len(value) == 1 + {2: 1, 3: 2, 4: 4, 5: 8}.get(value[0], -1):
            return value
        case bytes():
            return b"\x06" + len(value).to_bytes(2, "big") + value
        case str():
            return b"\x07" + len(value.encode()).to_bytes(2, "big") + value.encode()
        case datetime():
            return b"\x08" + round(value.timestamp() * 1000).to_bytes(8, "big")
        case UUID():
            return b"\x09" + value.bytes
    raise TypeError(value)
