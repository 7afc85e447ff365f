"""A report has the totals of all calls, and the calls or the groups that were asked for."""

import datetime

import pytest

from tornado_router.accounts import keys, registration
from tornado_router.config.options import LedgerOptions
from tornado_router.errors import ApiError
from tornado_router.ledger.usage_queries import Filter
from tornado_router.ledger.usage_report import Question, report
from tornado_router.ledger.writer import Ledger
from tornado_router.storage.storage import Storage

from ..finished import finished

YEAR = Filter(datetime.datetime(2027, 1, 1), datetime.datetime(2028, 1, 1))


@pytest.fixture
def storage(place, tmp_path):
    """With three calls to the model `fast`, and two to `smart`."""
    storage = Storage(place.location)
    storage.call(lambda: keys.create_key(registration.create_administrator(), "one"))
    ledger = Ledger(storage, LedgerOptions(), tmp_path / "journal")
    for number, model in enumerate(["fast", "smart", "fast", "smart", "fast"]):
        ledger.add(finished(number, model=model))
    ledger.close()
    yield storage
    storage.close()


def ask(storage, *question):
    return storage.call(lambda: report(Question(*question)))


def test_calls_are_newest_first_and_one_more_than_asked_for(storage):
    found = ask(storage, YEAR, None, 2)
    assert found.totals["requests"] == 5
    assert [call["id"] for call in found.calls] == [5, 4, 3]
    assert [call["id"] for call in ask(storage, YEAR, None, 2, 4).calls] == [3, 2, 1]
    assert found.groups == ()


def test_groups(storage):
    found = ask(storage, YEAR, "model", 5)
    assert found.totals["requests"] == 5
    assert {group.value: group.sums["requests"] for group in found.groups} == {
        "fast": 3,
        "smart": 2,
    }
    assert found.calls == ()


def test_nothing(storage):
    never = Filter(datetime.datetime(2020, 1, 1), datetime.datetime(2021, 1, 1))
    found = ask(storage, never, None, 5)
    assert (found.totals["requests"], found.calls) == (0, ())


def test_a_page_behind_a_call_that_is_not_there(storage):
    with pytest.raises(ApiError) as caught:
        ask(storage, YEAR, None, 2, 99)
    assert caught.value.param == "after"
