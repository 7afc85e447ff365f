"""The target of a request in its other form: with scheme and host, as it is sent to a proxy."""

from __future__ import annotations

import re

_ABSOLUTE = re.compile(r"(?i)https?://[^/]+")


def origin_path(path: str) -> str:
    """The path of a target that does not begin with one.

    A server has to serve `GET http://host/v1/models` as `GET /v1/models` (RFC 9112 section 3.2.2);
    what a client calls the host decides nothing here. Other targets, such as `*` and the
    `host:port` of CONNECT, stay as they are.

    Args:
        path: of the target, without the query.
    """
    found = _ABSOLUTE.match(path)
    return path[found.end() :] or "/" if found else path
