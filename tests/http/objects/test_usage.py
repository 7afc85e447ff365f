"""Usage objects, whose quantities are listed in usage.py alone."""

import datetime
from decimal import Decimal

import msgspec
import pytest

from tornado_router.http.objects.usage import Call, Sums, UsageGroup
from tornado_router.ledger.usage_queries import COLUMNS, GROUPINGS, Group
from tornado_router.storage.tables import SUMS
from tornado_router.usage import QUANTITIES_AND_TOTAL

ROW = {
    **dict.fromkeys(COLUMNS),
    **dict.fromkeys(QUANTITIES_AND_TOTAL, 3),
    "id": 1,
    "created_at": datetime.datetime(1970, 1, 1, 0, 0, 5, 600_000),
    "cost": Decimal("0.000000001"),
    "uncharged": Decimal(0),
}


def plain(value):
    return msgspec.json.decode(msgspec.json.encode(value))


def test_a_call_has_every_column_and_no_other():
    call = plain(Call.of(ROW))
    assert call.keys() == set(COLUMNS)
    assert (call["created_at"], call["cost"], call["prices"]) == (5, "0.000000001", None)


def test_prices_are_written_as_they_were_stored():
    assert plain(Call.of({**ROW, "prices": '{"input": 1.50}'}))["prices"] == {"input": 1.5}


def test_sums_have_every_quantity_and_a_total():
    sums = {name: number for number, name in enumerate(SUMS)}
    shown = plain(Sums.of(sums))
    assert shown.keys() == {"requests", "errors", "unpriced", "cost", *QUANTITIES_AND_TOTAL}
    assert shown["total_tokens"] == sums["prompt_tokens"] + sums["completion_tokens"]


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_a_group_has_what_its_calls_have_in_common(grouping):
    sums = dict.fromkeys(SUMS, 0)
    group = plain(UsageGroup.of(grouping, Group(None, "label", sums)))
    common = group.keys() - plain(Sums.of(sums)).keys()
    assert len(common) in (1, 2)
    assert any(name.startswith(grouping) for name in common)
