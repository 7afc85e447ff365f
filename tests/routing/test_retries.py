"""Pauses before retries: how long, how many, and how many for all calls together."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tornado_router.config.options import RoutingOptions
from tornado_router.routing.retries import Retries, seconds_of


def retries(chance=1.0, **options):
    return Retries(RoutingOptions(**options), lambda: chance)


def test_pauses_double_up_to_a_limit():
    some = retries(retries=9, backoff_seconds=1.0, max_pause_seconds=5.0)
    assert [some.pause(made, None, 600) for made in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 2.0), (0.5, 3.0), (1.0, 4.0)])
def test_pauses_differ_by_chance(chance, pause):
    assert retries(chance, retries=3, backoff_seconds=1.0).pause(2, None, 600) == pause


def test_there_are_no_more_than_configured():
    some = retries(retries=2)
    assert some.pause(1, None, 600) is not None
    assert some.pause(2, None, 600) is None
    assert retries(retries=0).pause(0, None, 600) is None


def test_what_the_provider_asks_for_is_honoured():
    some = retries(retries=2, backoff_seconds=1.0, max_pause_seconds=10.0)
    assert some.pause(0, 7.5, 600) == 7.5
    assert some.pause(0, 0.1, 600) == 1.0
    assert some.pause(0, 10.5, 600) is None


def test_nothing_is_tried_after_the_deadline():
    some = retries(retries=2, backoff_seconds=1.0)
    assert some.pause(0, None, 0.9) is None
    assert some.pause(0, None, -1) is None


def test_a_budget_for_all_calls():
    some = retries(retries=5, retry_budget=0.25)
    assert [some.pause(0, None, 600) is not None for _ in range(11)] == [True] * 10 + [False]
    granted = 0
    for _ in range(400):
        some.deposit()
        granted += some.pause(0, None, 600) is not None
    assert granted == 100


def test_no_more_than_ten_are_saved_up():
    some = retries(retries=5)
    for _ in range(1000):
        some.deposit()
    assert [some.pause(0, None, 600) is not None for _ in range(12)].count(True) == 10


def test_a_budget_of_nothing():
    some = retries(retry_budget=0)
    some.deposit()
    assert some.pause(0, None, 600) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("٣", None),
        ("\x1f3", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2026 00:00:00 +9999999999999999999", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after(header, seconds):
    assert seconds_of(header) == seconds


def test_a_moment_to_come():
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < seconds_of(moment) <= 60


def test_who_asks_twice_at_once_takes_from_the_same_budget():
    made = retries(retry_budget=0.5)
    assert sum(made.take() for _ in range(20)) == 10
    assert made.pause(0, None, 60) is None
    for _ in range(2):
        made.deposit()
    assert made.take()
    assert not made.take()
