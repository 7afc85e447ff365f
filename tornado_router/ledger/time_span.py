"""Reads the span of time that a report is about, as people write it."""

from __future__ import annotations

import datetime
import re
import time

from tornado_router.error_codes import Invalid
from tornado_router.storage.values import utc

DEFAULT_SPAN = datetime.timedelta(days=30)

LATEST = datetime.datetime(9999, 12, 31)
"""The latest moment of a report: the day behind it has to be a date as well."""

_EARLIEST = datetime.datetime.min
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_RFC_3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(\.\d+)?([Zz]|[+ -]\d{2}:\d{2})", re.ASCII
)


def read_span(start: str | None, end: str | None) -> tuple[datetime.datetime, datetime.datetime]:
    """The first moment of a span in UTC, and the one behind the last.

    Args:
        start: as given for `from`; None for 30 days before the end.
        end: as given for `to`; None for the next whole second.

    Raises:
        ApiError: 400, one is not a time, or they are the wrong way round.
    """
    last = _moment(end, "to") or utc(int(time.time()) + 1)
    first = _moment(start, "from")
    if first is None:
        # Python has no time before year 1.
        first = last - DEFAULT_SPAN if last - _EARLIEST > DEFAULT_SPAN else _EARLIEST
    if first >= last:
        param = "from" if start else "to"
        raise Invalid.invalid_value("'from' must be before 'to'.", param=param)
    return first, last


def _moment(text: str | None, param: str) -> datetime.datetime | None:
    if text is None:
        return None
    try:
        moment = _parse(text)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment > LATEST:
        raise Invalid.invalid_value(
            f"'{param}' must be a day such as 2026-11-24, a time such as 2026-11-24T09:30:00Z, or "
            "seconds since 1970.",
            param=param,
        )
    return moment


def _parse(text: str) -> datetime.datetime | None:
    """A time in UTC, or None.

    Raises:
        ValueError: there is no such day or time.
        OverflowError: it is before the year 1 or behind the year 9999.
    """
    if text.isascii() and text.isdecimal() and len(text) <= 15:
        return utc(int(text))
    if _DATE.fullmatch(text):
        return datetime.datetime.fromisoformat(text)
    found = _RFC_3339.fullmatch(text)
    if found is None:
        return None
    day, hours, fraction, zone = found.groups()
    # A plus that is not escaped in a query arrives as a space.
    zone = zone.upper().replace(" ", "+")
    moment = datetime.datetime.fromisoformat(f"{day}T{hours}{(fraction or '')[:7]}{zone}")
    return moment.astimezone(datetime.UTC).replace(tzinfo=None)
