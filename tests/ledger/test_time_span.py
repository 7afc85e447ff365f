"""Spans of time are read as people write them, and refused with the word at fault."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.errors import ApiError
from tornado_router.ledger.time_span import DEFAULT_SPAN, LATEST, read_span
from tornado_router.storage.values import now

DAY = datetime.datetime(2026, 11, 24)
TEN = datetime.datetime(2026, 11, 24, 10)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24", DAY),
        ("1795514400", TEN),
        ("2026-11-24T10:00:00Z", TEN),
        ("2026-11-24 10:00:00z", TEN),
        ("2026-11-24T12:00:00 02:00", TEN),  # a plus that nobody escaped
        ("2026-11-24T04:30:00-05:30", TEN),
        ("2026-11-24T10:00:00.123456789Z", TEN + datetime.timedelta(microseconds=123456)),
        ("0001-01-01", datetime.datetime.min),
    ],
)
def test_times(text, moment):
    assert read_span(text, "9999-12-31") == (moment, LATEST)


def test_what_is_not_given_is_the_last_30_days():
    start, end = read_span(None, None)
    assert end - start == DEFAULT_SPAN
    assert now() < end <= now() + datetime.timedelta(seconds=1)
    assert read_span(None, "0001-01-02")[0] == datetime.datetime.min


@pytest.mark.parametrize(
    ("start", "end", "param"),
    [
        ("yesterday", None, "from"),
        ("2026-02-29", None, "from"),
        ("2026-11-24T10:00:00", None, "from"),
        ("0001-01-01T00:00:00+14:00", None, "from"),
        ("9" * 5000, None, "from"),
        (None, "9999-12-31T00:00:01Z", "to"),
        (None, "2026-11-31", "to"),
        ("2026-11-24", "2026-11-24", "from"),
        (None, "0001-01-01", "to"),
    ],
)
def test_what_is_no_span(start, end, param):
    with pytest.raises(ApiError) as caught:
        read_span(start, end)
    assert (caught.value.status, caught.value.code) == (400, "invalid_value")
    assert caught.value.param == param


@given(st.text(max_size=40))
def test_no_text_is_an_unknown_error(text):
    try:
        start, end = read_span(text, "9999-12-31")
    except ApiError:
        return
    assert start < end
