"""Reports usage: the sums of some calls, and the calls themselves or groups of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tornado_router.ledger import usage_queries
from tornado_router.ledger.usage_queries import Filter, Group, Sums
from tornado_router.storage.tables import UsageLog


@dataclass(frozen=True, slots=True)
class Question:
    """What a report is asked for.

    Attributes:
        chosen: which calls.
        group_by: by what their sums are grouped; None for the calls themselves.
        limit: how many of them.
        after: id of the call that they come behind.
    """

    chosen: Filter
    group_by: str | None
    limit: int
    after: int | None = None


class Report(NamedTuple):
    """The report on a question.

    Attributes:
        totals: of all its calls.
        calls: newest first, and one more than its limit if there are more; none if it has groups.
        groups: the same of groups.
    """

    totals: Sums
    calls: Sequence[Mapping[str, Any]] = ()
    groups: Sequence[Group] = ()


def report(question: Question) -> Report:
    """The report on a question, as of one moment. Blocks.

    Raises:
        ApiError: 400, there is no call with the id of `after`.
    """
    chosen, limit = question.chosen, question.limit
    with UsageLog._meta.database.reading():  # so that the totals are of the same calls
        if question.group_by is not None:
            totals, groups = usage_queries.groups(chosen, question.group_by, limit)
            return Report(totals, groups=groups)
        after = question.after
        cursor = None if after is None else usage_queries.find_cursor(chosen, after)
        totals = usage_queries.totals(chosen)
        if not totals["requests"]:
            return Report(totals)
        return Report(totals, usage_queries.list_calls(chosen, limit, cursor))
