"""Pages of lists, times and amounts."""

import datetime
from decimal import Decimal

import msgspec
import pytest

from tornado_router.http.objects.base import Object, Page, dollars, timestamp


class Thing(Object, kw_only=True):
    """A thing."""

    id: int


def test_a_page_with_a_next_one():
    page = Page[Thing].of([Thing(id=number) for number in (9, 7, 5)], 2)
    assert msgspec.json.decode(msgspec.json.encode(page)) == {
        "object": "list",
        "data": [{"id": 9}, {"id": 7}],
        "has_more": True,
        "next": 7,
    }


@pytest.mark.parametrize("ids", [(), (9,), (9, 7)])
def test_the_last_page(ids):
    page = Page[Thing].of([Thing(id=number) for number in ids], 2)
    assert ([item.id for item in page.data], page.has_more, page.next) == ([*ids], False, None)


def test_times_are_in_whole_seconds():
    assert timestamp(datetime.datetime(1970, 1, 1, 0, 0, 1, 999_999)) == 1
    assert timestamp(None) is None


@pytest.mark.parametrize(
    ("amount", "text"),
    [("10.00", "10"), ("0.000000001", "0.000000001"), ("1E+3", "1000"), ("0", "0"), ("-3", "-3")],
)
def test_amounts_lose_no_digit(amount, text):
    assert dollars(Decimal(amount)) == text
    assert dollars(None) is None
