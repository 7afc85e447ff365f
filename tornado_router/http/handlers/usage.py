"""`/usage`: what calls used and cost: one's own, or for administrators all."""

from __future__ import annotations

import csv
import datetime
import functools
import io
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec.structs import asdict

from tornado_router.error_codes import Invalid, Refusal
from tornado_router.http.connection import ClientGoneError
from tornado_router.http.handlers.management import ManagementHandler, integer
from tornado_router.http.objects.usage import (
    GROUP_FIELDS,
    Call,
    Sums,
    Usage,
    UsageGroup,
)
from tornado_router.ledger import usage_queries
from tornado_router.ledger.usage_queries import MAX_GROUPS, Cursor, Filter
from tornado_router.storage.tables import MAX_ID, ApiKey, UsageLog, User
from tornado_router.storage.values import EPOCH, utc
from tornado_router.usage import QUANTITIES_AND_TOTAL

PARAMETERS = (
    *("from", "to", "model", "provider", "key_id", "user_id"),
    *("group_by", "limit", "after", "format"),
)
DEFAULT_SPAN = datetime.timedelta(days=30)
CSV_PAGE = 1000

_EARLIEST = datetime.datetime.min
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_RFC_3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(\.\d+)?([Zz]|[+ -]\d{2}:\d{2})", re.ASCII
)
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet takes for the beginning of something to compute:
https://owasp.org/www-community/attacks/CSV_Injection."""

_SUM_COLUMNS = ("requests", "errors", *QUANTITIES_AND_TOTAL, "cost")


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked for.

    Attributes:
        chosen: which calls.
        group_by: by what their sums are grouped; None for the calls themselves.
        limit: how many of them.
        after: id of the call that they come behind.
    """

    chosen: Filter
    group_by: str | None
    limit: int
    after: int | None


class _CsvPage(NamedTuple):
    """A piece of a CSV file, and where the next begins; None behind the last."""

    text: str
    cursor: Cursor | None


class UsageHandler(ManagementHandler):
    """`/usage`."""

    async def get(self) -> None:
        """Adds up calls, and lists them or groups of them.

        Raises:
            ApiError: 400, a query that cannot be used; 404, a user or a key that is not visible.
        """
        query = self.query(*PARAMETERS)
        as_csv = _choice(query, "format", ("json", "csv")) == "csv"
        question = self._read(query, as_csv=as_csv)
        await self.run(lambda: self._check_owner(question.chosen))
        if not as_csv:
            self.write_json(await self.run(lambda: _answer(question)))
        elif question.group_by is None:
            await self._write_calls(question.chosen)
        else:
            text = await self.run(lambda: _groups_csv(question))
            self._set_csv_headers()
            self.finish(text)

    def _read(self, query: Mapping[str, str], *, as_csv: bool) -> _Question:
        group_by = self._group_by(query)
        for name in ("limit", "after"):
            if name in query and as_csv:
                raise Invalid.invalid_value(
                    f"'{name}' is not allowed with CSV, which has all rows.", param=name
                )
        if group_by is None:
            limit, after = self.page(query)
        else:
            limit, after = _group_limit(query), None
        start, end = _span(query)
        chosen = Filter(
            start,
            end,
            user_id=integer(query, "user_id", None if self.user.is_admin else self.user.id),
            key_id=integer(query, "key_id", None),
            model=query.get("model"),
            provider=query.get("provider"),
        )
        return _Question(chosen, group_by, limit, after)

    def _group_by(self, query: Mapping[str, str]) -> str | None:
        if self.user.is_admin:
            return _choice(query, "group_by", usage_queries.GROUPINGS)
        groupings = [name for name in usage_queries.GROUPINGS if name != "user"]
        return _choice(query, "group_by", groupings)

    def _check_owner(self, chosen: Filter) -> None:
        """Refuses a user or a key that is not visible to the user. Blocks.

        Deleted users and revoked keys keep their usage, so they are visible here.

        Raises:
            ApiError: 404.
        """
        user_id, key_id = chosen.user_id, chosen.key_id
        if user_id is not None and user_id != self.user.id:
            known = self.user.is_admin and user_id <= MAX_ID
            if not known or User.get_or_none(User.id == user_id) is None:
                raise Refusal.user_not_found(id=user_id)
        if key_id is not None:
            query = ApiKey.select().where(ApiKey.id == key_id)
            if user_id is not None:
                query = query.where(ApiKey.user == user_id)
            if key_id > MAX_ID or not query.exists():
                raise Refusal.key_not_found(id=key_id)

    async def _write_calls(self, chosen: Filter) -> None:
        """Streams all calls as CSV, a page at a time, as fast as the client takes them."""
        page = await self.run(lambda: _calls_csv(chosen, None))
        self._set_csv_headers()
        self.write(_csv([usage_queries.COLUMNS]))
        try:
            while True:
                self.write(page.text)
                await self.flush()
                if page.cursor is None:
                    return
                page = await self.run(functools.partial(_calls_csv, chosen, page.cursor))
        except ClientGoneError:
            return  # the client went away
        except Exception as error:  # noqa: BLE001 - the status is sent, so this is the last chance
            self.log_exception(type(error), error, error.__traceback__)
            # Without an end, so that the client notices that a part is missing.
            self.connection.abort()

    def _set_csv_headers(self) -> None:
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", 'attachment; filename="usage.csv"')


def _choice(query: Mapping[str, str], name: str, choices: Sequence[str]) -> str | None:
    value = query.get(name)
    if value is not None and value not in choices:
        raise Invalid.invalid_value(f"'{name}' must be one of {', '.join(choices)}.", param=name)
    return value


def _group_limit(query: Mapping[str, str]) -> int:
    if "after" in query:
        raise Invalid.invalid_value("'after' is not allowed with 'group_by'.", param="after")
    limit = integer(query, "limit", MAX_GROUPS)
    assert limit is not None
    if not 1 <= limit <= MAX_GROUPS:
        raise Invalid.invalid_value(f"'limit' must be between 1 and {MAX_GROUPS}.", param="limit")
    return limit


def _span(query: Mapping[str, str]) -> tuple[datetime.datetime, datetime.datetime]:
    """The first moment, and the one behind the last: the next whole second, if none is given."""
    end = _moment(query, "to") or utc(int(time.time()) + 1)
    start = _moment(query, "from")
    if start is None:
        # Python has no time before year 1.
        start = end - DEFAULT_SPAN if end - _EARLIEST > DEFAULT_SPAN else _EARLIEST
    if start >= end:
        param = "from" if "from" in query else "to"
        raise Invalid.invalid_value("'from' must be before 'to'.", param=param)
    return start, end


def _moment(query: Mapping[str, str], name: str) -> datetime.datetime | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        moment = _parse_moment(text)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment > usage_queries.LATEST:
        raise Invalid.invalid_value(
            f"'{name}' must be a day such as 2026-11-24, a time such as 2026-11-24T09:30:00Z, or "
            "seconds since 1970.",
            param=name,
        )
    return moment


def _parse_moment(text: str) -> datetime.datetime | None:
    """A time in UTC; None for what is none.

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


def _timestamp(moment: datetime.datetime) -> int | float:
    """Seconds since 1970; whole ones as an int."""
    seconds = (moment - EPOCH).total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _answer(question: _Question) -> Usage:
    """The object of a response. Blocks."""
    chosen, limit = question.chosen, question.limit
    data: Sequence[Call | UsageGroup]
    with UsageLog._meta.database.reading():  # so that the totals are of the same calls
        if question.group_by is None:
            after = question.after
            cursor = None if after is None else usage_queries.find_cursor(chosen, after)
            totals = usage_queries.totals(chosen)
            calls = usage_queries.list_calls(chosen, limit, cursor) if totals["requests"] else []
            data = [Call.of(call) for call in calls]
        else:
            totals, groups = usage_queries.groups(chosen, question.group_by, limit)
            data = [UsageGroup.of(question.group_by, group) for group in groups]
    has_more = len(data) > limit
    data = data[:limit]
    return Usage(
        start=_timestamp(chosen.start),
        end=_timestamp(chosen.end),
        totals=Sums.of(totals),
        data=data,
        has_more=has_more,
        next=data[-1].id if has_more and isinstance(data[-1], Call) else None,
    )


def _calls_csv(chosen: Filter, cursor: Cursor | None) -> _CsvPage:
    """The lines of a page of calls. Blocks."""
    calls = usage_queries.list_calls(chosen, CSV_PAGE, cursor)
    has_more = len(calls) > CSV_PAGE
    calls = calls[:CSV_PAGE]
    last = (calls[-1]["created_at"], calls[-1]["id"]) if has_more else None
    lines = ({**asdict(Call.of(call)), "prices": call["prices"]} for call in calls)
    return _CsvPage(_csv([line[name] for name in usage_queries.COLUMNS] for line in lines), last)


def _groups_csv(question: _Question) -> str:
    """All groups as CSV. Blocks."""
    group_by = question.group_by
    assert group_by is not None
    _, groups = usage_queries.groups(question.chosen, group_by, limit=None)
    header = (*GROUP_FIELDS[group_by], *_SUM_COLUMNS)
    lines = (asdict(UsageGroup.of(group_by, group)) for group in groups)
    return _csv([header, *([line[name] for name in header] for line in lines)])


def _csv(lines: Iterable[Iterable[Any]]) -> str:
    """Lines as RFC 4180 has them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([_cell(value) for value in line] for line in lines)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A value that a spreadsheet shows and does not compute: names of models are the clients'."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
