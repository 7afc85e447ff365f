"""What calls used and cost, over any span of time: sums, groups of sums, and the calls themselves.

Sums of whole days are in `usage_days`; only the day at either end of a span, if a part of it is
wanted, is added up from the rows of its calls. The functions block and ask the database that is
open.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tornado_router.error_codes import Invalid
from tornado_router.storage.sql import fn
from tornado_router.storage.tables import SUMS, UsageDay, UsageLog
from tornado_router.storage.values import now
from tornado_router.usage import AMOUNTS, QUANTITIES_AND_TOTAL

DAY = datetime.timedelta(days=1)

LARGEST_ID = 2**63 - 1
"""Of a call: larger numbers do not fit into the column on every database."""

MAX_GROUPS = 1000

COLUMNS = (
    "id",
    "call_id",
    "request_id",
    "created_at",
    "endpoint",
    "model",
    "provider",
    "target_model",
    "key_id",
    "user_id",
    "stream",
    "status",
    "error_code",
    *QUANTITIES_AND_TOTAL,
    "usage_estimated",
    "cache_hit",
    "cost",
    "uncharged",
    "prices",
    "duration_ms",
    "first_chunk_ms",
)
"""The columns of `list_calls`, in this order."""

_FIELDS = [UsageLog._meta.combined[{"key_id": "api_key_id"}.get(name, name)] for name in COLUMNS]

Cursor = tuple[datetime.datetime, int]
"""The time and the id of the call that a page comes behind."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls are meant.

    Attributes:
        start: the first moment, in UTC without a zone, as the tables have it.
        end: the moment after the last.
        user_id: of one user; None for calls of all users.
        key_id: made with one key; None for all keys.
        model: as the client asked for it; None for all models.
        provider: its name; None for all providers.
    """

    start: datetime.datetime
    end: datetime.datetime
    user_id: int | None = None
    key_id: int | None = None
    model: str | None = None
    provider: str | None = None


Sums = dict[str, Any]
"""Sums over calls, by the names in `SUMS`: whole numbers but for `seconds`, which are exact to the
thousandth. `cost` is in billionths of a US dollar."""


class Group(NamedTuple):
    """The sums of calls that have something in common.

    Attributes:
        value: what they have in common: a day as text, a name, or an id; None where there is none.
        label: the name of the key, or the address of the user, with that id.
        sums: of the calls.
    """

    value: str | int | None
    label: str | None
    sums: Sums


class _Grouping(NamedTuple):
    """How calls are grouped: by which column of either table, and what describes its values."""

    of_day: str
    of_call: str
    names: tuple[str, str] | None = None


_GROUPINGS = {
    "day": _Grouping("day", ""),
    "model": _Grouping("model", "model"),
    "provider": _Grouping("provider", "COALESCE(provider, '')"),
    "key": _Grouping("api_key_id", "COALESCE(api_key_id, 0)", ("api_keys", "name")),
    "user": _Grouping("user_id", "COALESCE(user_id, 0)", ("users", "email")),
}

GROUPINGS = tuple(_GROUPINGS)
"""What calls can be grouped by."""

_TOTALS = ", ".join(f"COALESCE(SUM({name}), 0)" for name in SUMS)
_SUMS = ", ".join(f"SUM({name}) AS {name}" for name in SUMS)
_OVER_ALL = ", ".join(f"SUM(SUM({name})) OVER () AS all_{name}" for name in SUMS)
_OF_DAY = ", ".join(SUMS)

_COUNTED = {
    "errors": "status >= 400",
    # as `CallRecord.is_unpriced`
    "unpriced": "prices IS NULL AND provider IS NOT NULL AND NOT cache_hit "
    f"AND ({' OR '.join(f'{name} > 0' for name in ('total_tokens', *AMOUNTS))})",
}
"""The sums that count some of the calls, and which."""


class _Edge(NamedTuple):
    """A part of one day whose calls are added up one by one, or taken off the day's sum."""

    start: datetime.datetime
    end: datetime.datetime
    sign: str = ""


def totals(chosen: Filter) -> Sums:
    """The sums over all calls that are meant."""
    sql, values = _totals_query(chosen)
    (row,) = _execute(sql, values)
    return _sums(row)


def groups(
    chosen: Filter, grouping: str, limit: int | None = MAX_GROUPS
) -> tuple[Sums, list[Group]]:
    """The sums over all calls that are meant, and over each group of them.

    Days are in order; of anything else, what cost most comes first.

    Args:
        chosen: the calls.
        grouping: one of `GROUPINGS`.
        limit: how many groups; None for all.

    Returns:
        The totals; and the groups, one more than `limit` if there are more.
    """
    sql, values = _groups_query(chosen, grouping, limit)
    rows = _execute(sql, values)
    if not rows:
        return _sums([0] * len(SUMS)), []
    count = len(SUMS)
    overall = _sums(rows[0][1 + count : 1 + 2 * count])
    return overall, [Group(_value(row[0]), row[-1], _sums(row[1 : 1 + count])) for row in rows]


def find_cursor(chosen: Filter, call_id: int) -> Cursor:
    """Where the page behind a call begins.

    Args:
        chosen: the calls; of the span of time only the owner is looked at.
        call_id: the row's id.

    Raises:
        ApiError: 400, there is no such call of this user.
    """
    query = UsageLog.select(UsageLog.created_at).where(UsageLog.id == call_id)
    if chosen.user_id is not None:
        query = query.where(UsageLog.user == chosen.user_id)
    row = query.first() if call_id <= LARGEST_ID else None
    if row is None:
        raise Invalid.invalid_value(
            "'after' must be the id of a call: 'next' of the previous page.", param="after"
        )
    return row.created_at, call_id


def list_calls(chosen: Filter, limit: int, cursor: Cursor | None = None) -> list[Mapping[str, Any]]:
    """Calls, newest first, and one more than `limit` if there are more.

    Calls that are written meanwhile move no page: each call is on one page at most.

    Args:
        chosen: the calls.
        limit: how many.
        cursor: what they come behind.
    """
    if chosen.model is not None or chosen.provider is not None:
        narrowed = _narrowed(chosen)
        if narrowed is None:
            return []
        chosen = narrowed
    rows = _calls_query(chosen, limit, cursor).tuples()
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def _sums(values: Iterable[Any]) -> Sums:
    """Sums by name; PostgreSQL returns decimals."""
    sums: Sums = dict(zip(SUMS, values, strict=True))
    return {
        name: round(float(value), 3) if name == "seconds" else int(value)
        for name, value in sums.items()
    }


def _value(value: Any) -> str | int | None:
    """A group's value as JSON has it: the tables write what there is not as '' or 0."""
    return str(value) if isinstance(value, datetime.date) else value or None


def _execute(sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
    database = UsageLog._meta.database
    cursor = database.execute_sql(sql.replace("?", database.param), values)
    return cursor.fetchall()  # type: ignore[no-any-return]


def _totals_query(chosen: Filter) -> tuple[str, list[Any]]:
    parts, values = _parts(chosen, None)
    return f"SELECT {_TOTALS} FROM ({parts}) AS parts", values  # noqa: S608 - names are ours


def _groups_query(chosen: Filter, grouping: str, limit: int | None) -> tuple[str, list[Any]]:
    item = _GROUPINGS[grouping]
    parts, values = _parts(chosen, item)
    # A group all of whose calls were taken off again is none.
    grouped = (
        f"SELECT value, {_SUMS}, {_OVER_ALL} FROM ({parts}) AS parts "  # noqa: S608
        "GROUP BY value HAVING SUM(requests) <> 0"
    )
    if item.names is None:
        sql = f"SELECT grouped.*, NULL FROM ({grouped}) AS grouped"  # noqa: S608
        label = ""
    else:
        table, column = item.names
        sql = (
            f"SELECT grouped.*, {table}.{column} FROM ({grouped}) AS grouped "  # noqa: S608
            f"LEFT JOIN {table} ON {table}.id = grouped.value"
        )
        label = f"{table}.{column}, "
    by_cost = "" if grouping == "day" else f"cost DESC, requests DESC, {label}"
    sql += f" ORDER BY {by_cost}grouped.value"
    if limit is not None:
        sql += " LIMIT ?"
        values.append(limit + 1)
    return sql, values


def _parts(chosen: Filter, grouping: _Grouping | None) -> tuple[str, list[Any]]:
    """The query whose rows add up to the sums, and its values."""
    days, edges = _split(chosen.start, chosen.end, now())
    queries: list[str] = []
    values: list[Any] = []
    of_calls, common = _conditions(chosen)
    if days is not None:
        value = f"{grouping.of_day} AS value, " if grouping else ""
        queries.append(
            f"SELECT {value}{_OF_DAY} FROM usage_days "  # noqa: S608 - names are ours
            f"WHERE day >= ? AND day <= ?{of_calls}"
        )
        values += [*days, *common]
    for edge in edges:
        value = ""
        if grouping:
            value = f"{grouping.of_call or '?'} AS value, "
            values += [] if grouping.of_call else [edge.start.date()]
        queries.append(
            f"SELECT {value}{_of_call(edge.sign)} FROM usage_logs "  # noqa: S608
            f"WHERE created_at >= ? AND created_at < ?{of_calls}"
        )
        values += [edge.start, edge.end, *common]
    return " UNION ALL ".join(queries), values


def _of_call(sign: str) -> str:
    """What one call adds to sums, or takes off."""
    added = {name: f"{sign}{name}" for name in SUMS} | {"requests": f"{sign}1"}
    for name, condition in _COUNTED.items():
        added[name] = f"CASE WHEN {condition} THEN {sign}1 ELSE 0 END"
    return ", ".join(f"{value} AS {name}" for name, value in added.items())


def _conditions(chosen: Filter) -> tuple[str, list[Any]]:
    """The conditions that both tables know, and their values."""
    conditions: list[tuple[str, Any]] = []
    if chosen.user_id is not None:
        conditions.append(("user_id", chosen.user_id))
    for column in ("key_id", "model", "provider"):
        value = getattr(chosen, column)
        if value is not None:
            conditions.append(("api_key_id" if column == "key_id" else column, value))
    text = "".join(f" AND {column} = ?" for column, _ in conditions)
    return text, [value for _, value in conditions]


def _split(
    start: datetime.datetime, end: datetime.datetime, present: datetime.datetime
) -> tuple[tuple[datetime.date, datetime.date] | None, list[_Edge]]:
    """Splits a span into days, the first and the last of them, and the edges beside them.

    A day of which more is wanted than not is taken whole, less what is not: then fewer calls have
    to be added up. Nothing is behind the present, so today until now costs nothing.
    """
    first, last = _midnight(start), _midnight(end)
    whole = [first if start == first else first + DAY, last]
    edges: list[_Edge] = []
    for day in sorted({first, last} - {end}):
        wanted = _Edge(max(start, day), min(end, day + DAY))
        missing = [_Edge(day, wanted.start, "-"), _Edge(wanted.end, day + DAY, "-")]
        missing = [edge for edge in missing if edge.start < edge.end]
        if not missing:
            continue  # all of the day
        if _length([wanted], present) <= _length(missing, present):
            edges.append(wanted)
        else:
            edges += missing
            whole = [min(whole[0], day), max(whole[1], day + DAY)]
    if whole[0] >= whole[1]:
        return None, edges
    return (whole[0].date(), (whole[1] - DAY).date()), edges


def _midnight(moment: datetime.datetime) -> datetime.datetime:
    return datetime.datetime.combine(moment, datetime.time())


def _length(edges: list[_Edge], present: datetime.datetime) -> datetime.timedelta:
    """How much of some edges has passed."""
    lengths = (min(edge.end, present) - min(edge.start, present) for edge in edges)
    return sum(lengths, datetime.timedelta())


def _narrowed(chosen: Filter) -> Filter | None:
    """The same between the first and the last day that have such calls; None if none has.

    No index has models and providers, so calls outside of it would be read for nothing.
    """
    conditions = [UsageDay.day >= chosen.start.date(), UsageDay.day <= chosen.end.date()]
    conditions += _expressions(chosen, UsageDay.user_id, UsageDay.api_key_id, UsageDay)
    query = UsageDay.select(fn.MIN(UsageDay.day), fn.MAX(UsageDay.day)).where(*conditions)
    first, last = query.scalar(as_tuple=True)
    if first is None:
        return None
    start = datetime.datetime.combine(first, datetime.time())
    end = datetime.datetime.combine(last, datetime.time()) + DAY
    return Filter(
        max(chosen.start, start),
        min(chosen.end, end),
        chosen.user_id,
        chosen.key_id,
        chosen.model,
        chosen.provider,
    )


def _calls_query(chosen: Filter, limit: int, cursor: Cursor | None) -> Any:
    conditions = [UsageLog.created_at >= chosen.start]
    if cursor is None or cursor[0] >= chosen.end:
        conditions.append(UsageLog.created_at < chosen.end)
    else:
        moment, call_id = cursor
        # The first condition bounds what is read of the index.
        conditions.append(UsageLog.created_at <= moment)
        conditions.append((UsageLog.created_at < moment) | (UsageLog.id < call_id))
    conditions += _expressions(chosen, UsageLog.user, UsageLog.api_key, UsageLog)
    query = UsageLog.select(*_FIELDS).where(*conditions)
    return query.order_by(UsageLog.created_at.desc(), UsageLog.id.desc()).limit(limit + 1)


def _expressions(chosen: Filter, user: Any, key: Any, table: Any) -> Iterator[Any]:
    """The conditions of `_conditions`, for Peewee."""
    if chosen.user_id is not None:
        yield user == chosen.user_id
    if chosen.key_id is not None:
        yield key == chosen.key_id
    if chosen.model is not None:
        yield table.model == chosen.model
    if chosen.provider is not None:
        yield table.provider == chosen.provider
