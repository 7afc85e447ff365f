"""The headers of a response: each once, by its name as Tornado writes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tornado.httputil import HTTPHeaders

from tornado_router.http.header_names import WRITTEN

_written = WRITTEN.__getitem__


class ResponseHeaders(HTTPHeaders):
    """Headers of a response, in place of Tornado's.

    Those keep a list of values for each name, and another text that joins them, and look for line
    breaks in each; that took 3 % of the processor time of a call. A line break is found when the
    head is written. What is added to a header that is there is joined with it (RFC 9110 section
    5.3), as no response of the router has a cookie.

    Args:
        headers: the first ones, by their names as they are written.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._values = dict(headers)

    def put(self, headers: Mapping[str, str]) -> None:
        """Sets some headers, whatever the case of their names."""
        self._values.update(zip(map(_written, headers), headers.values(), strict=True))

    def add(self, name: str, value: str, **_: object) -> None:
        """See `HTTPHeaders`."""
        known = self._values.get(WRITTEN[name])
        self[name] = value if known is None else f"{known},{value}"

    def get_list(self, name: str) -> list[str]:
        """See `HTTPHeaders`."""
        value = self._values.get(WRITTEN[name])
        return [] if value is None else [value]

    def get_all(self) -> Iterable[tuple[str, str]]:
        """See `HTTPHeaders`."""
        return self._values.items()

    def __setitem__(self, name: str, value: str) -> None:
        self._values[WRITTEN[name]] = value

    def __getitem__(self, name: str) -> str:
        return self._values[WRITTEN[name]]

    def __delitem__(self, name: str) -> None:
        del self._values[WRITTEN[name]]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and WRITTEN[name] in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
