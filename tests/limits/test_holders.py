"""The ids of what limits are counted for: each sort reads what it built, and no other's."""

import datetime

import pytest

from tornado_router.limits.holders import HolderKind


def test_an_id_is_readable():
    assert HolderKind.KEY.id(12) == "key:12"
    assert HolderKind.BUDGET.id(12, datetime.date(2026, 11, 1)) == "budget:12:2026-11-01"


@pytest.mark.parametrize("kind", HolderKind)
def test_a_sort_knows_its_own_ids(kind):
    found = [other for other in HolderKind if other.names(kind.id("2001:db8::/64", 7))]
    assert found == [kind]
