"""`/usage`: what calls used and cost: one's own, or for administrators all."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import asdict

from tornado_router.error_codes import Invalid
from tornado_router.http.connection import ClientGoneError
from tornado_router.http.handlers.management import ManagementHandler, integer
from tornado_router.http.objects.usage import Call, Usage, groups_csv
from tornado_router.ledger import usage_queries
from tornado_router.ledger.csv_lines import csv_lines
from tornado_router.ledger.time_span import read_span
from tornado_router.ledger.usage_queries import MAX_GROUPS, Cursor, Filter
from tornado_router.ledger.usage_report import Question

PARAMETERS = (
    *("from", "to", "model", "provider", "key_id", "user_id"),
    *("group_by", "limit", "after", "format"),
)
CSV_PAGE = 1000


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
        chosen, actor = question.chosen, self.actor
        await self.run(lambda: actor.check_sees(chosen.user_id, chosen.key_id))
        if not as_csv:
            self.write_json(await self.run(lambda: Usage.of(question)))
        elif question.group_by is None:
            await self._write_calls(chosen)
        else:
            text = await self.run(lambda: _groups_csv(question))
            self._set_csv_headers()
            self.finish(text)

    def _read(self, query: Mapping[str, str], *, as_csv: bool) -> Question:
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
        start, end = read_span(query.get("from"), query.get("to"))
        chosen = Filter(
            start,
            end,
            user_id=integer(query, "user_id", None if self.user.is_admin else self.user.id),
            key_id=integer(query, "key_id", None),
            model=query.get("model"),
            provider=query.get("provider"),
        )
        return Question(chosen, group_by, limit, after)

    def _group_by(self, query: Mapping[str, str]) -> str | None:
        if self.user.is_admin:
            return _choice(query, "group_by", usage_queries.GROUPINGS)
        groupings = [name for name in usage_queries.GROUPINGS if name != "user"]
        return _choice(query, "group_by", groupings)

    async def _write_calls(self, chosen: Filter) -> None:
        """Streams all calls as CSV, a page at a time, as fast as the client takes them."""
        page = await self.run(lambda: _calls_csv(chosen, None))
        self._set_csv_headers()
        self.write(csv_lines([usage_queries.COLUMNS]))
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


def _calls_csv(chosen: Filter, cursor: Cursor | None) -> _CsvPage:
    """The lines of a page of calls. Blocks."""
    calls = usage_queries.list_calls(chosen, CSV_PAGE, cursor)
    has_more = len(calls) > CSV_PAGE
    calls = calls[:CSV_PAGE]
    last = (calls[-1]["created_at"], calls[-1]["id"]) if has_more else None
    lines = ({**asdict(Call.of(call)), "prices": call["prices"]} for call in calls)
    return _CsvPage(
        csv_lines([line[name] for name in usage_queries.COLUMNS] for line in lines), last
    )


def _groups_csv(question: Question) -> str:
    """All groups as CSV. Blocks."""
    group_by = question.group_by
    assert group_by is not None
    _, groups = usage_queries.groups(question.chosen, group_by, limit=None)
    return groups_csv(group_by, groups)
