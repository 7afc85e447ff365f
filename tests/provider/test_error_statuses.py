"""The status that a vendor's name for an error stands for."""

import pytest

from tornado_router.provider.error_statuses import _NAMES, STATUSES, is_status, status_of


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([429], 429),
        (["503"], 503),
        (["slow_down"], 429),
        (["Overloaded_Error"], 529),
        ([None, [], {}, True, "unheard of", "timeout"], 504),
        (["invalid_request_error", 500], 400),
        ([200, "200", 4000, "4 9", "٤٠٠", 400.0], None),
        ([], None),
    ],
)
def test_the_first_value_that_means_one(values, status):
    assert status_of(values) == status


@pytest.mark.parametrize(
    ("value", "expected"),
    [(400, True), ("599", True), (600, False), ("1113", False), (True, False)],
)
def test_what_is_a_mere_status(value, expected):
    assert is_status(value) is expected


def test_names_are_as_they_are_compared():
    assert all(name == name.lower() and 400 <= code < 600 for name, code in STATUSES.items())


def test_no_name_stands_for_two():
    names = [name for names in _NAMES.values() for name in names.split()]
    assert len(names) == len(set(names))
