"""Looks a header of a request up, cheaply also where it is not there, as most are not.

Not documented by Tornado, and thus checked by a test of its own with each version that `setup.py`
allows (last: 6.6): `_as_list` of `HTTPHeaders`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tornado.httputil import HTTPHeaders

from tornado_router.http.header_names import WRITTEN


def header(headers: HTTPHeaders, name: str) -> str | None:
    """A header of a request, or None; of several of a name, the values with commas between.

    As `headers.get(name)`, which takes six times as long for one that is not there: it raises an
    error and catches it.
    """
    values = headers._as_list.get(WRITTEN[name])
    if not values:
        return None
    return values[0] if len(values) == 1 else ",".join(values)


def offered_protocols(headers: Mapping[str, str]) -> list[str]:
    """The sub-protocols that the client of a websocket offers."""
    offered = headers.get("Sec-WebSocket-Protocol", "")
    return [name.strip() for name in offered.split(",") if name.strip()]
